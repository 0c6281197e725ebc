"""A record completed with what the tasks' own MLflow runs say: pure, over runs that somebody else has read."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from intermodal.runtime.graph import template_of
from intermodal.runtime.record import PENDING, SKIPPED, RunRecord, TaskRecord
from intermodal.tracking.shared_parent import TASK_TAG

_OUTPUT_TAG = "intermodal.output."
_OWN_METRICS = ("intermodal.", "system/")


def linked(record: RunRecord, runs: list[Any]) -> RunRecord:
    """The record with its tasks' MLflow runs; artifacts and metrics too, where the store told nothing.

    Args:
        record: The run.
        runs: MLflow's runs nested under its parent, newest first.

    Returns:
        The record; tasks that share their name with another one are left as they are.
    """
    names = [_bare(task.name) for task in record.tasks if task.state not in (SKIPPED, PENDING)]
    newest: dict[str, Any] = {}
    for run in runs:
        newest.setdefault(_plain(run.data.tags.get(TASK_TAG, "")), run)
    for task in record.tasks:
        run = newest.get(_bare(task.name))
        if run is not None and names.count(_bare(task.name)) == 1 and task.state not in (SKIPPED, PENDING):
            record = record.with_task(_linked(task, run))
    return record


def _linked(task: TaskRecord, run: Any) -> TaskRecord:
    task = replace(task, mlflow_run_id=str(run.info.run_id))
    if task.artifacts:
        return task
    metrics = {name: value for name, value in run.data.metrics.items() if not name.startswith(_OWN_METRICS)}
    return replace(task, artifacts=_artifacts(run.data.tags), metrics=task.metrics or metrics)


def _artifacts(tags: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Where a task's outputs are, as it said in the tags of its run."""
    found = {}
    for tag, text in tags.items():
        if tag.startswith(_OUTPUT_TAG):
            fields = json.loads(text)
            rest = {"type": "", "rows": None, "bytes": None}
            found[tag.removeprefix(_OUTPUT_TAG)] = {"uri": fields["uri"], "digest": fields["digest"], **rest}
    return found


def _bare(name: str) -> str:
    return _plain(template_of(name).rpartition("--")[2])


def _plain(name: str) -> str:
    """A step without output artifacts knows its function's name alone, which has underscores."""
    return name.replace("_", "-")
