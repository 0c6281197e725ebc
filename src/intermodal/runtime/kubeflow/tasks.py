"""What the server says of a run, as our task names and states; pure.

Kubeflow lists every node of its workflow: drivers, conditions, loops, iterations, and the tasks. A task is
a node that bears a task's name and is no driver; the way to it through its parents tells which one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from intermodal.errors import StepFailed
from intermodal.runtime.graph import is_group, template_of
from intermodal.runtime.outcome import Outcome
from intermodal.runtime.pod import Told
from intermodal.runtime.record import CANCELLED, FAILED, PENDING, RUNNING, SKIPPED, SUCCEEDED, TaskRecord

_STATES = {
    "PENDING": PENDING,
    "RUNNING": RUNNING,
    "PAUSED": RUNNING,
    "CANCELING": RUNNING,
    "SUCCEEDED": SUCCEEDED,
    "SKIPPED": SKIPPED,
    "FAILED": FAILED,
    "CANCELED": CANCELLED,
}
TERMINAL = ("SUCCEEDED", "SKIPPED", "FAILED", "CANCELED")
POD_REASON = "pod "  # how the reason begins while a task itself has said nothing
_DRIVER, _EXECUTOR = "-driver", "executor"


@dataclass(frozen=True)
class SeenTask:
    """One task of a run, as the server shows it.

    Attributes:
        name: Our name for it: "part--task", with ".0", ".1" in loops.
        state: Its state, in our words.
        pods: Its pods, one an attempt; none before there is one.
        started: UTC time, ISO 8601; empty before it started.
        seconds: Wall seconds so far.
        message: Why it failed, in Kubeflow's words.
        created: When Kubeflow made it, ISO 8601.
        mark: What tells this node at its end from one that takes its place when the run is repeated.
    """

    name: str
    state: str
    pods: tuple[str, ...] = ()
    started: str = ""
    seconds: float = 0.0
    message: str = ""
    created: str = ""
    mark: str = ""


def run_state(run: Any) -> str:
    """The state of a run, in our words; RUNNING until it has ended."""
    state = _STATES.get(str(run.state), RUNNING)
    return {PENDING: RUNNING, SKIPPED: SUCCEEDED}.get(state, state)


def has_ended(run: Any) -> bool:
    """Whether nothing of a run goes on any more."""
    return str(run.state) in TERMINAL


def seen_tasks(run: Any, templates: Iterable[str], loops: Iterable[str]) -> list[SeenTask]:
    """The tasks of a run that Kubeflow has begun with.

    Args:
        run: `V2beta1Run`.
        templates: Names of the pipeline's tasks, "part--task" in sub-pipelines.
        loops: Those among them that are inside a loop: there may be many of each.

    Returns:
        The tasks, in the order in which they were created.
    """
    details = {item.task_id: item for item in (run.run_details.task_details if run.run_details else None) or []}
    known, repeated, counts = set(templates), set(loops), dict[str, int]()
    found = []
    for item in sorted(details.values(), key=lambda item: (_time(item.create_time), str(item.task_id))):
        name = _name_of(item, details, known)
        if not name:
            continue
        number = counts[name] = counts.get(name, -1) + 1
        label = f"{name}.{number}" if name in repeated or number else name
        found.append(_seen(label, item, details))
    return found


def outcomes_by_name(told: list[Told], pods: dict[str, tuple[str, ...]]) -> dict[str, Outcome]:
    """Outcomes by our names: a task tells its own name, which it may share, and its pod, which it does not.

    Args:
        told: What the tasks said, in the order of their ends.
        pods: Our name → the task's pods.

    Returns:
        Our name → the last outcome of one of its pods; of a task that did not tell its pod, the last one of
        that name when no other task bears it.
    """
    by_pod = {_mark(item.pod): item.outcome for item in told if item.pod}
    by_task = {item.task: item.outcome for item in told if not item.pod}
    bare = [_bare(name) for name in pods]
    found = {}
    for name, own in pods.items():
        marks = [_mark(pod) for pod in own if _mark(pod) in by_pod]
        if marks:
            found[name] = by_pod[marks[-1]]
        elif _bare(name) in by_task and bare.count(_bare(name)) == 1:
            found[name] = by_task[_bare(name)]
    return found


def _mark(pod: str) -> str:
    """What tells a pod: Kubeflow's API may leave out the template's part of its name, but not the hash."""
    return pod.rpartition("-")[2]


def _bare(name: str) -> str:
    return template_of(name).rpartition("--")[2]


def updated(task: TaskRecord, seen: SeenTask) -> TaskRecord:
    """A task's record with what the server shows; what is known better already stays.

    Args:
        task: The record.
        seen: The task, as the server shows it.
    """
    told = task.reason and not task.reason.startswith(POD_REASON)
    state = task.state if task.cached and seen.state == SUCCEEDED else seen.state
    return replace(
        task,
        state=state,
        started=seen.started,
        seconds=seen.seconds,
        reason=task.reason if told else f"{POD_REASON}{seen.pods[-1] if seen.pods else 'not started'}",
        error=(task.error or _failure(task.name, seen)) if state == FAILED else {},
    )


def _failure(name: str, seen: SeenTask) -> dict[str, Any]:
    cause = seen.message or (f"{POD_REASON}{seen.pods[-1]}" if seen.pods else "its pod never started")
    return StepFailed(f"task {name} failed on Kubeflow", seen=cause, next_step="read its log").to_json()


def _name_of(item: Any, details: dict[str, Any], known: set[str]) -> str:
    """Our name for a node; empty when it is no task."""
    name = str(item.display_name or "")
    if name.endswith(_DRIVER):
        return ""
    full = "--".join([*_way(item, details), name])
    if full in known:
        return full
    ends = [template for template in known if template.rpartition("--")[2] == name]
    return ends[0] if ends else ""


def _way(item: Any, details: dict[str, Any]) -> list[str]:
    """Names of the sub-pipelines around a node, outermost first."""
    names: list[str] = []
    parent = details.get(item.parent_task_id or "")
    while parent is not None and len(names) < 32:
        name = str(parent.display_name or "")
        if name != "root" and not is_group(name) and not name.startswith(("iteration", _EXECUTOR)):
            names.insert(0, name)
        parent = details.get(parent.parent_task_id or "")
    return names


def _seen(label: str, item: Any, details: dict[str, Any]) -> SeenTask:
    start, end = _time(item.start_time or item.create_time), _time(item.end_time)
    error = item.error.message if item.error is not None else ""
    began = bool(start) and str(item.state) != "PENDING"
    return SeenTask(
        name=label,
        state=_STATES.get(str(item.state), PENDING),
        pods=_pods(item, details),
        started=datetime.fromtimestamp(start, UTC).isoformat(timespec="milliseconds") if began else "",
        seconds=round(max(0.0, end - start), 3) if end and start else 0.0,
        message=str(error or ""),
        created=item.create_time.isoformat() if item.create_time else "",
        mark=f"{item.task_id} {end}",
    )


def _pods(item: Any, details: dict[str, Any]) -> tuple[str, ...]:
    """The pods that do the work, one an attempt: those of the executor under the node, or the node's own."""
    below = _executors(item, details)
    if below:
        return tuple(str(child.pod_name) for child in below if child.pod_name)
    layered = any(str(other.display_name).startswith(_EXECUTOR) for other in details.values())
    return (str(item.pod_name),) if item.pod_name and not layered else ()


def _executors(item: Any, details: dict[str, Any]) -> list[Any]:
    """The executor's nodes under a node; where it is tried again, the node of each attempt."""
    children = [child for child in details.values() if child.parent_task_id == item.task_id]
    found = [child for child in children if str(child.display_name).startswith(_EXECUTOR)]
    found.sort(key=lambda child: (_time(child.create_time), str(child.display_name)))
    return [leaf for child in found for leaf in (_executors(child, details) or [child])]


def _time(value: Any) -> float:
    return float(value.timestamp()) if value else 0.0
