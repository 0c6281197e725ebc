"""Processes of a run: each with its log, watched while it runs, stopped with all that it started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

GRACE_SECONDS = 10.0
_POLL_SECONDS = 0.02

Watch = Callable[[], None]


class Processes:
    """Runs commands and waits for them; several threads may, side by side.

    Args:
        grace: Seconds between telling a process to stop and ending it.
    """

    def __init__(self, grace: float = GRACE_SECONDS) -> None:
        self._grace = grace
        self._running: set[subprocess.Popen[bytes]] = set()
        self._told: set[subprocess.Popen[bytes]] = set()
        self._starting: set[int] = set()  # threads
        self._stopped = 0.0  # when they were told to stop

    @property
    def starting(self) -> bool:
        """Whether this very thread is starting a process, which would be lost if the thread were interrupted now.

        It is told to stop as soon as it is known, if `terminate` was called meanwhile.
        """
        return threading.get_ident() in self._starting

    def run(
        self,
        command: list[str],
        environment: dict[str, str],
        log: Path,
        watch: Watch,
        started: Callable[[int], None] = lambda _process: None,
    ) -> int:
        """Run a command to its end.

        Args:
            command: The words.
            environment: All its variables.
            log: File to which all it prints is added.
            watch: Called again and again while it runs, and once when it has ended.
            started: Called with its process number.

        Returns:
            Its exit code; negative for a signal.
        """
        process = self._started(command, environment, log)
        if self._stopped:
            self.terminate()
        started(process.pid)
        code = self._wait(process, watch)
        self._running.discard(process)
        return code

    def _started(self, command: list[str], environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
        self._starting.add(threading.get_ident())
        try:
            with log.open("ab") as stream:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=stream,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    start_new_session=True,  # Ctrl-C reaches the launcher alone, which then stops its tasks in order
                )
            self._running.add(process)
        finally:
            self._starting.discard(threading.get_ident())
        return process

    def terminate(self) -> None:
        """Tell all to stop, without waiting; it takes no lock, because a signal handler calls it."""
        self._stopped = self._stopped or time.monotonic()
        for process in tuple(self._running - self._told):  # a second signal would interrupt the tidying up
            self._told.add(process)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)

    def stop(self) -> None:
        """Stop all: SIGTERM, and SIGKILL for what does not listen."""
        self.terminate()
        for process in tuple(self._running):
            self._wait(process, lambda: None)
            _kill(process)

    def _wait(self, process: subprocess.Popen[bytes], watch: Watch) -> int:
        while True:
            try:
                code = process.wait(_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                watch()
                if self._stopped and time.monotonic() - self._stopped > self._grace:
                    _kill(process)
                continue
            watch()
            return code


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and whatever it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
