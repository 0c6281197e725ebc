"""What a job tells while it runs: its phases, its log and its curves, put where a task of this machine puts its own."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from typing import Any, Protocol

from intermodal.aws.job_kinds import COMPLETED, JobKind, story_of
from intermodal.core.metric_lines import parse_metric_line
from intermodal.errors import IntermodalError
from intermodal.runtime.context import TaskContext
from intermodal.runtime.sagemaker.job_files import END_MARK, journal_key
from intermodal.store.base import Store

_LATE_SECONDS = 10.0  # how long the last lines of a finished job may take to CloudWatch
_LOOK_SECONDS = 0.2
_HOST = re.compile(r"^\[algo-\d+\] ")


class Log(Protocol):
    """What a job prints."""

    def lines(self, *, search: bool = False) -> list[str]:
        """Lines that were not given before.

        Args:
            search: Whether to look for what may have come in other places, which takes longer.

        Raises:
            RuntimeFailed: The log cannot be read.
        """
        ...


class JobStory:
    """Writes a job's log and journal into its task's folder.

    Args:
        log: What it prints.
        kind: The job's kind.
        name: Its name.
        context: The task's surroundings.
    """

    def __init__(self, log: Log, kind: JobKind, name: str, context: TaskContext) -> None:
        self._log, self._kind, self._context = log, kind, context
        self._name, self._phase, self._ended, self._unreadable = name, "", False, False
        self._metrics: Counter[tuple[str, str, int]] = Counter()

    def look(self, description: dict[str, Any]) -> None:
        """Take over what is new.

        Args:
            description: The job, as AWS describes it now.
        """
        phase = story_of(description)
        if phase and phase != self._phase:
            self._phase = phase
            self._write([f"{self._kind.service}: {phase}"])
        if not self._unreadable:
            self._take(self._lines())

    def finish(self, description: dict[str, Any], store: Store) -> None:
        """Take over what came last, and whatever the log lost: the job left its whole journal in the store.

        Args:
            description: The job, as AWS describes it at its end.
            store: Where the job left it.
        """
        phases = {item.get("Status") for item in description.get("SecondaryStatusTransitions") or []}
        if phases & {"Interrupted", "Restarting"}:
            self._ended = False  # the mark of an earlier life; this one has a stream of its own
        until = time.monotonic() + (_LATE_SECONDS if self._kind.status(description) == COMPLETED else 2.0)
        journal = store.read(journal_key(self._name))
        self._take([] if self._unreadable else self._lines(search=True))
        # A job that left its journal says nothing more that is missed: its last lines are worth a short wait only.
        until = min(until, time.monotonic() + 2.0) if journal is not None else until
        while not self._ended and not self._unreadable and time.monotonic() < until:
            time.sleep(_LOOK_SECONDS)
            self._take(self._lines())
        for event in [json.loads(line) for line in (journal or b"").decode().splitlines()]:
            if event.get("event") == "metric":
                self._journal(event)

    def _lines(self, *, search: bool = False) -> list[str]:
        try:
            return self._log.lines(search=search)
        except IntermodalError as error:  # the log is for people: without it the job goes on all the same
            self._unreadable = True
            return [f"warning: the job's log cannot be read: {error}"]

    def _take(self, lines: list[str]) -> None:
        told = []
        for line in lines:
            said = _HOST.sub("", line)
            event = parse_metric_line(said)
            self._ended = self._ended or said == END_MARK
            if event is not None:
                self._journal({"time": time.time(), **event}, live=True)
            elif said != END_MARK:
                told.append(line)
        self._write(told)

    def _journal(self, event: dict[str, Any], *, live: bool = False) -> None:
        """Add an event to the task's journal; a point that the log has told already is not told again."""
        if event["event"] == "metric":
            point = (event["name"], repr(float(event["value"])), int(event["step"]))
            if live:
                self._metrics[point] += 1
            elif self._metrics[point] > 0:
                self._metrics[point] -= 1
                return
        with self._context.journal.open("a") as journal:
            journal.write(json.dumps(event) + "\n")

    def _write(self, lines: list[str]) -> None:
        if lines:
            with self._context.log.open("a") as log:
                log.write("".join(f"{line}\n" for line in lines))
