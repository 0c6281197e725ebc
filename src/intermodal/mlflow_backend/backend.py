"""The project backends themselves: one class, a subclass for each name by which MLflow finds it."""

from __future__ import annotations

import atexit
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mlflow
from mlflow.exceptions import ExecutionException
from mlflow.projects.backend.abstract_backend import AbstractBackend
from mlflow.tracking import MlflowClient

from intermodal.core.config import load_settings
from intermodal.errors import IntermodalError
from intermodal.mlflow_backend.caller import Caller, caller
from intermodal.mlflow_backend.config import BackendConfig, read_config
from intermodal.mlflow_backend.project import Entry, Project, fetch, filled, read_entry, values_of
from intermodal.mlflow_backend.runs import adopt_run, ensure_ended, find_run, heal, open_run, tags_of
from intermodal.mlflow_backend.submitted import IntermodalRun
from intermodal.mlflow_backend.worker import Worker
from intermodal.runtime.entry import EntryRequest, Permission
from intermodal.tracking.store_init import sqlite_path


@dataclass(frozen=True)
class Order:
    """Everything that is known before the work begins.

    Attributes:
        project: The project.
        entry: Its entry point.
        values: Its parameters, raw.
        config: The backend config.
        call: What MLflow was told beside.
        experiment_id: Experiment for a new run.
        tracking_uri: MLflow's store, the same from any directory.
    """

    project: Project
    entry: Entry
    values: dict[str, str]
    config: BackendConfig
    call: Caller
    experiment_id: str
    tracking_uri: str


class IntermodalBackend(AbstractBackend):
    """`mlflow run -b intermodal`: the runtime stands in the backend config. See `BackendConfig`."""

    name = "intermodal"
    runtime = ""

    def run(
        self,
        project_uri: str,
        entry_point: str,
        params: Mapping[str, Any] | None,
        version: str | None,
        backend_config: Mapping[str, Any],
        tracking_uri: str,
        experiment_id: str,
    ) -> IntermodalRun:
        """Run an entry point; the arguments are MLflow's.

        Returns:
            The run, present in the store; ended when it was to be waited for.

        Raises:
            ExecutionException: Something is not as it should be, and nothing was recorded; or the run failed and was
                waited for. MLflow's command line prints it in one piece and exits with 1.
        """
        call = caller()
        try:
            config = read_config(backend_config, self.runtime)
            project = fetch(project_uri, version)
            entry = read_entry(project.directory, entry_point)
            values = values_of(entry, params)
            order = Order(project, entry, values, config, call, str(experiment_id), _anywhere(tracking_uri))
            submitted = self._submit(order)
        except IntermodalError as error:
            raise ExecutionException(str(error)) from error
        return _waited_for(submitted, order)

    def _submit(self, order: Order) -> IntermodalRun:
        """Start the process, have it check everything, open the run, let it begin."""
        client = MlflowClient(order.tracking_uri)
        wanted = order.call.run_id or order.config.run_id or _inherited()
        adopted = find_run(client, wanted) if wanted else None
        experiment_id = adopted.info.experiment_id if adopted else order.experiment_id
        worker = Worker(order.project.directory, _variables(client, order, experiment_id))
        run_id = ""
        try:
            worker.ask(_request(order))
            heal(client, experiment_id)
            tags = tags_of(order.project, order.entry.name, self.name, order.config.runtime, worker.pid)
            if adopted:
                run_id = adopt_run(client, adopted, order.call.run_name, tags, order.values)
            else:
                run_id = open_run(client, experiment_id, order.call.run_name, tags, order.values, _active())
            worker.allow(Permission(run_id, stays=order.config.wait is False))
        except BaseException as error:
            worker.stop()
            if run_id:
                ensure_ended(client, run_id, "FAILED" if isinstance(error, Exception) else "KILLED")
            raise
        return IntermodalRun(client, run_id, worker)


class LocalBackend(IntermodalBackend):
    """`mlflow run -b intermodal-local`."""

    name = "intermodal-local"
    runtime = "local"


class KubeflowBackend(IntermodalBackend):
    """`mlflow run -b intermodal-kubeflow`."""

    name = "intermodal-kubeflow"
    runtime = "kubeflow"


class SageMakerBackend(IntermodalBackend):
    """`mlflow run -b intermodal-sagemaker`."""

    name = "intermodal-sagemaker"
    runtime = "sagemaker"


def _waited_for(submitted: IntermodalRun, order: Order) -> IntermodalRun:
    """Wait where MLflow would not: on the command line, and where the config says so."""
    waits = order.call.from_command_line if order.config.wait is None else order.config.wait
    if not waits:
        if order.config.wait is None:
            atexit.register(submitted.wait)  # as MLflow promises for runs of its own: the process stays until they end
        return submitted
    if not submitted.wait():
        why = submitted.worker.error
        state = "was stopped" if submitted.worker.state == "KILLED" else "failed"
        raise ExecutionException(f"Run (ID '{submitted.run_id}') {state}" + (f": {why}" if why else ""))
    return submitted


def _request(order: Order) -> EntryRequest:
    return EntryRequest(
        kind=order.entry.kind,
        target=order.entry.target,
        arguments=filled(order.entry, order.values),
        runtime=order.config.runtime,
        mode=order.config.mode,
        use_cache=order.config.use_cache,
        sections=order.config.sections,
    )


def _variables(client: Any, order: Order, experiment_id: str) -> dict[str, str]:
    """What the process has to know beside its request.

    A project that was fetched lies in a directory that nobody will look into: what it makes goes where the caller is.
    """
    values = {
        "MLFLOW_TRACKING_URI": order.tracking_uri,
        "MLFLOW_EXPERIMENT_NAME": str(client.get_experiment(experiment_id).name),
    }
    settings = load_settings()
    if order.project.fetched or os.environ.get("INTERMODAL_HOME"):
        values["INTERMODAL_HOME"] = str(settings.home)
    if order.project.fetched or os.environ.get("INTERMODAL_STORE"):
        values["INTERMODAL_STORE"] = settings.store
    return values


def _inherited() -> str:
    """The run that whoever started this process opened for it; a run that is active here is a parent instead."""
    return "" if mlflow.active_run() else os.environ.get("MLFLOW_RUN_ID", "")


def _active() -> str:
    run = mlflow.active_run()
    return str(run.info.run_id) if run else ""


def _anywhere(tracking_uri: str) -> str:
    """A tracking URI that means the same in another directory."""
    path = sqlite_path(tracking_uri)
    return f"sqlite:///{path.absolute()}" if path and not path.is_absolute() else str(tracking_uri)
