"""The parent run in MLflow of a run on Kubeflow, as the client sees it; a client without MLflow does without."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intermodal.core.config import Settings
from intermodal.runtime.record import RunRecord

_STATES = {"SUCCEEDED": "FINISHED", "FAILED": "FAILED"}


@dataclass(frozen=True)
class Parent:
    """Claims and ends the parent run.

    Attributes:
        settings: The client's tracking URI.
        experiment: MLflow experiment that the pods use too.
        warn: Told when MLflow does not answer; a run is not lost for that.
    """

    settings: Settings
    experiment: str
    warn: Callable[[str], None]

    def place(self) -> str:
        """Name of the experiment in which pods find the parent: that of an inherited run, wherever it lies."""
        inherited, uri = os.environ.get("MLFLOW_RUN_ID", ""), self.settings.tracking_uri
        if not inherited or uri == "off":
            return self.experiment
        try:
            client = _client(uri)
            return str(client.get_experiment(client.get_run(inherited).info.experiment_id).name)
        except Exception as error:  # as below
            self.warn(f"MLflow did not answer, so the inherited run's experiment is not known: {_short(error)}")
            return self.experiment

    def claim(self, record: RunRecord) -> dict[str, str]:
        """Find or open the parent run, and say that a client will end it.

        An inherited run (`MLFLOW_RUN_ID`, as `mlflow run` sets it) becomes the parent: it is never shown twice.

        Returns:
            What the record says of MLflow; empty without MLflow.
        """
        uri = self.settings.tracking_uri
        if uri == "off":
            return {}
        try:
            return self._claimed(record, uri)
        except Exception as error:  # MLflow raises its own errors, requests' and SQLAlchemy's
            self.warn(f"MLflow did not answer, so this run has no parent there yet: {_short(error)}")
            return {}

    def tasks(self, record: RunRecord) -> list[Any]:
        """The tasks' own runs in MLflow, newest first; none without MLflow."""
        from intermodal.tracking.shared_parent import nested

        run_id, uri = record.mlflow.get("run_id", ""), self.settings.tracking_uri
        if not run_id or uri == "off":
            return []
        try:
            client = _client(uri)
            return nested(client, client.get_run(run_id).info.experiment_id, run_id)
        except Exception as error:  # MLflow raises its own errors, requests' and SQLAlchemy's
            self.warn(f"MLflow did not answer, so the tasks' runs there are not known here: {_short(error)}")
            return []

    def end(self, record: RunRecord, page: Path | None) -> None:
        """End the parent run in the true state, with its summary, and what tasks without a pod left open.

        Args:
            record: The run at its end.
            page: Its report.
        """
        from intermodal.tracking.shared_parent import end_parent

        run_id, uri = record.mlflow.get("run_id", ""), self.settings.tracking_uri
        if not run_id or uri == "off":
            return
        try:
            _summarise(uri, run_id, record, page)
        except Exception as error:  # as above; a run without its report has ended all the same
            self.warn(f"MLflow did not take the summary of the run: {_short(error)}")
        try:
            end_parent(uri, run_id, _STATES.get(record.state, "KILLED"))
        except Exception as error:  # as above
            self.warn(f"MLflow did not answer, so the parent run there is not ended: {_short(error)}")

    def release(self, record: RunRecord) -> None:
        """Leave the parent run to the tasks of a run that goes on without a client."""
        from intermodal.tracking.shared_parent import OWNER_TAG, settle_parent

        run_id, uri = record.mlflow.get("run_id", ""), self.settings.tracking_uri
        if not run_id or uri == "off":
            return
        try:
            client = _client(uri)
            if client.get_run(run_id).info.status != "RUNNING":  # it has its true state already
                return
            client.delete_tag(run_id, OWNER_TAG)
            settle_parent(client, run_id)
        except Exception as error:  # as above
            self.warn(f"MLflow did not answer, so the parent run there stays ours: {_short(error)}")

    def _claimed(self, record: RunRecord, uri: str) -> dict[str, str]:
        from intermodal.tracking import shared_parent

        key = str(record.remote["run_id"])
        tags = {"intermodal.pipeline": record.reference, "intermodal.client_run": record.run_id}
        inherited = os.environ.get("MLFLOW_RUN_ID", "")
        if inherited:
            adopt(uri, inherited, key, tags)
            experiment = ""
            run_id, url = inherited, ""
        else:
            ids = shared_parent.open_parent(uri, self.experiment, key, record.run_id, record.parameters, tags)
            run_id, experiment, url = ids.run_id, ids.experiment_id, ids.url
        return {"run_id": run_id, "experiment_id": experiment, "url": url, "tracking_uri": uri}


def adopt(uri: str, run_id: str, key: str, tags: dict[str, Any]) -> None:
    """Make an inherited MLflow run the parent that pods find.

    Args:
        uri: MLflow's tracking URI.
        run_id: The inherited run.
        key: The pipeline run's id.
        tags: More tags.
    """
    from intermodal.tracking import shared_parent

    client = _client(uri)
    marks = {
        shared_parent.KEY_TAG: key,
        shared_parent.ROLE_TAG: shared_parent.PIPELINE,
        shared_parent.OWNER_TAG: shared_parent.CLIENT,
    }
    for name, value in {**tags, **marks}.items():
        client.set_tag(run_id, name, value)


def _summarise(uri: str, run_id: str, record: RunRecord, page: Path | None) -> None:
    """The tasks' final metrics and the report, as the parent of a local run has them."""
    from intermodal.tracking.limits import clean_key

    client = _client(uri)
    for task in record.tasks:
        for name, value in task.metrics.items():
            client.log_metric(run_id, clean_key(f"{task.name}.{name}"), value)
    if page is not None:
        client.log_artifact(run_id, str(page))


def _client(uri: str) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(uri, uri)


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200] if str(error).strip() else ''}"
