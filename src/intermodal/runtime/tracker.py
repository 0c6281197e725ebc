"""What of a run goes to MLflow: one parent run a pipeline, one nested run a task, in their true states."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from intermodal.core.config import Settings
from intermodal.core.manifest import Manifest
from intermodal.errors import IntermodalError
from intermodal.runtime.outcome import Outcome
from intermodal.runtime.record import RunRecord, TaskRecord
from intermodal.store.inputs import resolve_input
from intermodal.store.locate import read_manifest
from intermodal.tracking.recorder_process import RecorderProcess, RunIds

_STATES = {"SUCCEEDED": "FINISHED", "CACHED": "FINISHED", "FAILED": "FAILED", "SKIPPED": "KILLED"}
_METRICS = "system.Metrics"
_PAGES = ("system.HTML", "system.Markdown", "system.ClassificationMetrics")


class Tracker:
    """Records a run in MLflow through a recorder process; nothing here waits, but for ids.

    Args:
        settings: Tracking URI and experiment.
        folder: The run's folder.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = settings
        self._recorder = RecorderProcess(settings.tracking_uri, folder)
        self._parent = ""

    def start(self) -> None:
        """Start the recorder, so that it imports MLflow while other things happen."""
        self._recorder.start()

    def start_run(self, record: RunRecord) -> None:
        """Open the parent run, or open it again when the run is resumed.

        A run that was injected from outside (`MLFLOW_RUN_ID`, as `mlflow run` and KFP set it) is adopted:
        it is never shown twice.
        """
        inherited = os.environ.get("MLFLOW_RUN_ID", "")
        if inherited:
            self._parent = self._recorder.adopt(inherited)
            self._recorder.set_tags(self._parent, {"intermodal.run_id": record.run_id})
            return
        tags = {"intermodal.run_id": record.run_id, "intermodal.pipeline": record.reference}
        self._parent = self._recorder.start_pipeline(
            self._settings.experiment,
            record.run_id,
            params=record.parameters,
            tags=tags,
            handle=record.run_id,
        )

    def join_run(self, run_id: str) -> None:
        """Record under the parent run that all tasks of a pipeline run share, whoever of them comes first."""
        self._parent = self._recorder.join_pipeline(self._settings.experiment, run_id, run_id)

    def adopt_task(
        self, mlflow_run_id: str, task: TaskRecord, parameters: dict[str, Any], inputs: dict[str, list[str]]
    ) -> str:
        """Go on with a nested run that someone else opened for this task; its handle."""
        handle = self._recorder.adopt(mlflow_run_id)
        tags = {"intermodal.step": task.step, "intermodal.task": task.name}
        self._recorder.log_batch(handle, params=parameters, tags=tags)
        datasets = [_dataset(name, uri) for name, uris in inputs.items() for uri in uris]
        self._recorder.log_inputs(handle, [item for item in datasets if item])
        return handle

    def settle_run(self) -> None:
        """Give the shared parent run the state its tasks are in."""
        self._recorder.settle_parent(self._parent)

    def start_task(self, task: TaskRecord, parameters: dict[str, Any], inputs: dict[str, list[str]]) -> str:
        """Open a task's nested run; its handle."""
        datasets = [_dataset(name, uri) for name, uris in inputs.items() for uri in uris]
        return self._recorder.start_task(
            task.name,
            self._parent,
            params=parameters,
            tags={"intermodal.step": task.step, "intermodal.task": task.name},
            datasets=[item for item in datasets if item],
            handle=f"{self._parent}/{task.name}/{task.started}",
        )

    def run_ids(self) -> RunIds | None:
        """The parent run's ids; None while MLflow is away or switched off."""
        return self._recorder.ids(self._parent) if self._parent else None

    def task_page(self, handle: str) -> str:
        """The page of a nested run; empty when MLflow is no server, or away."""
        ids = self._recorder.ids(handle)
        return ids.url if ids else ""

    def task_run_id(self, handle: str) -> str:
        """A nested run's id; empty while MLflow is away or switched off."""
        ids = self._recorder.ids(handle)
        return ids.run_id if ids else ""

    def watch(self, handle: str, process: int) -> None:
        """Sample what a task's processes use, until it ends."""
        self._recorder.watch(handle, process)

    def journal(self, handle: str, events: list[dict[str, Any]]) -> None:
        """Record the curve points among a task's journal events."""
        points = [
            (event["name"], float(event["value"]), int(event["step"]), int(event["time"] * 1000))
            for event in events
            if event.get("event") == "metric"
        ]
        self._recorder.log_batch(handle, metrics=points)

    def end_task(self, handle: str, task: TaskRecord, outcome: Outcome, milliseconds: int) -> None:
        """Record what a task made, and end its run in its true state."""
        tags = {
            "intermodal.state": task.state,
            "intermodal.reason": task.reason,
            "intermodal.cache_key": outcome.cache_key,
        }
        if outcome.produced_by and task.cached:
            tags["intermodal.cached_from"] = outcome.produced_by
        if task.bill.get("paid_by"):
            tags["intermodal.paid_by"] = str(task.bill["paid_by"])
        if task.error:
            tags["intermodal.error"] = task.error["headline"]
        for name, item in task.artifacts.items():
            tags[f"intermodal.output.{name}"] = json.dumps({"uri": item["uri"], "digest": item["digest"]})
        points = [(name, value, 0, milliseconds) for name, value in task.metrics.items()]
        points.append(("intermodal.seconds", task.seconds, 0, milliseconds))
        points += [(name, value, 0, milliseconds) for name, value in bill_metrics(task).items()]
        self._recorder.log_batch(handle, metrics=points, tags=tags)
        for name, output in outcome.outputs.items():
            if output.schema in _PAGES and not task.cached:
                with contextlib.suppress(IntermodalError):  # the page stays in the store; the task ended as it did
                    page = resolve_input(output.uri, self._settings.home / "inputs").path
                    self._recorder.log_artifacts(handle, page, name)
        self._recorder.end(handle, _STATES.get(task.state, "KILLED"))

    def end_run(self, record: RunRecord, report: Path | None) -> None:
        """Record the summary of a run, and end its parent run."""
        metrics = {f"{task.name}.{name}": value for task in record.tasks for name, value in task.metrics.items()}
        metrics |= bill_metrics(*record.tasks)
        self._recorder.log_batch(self._parent, metrics=[(k, v, 0, 0) for k, v in metrics.items()])
        if report is not None:
            self._recorder.log_artifacts(self._parent, report)
        self._recorder.end(self._parent, _STATES.get(record.state, "KILLED"))

    def end_dead(self, run_ids: list[str]) -> None:
        """End runs whose process is gone as KILLED."""
        if run_ids:
            self._recorder.mark_dead(run_ids)

    def close(self) -> str:
        """Wait until MLflow has everything; a warning when it did not take it."""
        return self._recorder.close().warning


def bill_metrics(*tasks: TaskRecord) -> dict[str, float]:
    """What the jobs of tasks were charged with, added up; empty when none was charged with anything.

    A task whose instances have no price counts with its seconds alone; one whose job another run pays, with nothing.
    """
    bills = [task.bill for task in tasks if task.bill]
    found: dict[str, float] = {}
    for name in ("billed_seconds", "cost_usd"):
        values = [0.0 if bill.get("paid_by") else float(bill[name]) for bill in bills if name in bill]
        found |= {f"sagemaker.{name}": sum(values)} if values else {}
    return found


def metrics_of(outcome: Outcome) -> dict[str, float]:
    """Final scalar metrics among a task's outputs."""
    found: dict[str, float] = {}
    for output in outcome.outputs.values():
        if output.schema == _METRICS:
            numbers = {
                k: v for k, v in output.metadata.items() if isinstance(v, int | float) and not isinstance(v, bool)
            }
            found |= {name: float(value) for name, value in numbers.items()}
    return found


def artifact_facts(outcome: Outcome) -> dict[str, dict[str, Any]]:
    """What a record says of each output: uri, digest, rows, bytes, type."""
    facts = {}
    for name, output in outcome.outputs.items():
        manifest = manifest_or_none(output.uri)
        facts[name] = {
            "uri": output.uri,
            "digest": output.digest,
            "type": output.schema,
            "rows": manifest.rows if manifest else None,
            "bytes": manifest.size if manifest else None,
        }
    return facts


def manifest_or_none(uri: str) -> Manifest | None:
    """A manifest, or None where there is none to read."""
    try:
        return read_manifest(uri)
    except IntermodalError:
        return None


def _dataset(name: str, uri: str) -> dict[str, Any]:
    manifest = manifest_or_none(uri)
    if manifest is None:
        return {}
    return {"name": name, "digest": manifest.digest, "uri": uri, "rows": manifest.rows, "columns": manifest.columns}
