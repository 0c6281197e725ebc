"""A trial that runs: started, listened to, stopped."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from intermodal.core.events import JOURNAL_VARIABLE
from intermodal.tuning.trial import OUTPUTS, PARENT_VARIABLE, TrialAnswer, TrialRequest

_GRACE = 10.0  # seconds between SIGTERM and SIGKILL
# What belongs to the tuning's own task, and would make a trial write into it.
_NOT_HANDED_ON = (JOURNAL_VARIABLE, "MLFLOW_RUN_ID", "INTERMODAL_TASK", "INTERMODAL_TASK_FOLDER")


class RunningTrial:
    """One trial's process.

    Args:
        request: What it is to do.
        folder: Where it works; made.
        environment: Further variables.
    """

    def __init__(self, request: TrialRequest, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        request.save(folder)
        self.folder = folder
        self._journal, self._read = folder / "journal.jsonl", 0
        self._began, self._ended = time.monotonic(), 0.0
        self._log = (folder / "log.txt").open("wb")
        own = {JOURNAL_VARIABLE: str(self._journal), PARENT_VARIABLE: str(os.getpid()), "_KFP_RUNTIME": "true"}
        inherited = {name: value for name, value in os.environ.items() if name not in _NOT_HANDED_ON}
        paths = os.pathsep.join(item for item in sys.path if item and "site-packages" not in item)
        self._process = subprocess.Popen(
            [sys.executable, "-u", "-m", "intermodal.tuning.trial", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={**inherited, "PYTHONPATH": paths, **own, **(environment or {})},
        )

    @property
    def seconds(self) -> float:
        """How long it has run."""
        return (self._ended or time.monotonic()) - self._began

    @property
    def model(self) -> Path:
        """Where its model lies."""
        return self.folder / OUTPUTS / "model"

    @property
    def log(self) -> str:
        """What it printed."""
        return (self.folder / "log.txt").read_text(encoding="utf-8", errors="replace")

    def ended(self) -> bool:
        """Whether it has ended, without waiting."""
        if not self._ended and self._process.poll() is not None:
            self._ended = time.monotonic()
            self._log.close()
        return bool(self._ended)

    def events(self) -> list[dict[str, Any]]:
        """Events of its journal that were not read before: metrics and progress."""
        try:
            with self._journal.open("rb") as stream:
                stream.seek(self._read)
                text = stream.read()
        except FileNotFoundError:
            return []
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        return [json.loads(line) for line in whole.splitlines()]

    def answer(self) -> TrialAnswer:
        """What it made, once it has ended."""
        return TrialAnswer.load(self.folder)

    def stop(self) -> None:
        """Stop it, and wait until it has."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.ended()
