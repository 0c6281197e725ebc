"""The command line as a person uses it, for tests: a process of its own, its exit code and its text."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent
PATIENCE = 400.0  # seconds after which a command counts as hung
STARTED: list[subprocess.Popen[str]] = []


@dataclass(frozen=True)
class Answer:
    """What a command left behind.

    Attributes:
        code: Its exit code.
        out: Its standard output.
        err: Its standard error.
    """

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Standard output as the one JSON object that `--json` promises."""
        return dict(json.loads(self.out))


def command(*words: str) -> list[str]:
    """The full command behind `intermodal WORDS…`."""
    return [sys.executable, "-m", "intermodal", *words]


def intermodal(*words: str, stdin: str = "", patience: float = PATIENCE, **environment: str) -> Answer:
    """Run `intermodal WORDS…` to its end.

    Args:
        words: Verb and arguments.
        stdin: What is typed.
        patience: Seconds after which it counts as hung.
        environment: Variables beside the test's own.

    Returns:
        Its answer.
    """
    done = subprocess.run(
        command(*words),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=patience,
        env={**os.environ, **environment},
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def start(*words: str, **environment: str) -> subprocess.Popen[str]:
    """Start `intermodal WORDS…` in a process group of its own, and go on; it ends with the test at the latest."""
    process = subprocess.Popen(
        command(*words),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
        start_new_session=True,
    )
    STARTED.append(process)
    return process


def end_those_after(count: int) -> None:
    """Kill what was started after the first so many and still runs, with its process group.

    Args:
        count: How many had been started before.
    """
    for process in STARTED[count:]:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it has ended in the meantime
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
    del STARTED[count:]


def pipeline(name: str, file: str = "toy_endings.py") -> str:
    """How a toy pipeline is typed."""
    return f"{TESTS / file}:{name}"
