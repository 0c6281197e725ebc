"""Getting the journal to a recorder process, and its answers back."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intermodal.tracking.journal import Journal

LOG = "tracking.log"
_RESTARTS = 3  # without any answer in between
_STUCK_SECONDS = 2.0
_LOOK = 0.5  # seconds between looks at things that do not notify


@dataclass(frozen=True)
class Delivery:
    """What became of the commands.

    Attributes:
        delivered: Carried out.
        waiting: Kept in the journal, not carried out.
        refused: MLflow's reasons for refusing, one a command.
        reason: Why some wait; empty when none does.
        folder: Where the journal is.
    """

    delivered: int
    waiting: int
    refused: tuple[str, ...]
    reason: str
    folder: Path

    @property
    def complete(self) -> bool:
        """Whether MLflow has everything."""
        return not self.waiting and not self.refused

    @property
    def warning(self) -> str:
        """What to tell the user; empty when MLflow has everything."""
        lines = []
        if self.waiting:
            total = self.delivered + self.waiting + len(self.refused)
            lines += [f"MLflow did not take {self.waiting} of {total} records: {self.reason}"]
            lines += [f"  they are kept in {self.folder}, and are sent when the run is resumed"]
        if self.refused:
            lines += [f"MLflow refused {len(self.refused)} records, first: {self.refused[0]}"]
        return "\n".join(lines)


class Courier:
    """Keeps a recorder process alive and feeds it the journal, from a thread of its own.

    Args:
        uri: MLflow's tracking URI.
        journal: The commands; the caller appends under `changed` and notifies.
        introduce: Gives the runs that a new process must know by their handles, as `Recorder.bind` takes them.
        hear: Called with each answer, under `changed`.
    """

    def __init__(
        self,
        uri: str,
        journal: Journal,
        introduce: Callable[[], dict[str, Any]],
        hear: Callable[[dict[str, Any]], None],
    ) -> None:
        self.changed = threading.Condition()
        self._uri = uri
        self._journal = journal
        self._introduce = introduce
        self._hear = hear
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[str] | None = None
        self._closing = False
        self._gave_up = ""
        self._trouble = ""
        self._trouble_since = 0.0
        self._heard_at = 0.0

    @property
    def pid(self) -> int | None:
        """The recorder's process id, once there is one."""
        return self._process.pid if self._process else None

    @property
    def stuck(self) -> bool:
        """Whether waiting for an answer is of no use at present."""
        troubled = self._trouble and time.monotonic() - self._trouble_since > _STUCK_SECONDS
        return bool(troubled or self._gave_up or not self._thread)

    def start(self) -> None:
        """Start the thread and with it the process; once."""
        with self.changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._deliver, name="recorder", daemon=True)
                self._thread.start()

    def flush(self, timeout: float, patience: float) -> Delivery:
        """Wait for all answers.

        Args:
            timeout: Seconds without any answer.
            patience: Seconds in all while MLflow is away.
        """
        began = time.monotonic()
        with self.changed:
            while self._thread and self._journal.waiting and not self._gave_up:
                until = began + patience if self._trouble else max(began, self._heard_at) + timeout
                left = until - time.monotonic()
                if left <= 0:
                    break
                self.changed.wait(min(left, _LOOK))
            return self._report()

    def close(self) -> None:
        """End the process: by itself when it has nothing to do, else by force."""
        with self.changed:
            self._closing = True
            waiting, process = self._journal.waiting, self._process
            self.changed.notify_all()
        if process:
            _finish(process, polite=not waiting)
        if self._thread:
            self._thread.join(timeout=10)

    def _report(self) -> Delivery:
        answers = self._journal.answers.values()
        refused = tuple(answer["error"] for answer in answers if not answer["ok"])
        reason = self._gave_up or self._trouble or "it did not answer in time"
        waiting = self._journal.waiting
        return Delivery(len(answers) - len(refused), waiting, refused, reason if waiting else "", self._journal.folder)

    def _deliver(self) -> None:
        failures = 0
        while not self._closing:
            before = len(self._journal.answers)
            self._serve_one_process()
            failures = 0 if len(self._journal.answers) > before else failures + 1
            if failures >= _RESTARTS and not self._closing:
                with self.changed:
                    self._gave_up = f"the recorder died {failures} times, see {self._journal.folder / LOG}"
                    self.changed.notify_all()
                return

    def _serve_one_process(self) -> None:
        self._process = process = _spawn(self._uri, self._journal.folder)
        listener = threading.Thread(target=self._listen, args=(process,), daemon=True)
        listener.start()
        with contextlib.suppress(OSError, ValueError):  # it died, or was ended, while being written to
            self._feed(process)
        listener.join()
        process.wait()

    def _feed(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        with self.changed:
            # What is older than this process may have been carried out by the one before it.
            first, known = self._journal.last, self._introduce()
        lines = [{"verb": "bind", "runs": known}] if known else []
        offset = 0
        while process.poll() is None:
            process.stdin.writelines(json.dumps(line) + "\n" for line in lines)
            process.stdin.flush()
            with self.changed:
                rows, offset = self._journal.read(offset)
                if not rows and self._closing:
                    break
                if not rows:
                    self.changed.wait(_LOOK)
            lines = [_repeated(row) if row["seq"] <= first else row for row in rows]
        process.stdin.write(json.dumps({"verb": "close"}) + "\n")
        process.stdin.close()

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            answer = json.loads(line)
            with self.changed:
                self._take(answer)
                self.changed.notify_all()

    def _take(self, answer: dict[str, Any]) -> None:
        if "trouble" in answer:
            self._trouble_since = self._trouble_since if self._trouble else time.monotonic()
            self._trouble = answer["trouble"]
            return
        self._trouble, self._heard_at = "", time.monotonic()
        if answer["seq"] is not None:
            self._journal.acknowledge(answer)
            self._hear(answer)


def _spawn(uri: str, folder: Path) -> subprocess.Popen[str]:
    # -P: what lies in the working directory must not shadow a module.
    command = [sys.executable, "-P", "-m", "intermodal.tracking.recorder", "--uri", uri]
    source = Path(__file__).parents[2]
    paths = [] if source.name == "site-packages" else [str(source)]
    paths += filter(None, [os.environ.get("PYTHONPATH")])
    with (folder / LOG).open("a") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, **({"PYTHONPATH": os.pathsep.join(paths)} if paths else {})},
            start_new_session=True,  # Ctrl-C is the caller's to answer
        )


def _repeated(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "again": True} if row["verb"].startswith("start_") else row


def _finish(process: subprocess.Popen[str], polite: bool) -> None:
    try:
        process.wait(timeout=10 if polite else 0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
