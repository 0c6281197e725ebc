"""A run followed to its end: what the server shows goes into the record, to the observer and into the logs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from intermodal.errors import IntermodalError
from intermodal.runtime.graph import GraphTask, in_loop
from intermodal.runtime.kubeflow.cluster_logs import ClusterLogs
from intermodal.runtime.kubeflow.podlogs import Fetch, PodLogs
from intermodal.runtime.kubeflow.server import Server
from intermodal.runtime.kubeflow.tasks import POD_REASON, SeenTask, has_ended, outcomes_by_name, seen_tasks, updated
from intermodal.runtime.observer import Observer
from intermodal.runtime.outcome import Outcome
from intermodal.runtime.pod import Told
from intermodal.runtime.record import FAILED, PENDING, RUNNING, SUCCEEDED, RunRecord, TaskRecord
from intermodal.runtime.tail import last_lines
from intermodal.runtime.tracker import artifact_facts, metrics_of

Outcomes = Callable[[], list[Told]]
_UNDERWAY = (PENDING, RUNNING)
_LOG_SECONDS = 10.0  # how long the end of a task waits for its log, when the server does not give it


class Follower:
    """Follows one run.

    Args:
        record: The run, with its tasks.
        graph: The pipeline's tasks.
        server: Where it runs.
        outcomes: Gives the outcomes that tasks left in the store so far.
        runs: Directory with one folder a run.
        observer: Who is told.
        stale: Marks of nodes that a repetition replaces, but the server may still show for a moment.
    """

    def __init__(
        self,
        record: RunRecord,
        graph: tuple[GraphTask, ...],
        server: Server,
        outcomes: Outcomes,
        runs: Path,
        observer: Observer,
        stale: frozenset[str] = frozenset(),
    ) -> None:
        self.record = record
        self._names = [item.name for item in graph]
        self._loops = [item.name for item in graph if in_loop(item)]
        self._server = server
        self._outcomes = outcomes
        self._runs = runs
        self._observer = observer
        self._stale = stale
        self._ended: set[str] = {task.name for task in record.tasks if task.state not in _UNDERWAY}
        self._begun: set[str] = {task.name for task in record.tasks if task.state != PENDING}
        self._pods: dict[str, tuple[str, ...]] = {}
        self._unread: dict[str, float] = {}  # tasks that have ended and whose logs were not to be had, since when
        run_id = str(record.remote["run_id"])
        namespace = server.settings.namespace or "kubeflow"
        fetches: list[Fetch] = [lambda pod, created: server.pod_log(pod, run_id, created), ClusterLogs(namespace).fetch]
        self._logs = PodLogs(runs / record.run_id, fetches, observer.task_line, self.warn)

    def follow(self) -> Any:
        """Look again and again until the run has ended.

        Returns:
            The server's run, as it ended.

        Raises:
            RuntimeFailed: The server gave no answer for too long.
        """
        while True:
            run = self.look()
            if has_ended(run) and not self._unread:
                return run
            self._server.patience.sleep(self._server.settings.poll)

    def look(self) -> Any:
        """Look once; the server's run."""
        run = self._server.run(self.record.remote["run_id"])
        seen = [item for item in seen_tasks(run, self._names, self._loops) if item.mark not in self._stale]
        self._pods |= {item.name: item.pods for item in seen}
        newly = [item for item in seen if item.name not in self._ended and item.state not in _UNDERWAY]
        outcomes = outcomes_by_name(self._read_outcomes(), self._pods) if newly else {}
        for item in sorted(seen, key=lambda item: item not in newly):  # what has ended is told before what begins
            self._begin(item)
            if item.state == RUNNING:
                self._logs.copy(item)
            if item in newly and self._has_its_log(item):
                self._end(item, outcomes.get(item.name))
        shown = {item.name for item in newly}
        self._unread = {name: since for name, since in self._unread.items() if name in shown}
        self.record.save(self._runs)
        return run

    def settle(self) -> None:
        """Complete the record with outcomes that came later than the server's word, or that it has no node for."""
        outcomes = outcomes_by_name(self._read_outcomes(), self._pods)
        for task in self.record.tasks:
            outcome = outcomes.get(task.name)
            if outcome is not None and task.state not in _UNDERWAY and not _told(task):
                self.record = self.record.with_task(completed(task, outcome))

    def lacks_outcomes(self) -> bool:
        """Whether a step that went well has not left its word in the store yet."""
        return any(task.step and task.state == SUCCEEDED and not _told(task) for task in self.record.tasks)

    def warn(self, text: str) -> None:
        """Note what the user should know though the run goes on; once."""
        if text not in self.record.warnings:
            self.record = replace(self.record, warnings=(*self.record.warnings, text))

    def _begin(self, seen: SeenTask) -> None:
        known = self.record.task(seen.name) or self._iteration(seen.name)
        if seen.name in self._ended:
            return
        task = updated(known, replace(seen, state=RUNNING if seen.state not in _UNDERWAY else seen.state))
        self.record = self.record.with_task(task)
        if seen.pods and seen.name not in self._begun:
            self._begun.add(seen.name)
            self._observer.task_started(task)

    def _has_its_log(self, seen: SeenTask) -> bool:
        """Whether all that an ended task printed is here, or has been waited for long enough."""
        if not self._logs.copy(seen, last=True):
            now = self._server.patience.clock()
            if now - self._unread.setdefault(seen.name, now) < _LOG_SECONDS:
                return False
            self.warn(f"the log of {seen.name} could not be read to its end: {self._server.settings.host} gave none")
        self._unread.pop(seen.name, None)
        return True

    def _end(self, seen: SeenTask, outcome: Outcome | None) -> None:
        task = updated(self.record.task(seen.name) or self._iteration(seen.name), seen)
        task = completed(task, outcome) if outcome is not None else task
        self.record = self.record.with_task(task)
        self._ended.add(seen.name)
        log = self._runs / self.record.run_id / "tasks" / seen.name / "log.txt"
        self._observer.task_ended(task, last_lines(log) if task.state == FAILED else [])

    def _iteration(self, name: str) -> TaskRecord:
        """The first record of an iteration of a loop: it waits for what its task waits for."""
        template = self.record.task(name.partition(".")[0])
        return TaskRecord(name, template.step, depends_on=template.depends_on) if template else TaskRecord(name)

    def _read_outcomes(self) -> list[Told]:
        try:
            return self._outcomes()
        except IntermodalError as error:
            self.warn(f"the artifact store cannot be read from here: {error.headline} ({error.seen})")
            return []


def _told(task: TaskRecord) -> bool:
    """Whether a task's outcome is in its record; the server alone knows no reason but the pod's name."""
    return bool(task.artifacts or task.values) or not task.reason.startswith(POD_REASON)


def completed(task: TaskRecord, outcome: Outcome) -> TaskRecord:
    """A task's record with what the task itself said of its end; the server's word on its state stands.

    Args:
        task: The record.
        outcome: What the task left in the store.
    """
    failed = task.state == FAILED
    return replace(
        task,
        state=outcome.state if not failed else FAILED,
        cached=outcome.state == "CACHED" and not failed,
        reason=outcome.reason or task.reason,
        artifacts=artifact_facts(outcome),
        metrics=metrics_of(outcome),
        values=outcome.values,
        error=(outcome.error or task.error) if failed else {},
    )
