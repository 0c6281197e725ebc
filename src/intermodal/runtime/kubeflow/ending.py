"""The record of a run on Kubeflow when it ends, and when it is taken up again; pure."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from intermodal.errors import IntermodalError, Interrupted, StepFailed
from intermodal.runtime.ending import ended_record
from intermodal.runtime.kubeflow.tasks import run_state
from intermodal.runtime.record import CACHED, CANCELLED, FAILED, PENDING, RUNNING, SUCCEEDED, RunRecord

_DONE = (SUCCEEDED, CACHED)


def finished(record: RunRecord, run: Any, error: IntermodalError | None) -> RunRecord:
    """A run's record at its end.

    Args:
        record: As it stands when the server says that the run has ended.
        run: The server's run; None when there never was one.
        error: What ended the run before the server could.

    Returns:
        The record, its state SUCCEEDED, FAILED or CANCELLED, and every task settled.
    """
    state = run_state(run) if run is not None else FAILED
    if state == CANCELLED and error is None:
        step = f"intermodal resume {record.run_id} repeats what is missing"
        error = Interrupted("the run was stopped", next_step=step)
    failed = [task for task in record.tasks if task.state == FAILED]
    if state == FAILED and error is None and not failed:
        error = StepFailed("the run failed on Kubeflow", seen=_message(run), next_step=record.remote.get("url", ""))
    ended = ended_record(record, state == SUCCEEDED, error, time.monotonic())
    return replace(ended, seconds=_seconds(run))


def reopened(record: RunRecord) -> RunRecord:
    """The record of a run of which the failed part is repeated: what went well stands."""
    tasks = tuple(
        task if task.state in _DONE else replace(task, state=PENDING, error={}, reason="", seconds=0.0)
        for task in record.tasks
    )
    return replace(record, state=RUNNING, error={}, tasks=tasks)


def _message(run: Any) -> str:
    return str(run.error.message) if run is not None and run.error is not None else ""


def _seconds(run: Any) -> float:
    if run is None or not run.created_at or not run.finished_at:
        return 0.0
    return round(max(0.0, (run.finished_at - run.created_at).total_seconds()), 3)
