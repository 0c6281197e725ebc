"""Runs a job on its hosts: one execution each, all ended together, stopped in order, never longer than allowed."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from intermodal.runtime.sagemaker_local.executing import Execution, Executor, Running

_POLL_SECONDS = 0.02
_LAST_LINES_SECONDS = 30.0  # until what they printed is told, once they have ended
STOPPED, LIMIT, TAKEN = "stopped", "limit", "taken"
Line = Callable[[str, str], None]  # host, line


@dataclass(frozen=True)
class Ending:
    """How the hosts ended.

    Attributes:
        codes: Exit code of each.
        why: "" when they ended by themselves, else STOPPED, LIMIT or TAKEN.
    """

    codes: tuple[int, ...]
    why: str = ""

    @property
    def failed(self) -> int:
        """The first exit code that is not 0, of the host that failed by itself; else 0."""
        own = [code for code in self.codes if code not in (0, 128 + signal.SIGKILL)]
        return (own or [code for code in self.codes if code] or [0])[0]


@dataclass
class HostRun:
    """The hosts of one attempt.

    Attributes:
        executor: Where they run.
        executions: One for each.
        line: Told every line.
        stopping: Set when the job is to stop.
        taken: Set when the capacity is taken away.
        limit: Seconds that they may run.
        grace: Seconds between SIGTERM and SIGKILL.
        watch: Called again and again.
    """

    executor: Executor
    executions: list[Execution]
    line: Line
    stopping: threading.Event
    taken: threading.Event
    limit: float
    grace: Callable[[], float]
    watch: Callable[[], None] = lambda: None

    def run(self) -> Ending:
        """Start all, and wait until all have ended.

        Raises:
            ApiError: One could not be started; those that were are ended.
        """
        running: list[Running] = []
        try:
            for execution in self.executions:
                running.append(self.executor.start(execution))
            return self._follow(running)
        finally:
            for item in running:
                item.kill()
                item.wait()

    def _follow(self, running: list[Running]) -> Ending:
        readers = [
            threading.Thread(target=self._read, args=(execution.hostname, item), daemon=True)
            for execution, item in zip(self.executions, running, strict=True)
        ]
        for reader in readers:
            reader.start()
        why = self._wait(running)
        for item in running:
            item.wait()
        for reader in readers:
            reader.join(_LAST_LINES_SECONDS)
        return Ending(tuple(item.poll() or 0 for item in running), why)

    def _read(self, host: str, running: Running) -> None:
        for text in running.lines():
            self.line(host, text)

    def _wait(self, running: list[Running]) -> str:
        """Wait for the end of all; why, if it was not their own."""
        started, asked, why = time.monotonic(), 0.0, ""
        told: set[int] = set()
        while any(item.poll() is None for item in running):
            self.watch()
            why = why or self._why(time.monotonic() - started)
            if why == TAKEN or any(item.poll() for item in running):
                _end(running)
            elif why:
                asked = asked or time.monotonic()
                told |= {at for at, item in enumerate(running) if at not in told and item.signal(signal.SIGTERM)}
                if time.monotonic() - asked > self.grace():
                    _end(running)
            time.sleep(_POLL_SECONDS)
        return why

    def _why(self, seconds: float) -> str:
        if self.taken.is_set():
            return TAKEN
        if self.stopping.is_set():
            return STOPPED
        return LIMIT if seconds > self.limit else ""


def _end(running: list[Running]) -> None:
    for item in running:
        if item.poll() is None:
            item.kill()
