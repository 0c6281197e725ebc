"""KFP's native MLflow (2.17): a parent run for the pipeline, a nested run for each task, injected into its pod."""

from __future__ import annotations

from typing import Any

from intermodal.runtime.kubeflow.fake.progress import Progress

PARENT_TAG = "mlflow.parentRunId"


class NoTracking:
    """KFP without the plugin."""

    def begin(self, _attempt: Any) -> dict[str, str]:
        """Variables of a task's pod."""
        return {}

    def end(self, _attempt: Any, _state: str) -> None:
        """A task has ended."""

    def close(self, _state: str) -> None:
        """The run has ended."""


class NativeTracking(NoTracking):
    """The plugin, against a real MLflow server.

    Args:
        uri: Tracking URI.
        experiment: Name of the experiment, made when it is new.
        run: `run_id`, `display_name`, and the pipeline's `pipeline_id` and `pipeline_version_id` where it has them.
        progress: Where the plugin's output is written down; a retried run goes on with the run named there.
    """

    def __init__(self, uri: str, experiment: str, run: dict[str, str], progress: Progress) -> None:
        from mlflow import MlflowClient

        from intermodal.tracking.store_init import ensure_store

        ensure_store(uri)  # two runs that made a new database at once would spoil it
        self._uri = uri
        self._client = MlflowClient(tracking_uri=uri)
        self._open: dict[str, str] = {}
        found = self._client.get_experiment_by_name(experiment)
        self._experiment = found.experiment_id if found else self._client.create_experiment(experiment)
        self._parent = progress.plugin_entry("mlflow", "root_run_id")
        if self._parent:
            self._client.update_run(self._parent, status="RUNNING")
        else:
            self._parent = self._new(run["display_name"], _tags(run))
        self._experiment_name = experiment
        self._progress = progress
        self._tell("PLUGIN_SUCCEEDED")

    def begin(self, attempt: Any) -> dict[str, str]:
        """See `NoTracking.begin`."""
        run = self._new(attempt.name, {PARENT_TAG: self._parent})
        self._open[attempt.execution] = run
        return {
            "MLFLOW_TRACKING_URI": self._uri,
            "MLFLOW_RUN_ID": run,
            "MLFLOW_EXPERIMENT_ID": self._experiment,
        }

    def end(self, attempt: Any, state: str) -> None:
        """See `NoTracking.end`."""
        run = self._open.pop(attempt.execution, "")
        if run:
            self._client.set_terminated(run, status=state)

    def close(self, state: str) -> None:
        """See `NoTracking.close`."""
        for run in self._open.values():
            self._client.set_terminated(run, status=state)
        self._client.set_terminated(self._parent, status=state)

    def _new(self, name: str, tags: dict[str, str]) -> str:
        made = self._client.create_run(self._experiment, tags=tags, run_name=name)
        return str(made.info.run_id)

    def _tell(self, state: str) -> None:
        url = f"{self._uri}/#/experiments/{self._experiment}/runs/{self._parent}"
        entries: dict[str, Any] = {
            "experiment_name": {"value": self._experiment_name},
            "experiment_id": {"value": self._experiment},
            "root_run_id": {"value": self._parent},
        }
        if self._uri.startswith("http"):
            entries["run_url"] = {"value": url, "render_type": "URL"}
        self._progress.plugin("mlflow", {"entries": entries, "state": state})


def _tags(run: dict[str, str]) -> dict[str, str]:
    tags = {"kfp.pipeline_run_id": run["run_id"]}
    for name in ("pipeline_id", "pipeline_version_id"):
        if run.get(name):
            tags[f"kfp.{name}"] = run[name]
    return tags
