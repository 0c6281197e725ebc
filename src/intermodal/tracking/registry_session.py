"""Opening the model registry from within a step."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from intermodal.core.config import load_settings
from intermodal.errors import StoreFailed, UsageError
from intermodal.tracking.faults import describe
from intermodal.tracking.mlflow_import import set_defaults
from intermodal.tracking.recorder import FAILED, FINISHED, Recorder
from intermodal.tracking.registry import ModelRegistry
from intermodal.tracking.store_init import artifact_root, ensure_store


@contextlib.contextmanager
def open_registry(name: str, alias: str) -> Iterator[tuple[ModelRegistry, str]]:
    """Open the registry of the tracking store in force, within the task's MLflow run.

    Args:
        name: The registered model.
        alias: The alias that the gate guards.

    Yields:
        The registry, and the id of the run: the inherited `MLFLOW_RUN_ID`, or else one that ends with the block.

    Raises:
        UsageError: Tracking is switched off.
        StoreFailed: MLflow does not answer, or refuses.
    """
    settings = load_settings()
    if settings.tracking_uri == "off":
        step = "unset MLFLOW_TRACKING_URI, or leave the register step out"
        raise UsageError("registering a model needs MLflow", seen="off", expected="a tracking URI", next_step=step)
    set_defaults()
    ensure_store(settings.tracking_uri)
    client = _client(settings.tracking_uri)
    from mlflow.exceptions import MlflowException

    try:
        with _task_run(Recorder(client, artifact_root(settings.tracking_uri)), settings.experiment) as run_id:
            yield ModelRegistry(client, name, alias), run_id
    except MlflowException as error:
        step = "start the server, or set MLFLOW_TRACKING_URI to one that answers"
        raise StoreFailed("MLflow did not take the model", seen=describe(error), next_step=step) from error


@contextlib.contextmanager
def _task_run(recorder: Recorder, experiment: str) -> Iterator[str]:
    if inherited := os.environ.get("MLFLOW_RUN_ID"):
        yield inherited  # its state is its owner's to set
        return
    run_id = recorder.start_pipeline(experiment, "register")["run_id"]
    try:
        yield run_id
    except BaseException:
        recorder.end(run_id, FAILED)
        raise
    recorder.end(run_id, FINISHED)


def _client(uri: str) -> Any:
    import mlflow

    registry = os.environ.get("MLFLOW_REGISTRY_URI") or uri
    # `mlflow.pyfunc.load_model` knows only the process's own setting.
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(registry)
    return mlflow.MlflowClient(uri, registry)
