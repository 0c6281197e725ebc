"""The record of a run that has ended: every task in its true state."""

from __future__ import annotations

import time
from dataclasses import replace

from intermodal.errors import IntermodalError, Interrupted
from intermodal.runtime.graph import template_of
from intermodal.runtime.record import CANCELLED, FAILED, PENDING, RUNNING, SKIPPED, SUCCEEDED, RunRecord, TaskRecord


def ended_record(record: RunRecord, well: bool, error: IntermodalError | None, began: float) -> RunRecord:
    """A run's record at its end.

    Args:
        record: As it stands when the last task has ended.
        well: Whether the pipeline went well.
        error: What ended the run, other than a failed task.
        began: `time.monotonic()` at its start.

    Returns:
        The record, its state SUCCEEDED, FAILED or CANCELLED; a loop's task gives way to its iterations.
    """
    failed = [task for task in record.tasks if task.state == FAILED]
    stopped = isinstance(error, Interrupted)
    state = CANCELLED if stopped else SUCCEEDED if well and error is None else FAILED
    first = error.to_json() if error is not None else failed[0].error if failed and state == FAILED else {}
    tasks = tuple(_settled(task, bool(failed), stopped) for task in _unrolled(record.tasks))
    return replace(record, state=state, seconds=round(time.monotonic() - began, 3), tasks=tasks, error=first)


def _unrolled(tasks: tuple[TaskRecord, ...]) -> list[TaskRecord]:
    """The tasks with each loop's own entry replaced by its iterations, where there were any."""
    iterations: dict[str, list[TaskRecord]] = {}
    for task in sorted(tasks, key=_iteration):
        if _iteration(task):
            iterations.setdefault(template_of(task.name), []).append(task)
    names = {name: [item.name for item in items] for name, items in iterations.items()}
    kept = [item for task in tasks if not _iteration(task) for item in iterations.pop(task.name, [task])]
    kept += [item for items in iterations.values() for item in items]
    return [replace(task, depends_on=_waited_for(task, names)) for task in kept]


def _iteration(task: TaskRecord) -> list[int]:
    """Numbers of the iterations a task belongs to; empty outside loops."""
    return [int(item) for item in task.name.removeprefix(template_of(task.name)).split(".") if item.isdigit()]


def _waited_for(task: TaskRecord, iterations: dict[str, list[str]]) -> tuple[str, ...]:
    """What a task waited for, loops unrolled: within a loop the same iteration alone."""
    suffix = task.name.removeprefix(template_of(task.name))
    names: list[str] = []
    for name in task.depends_on:
        same = [item for item in iterations.get(name, ()) if suffix and (item + ".").startswith(f"{name}{suffix}.")]
        around = [item for item in iterations.get(name, ()) if suffix.startswith(item.removeprefix(name) + ".")]
        names += same or around or iterations.get(name) or [name]
    return tuple(names)


def _settled(task: TaskRecord, failed: bool, stopped: bool) -> TaskRecord:
    """A task that never ran, or was running when the run was stopped, with its true state."""
    if task.state == RUNNING:
        return replace(task, state=CANCELLED)
    if task.state != PENDING:
        return task
    if stopped:
        return replace(task, state=CANCELLED, reason="the run was stopped before it")
    why = "a task before it failed" if failed else "its condition was not met"
    return replace(task, state=SKIPPED, reason=why)
