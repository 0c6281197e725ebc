"""A user's training script as a process: its lines followed, its metrics told, its end made clear."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from intermodal.aws.script_contract import Script, config_files, script_arguments, script_environment
from intermodal.core.child import bound_to_parent
from intermodal.core.events import log_metric, log_progress
from intermodal.core.metric_lines import parse_metric_line
from intermodal.errors import StepFailed, UsageError

GRACE_SECONDS = 100.0  # SageMaker kills 120 seconds after it has asked
_TOLD_LINES, _TOLD_CHARACTERS = 15, 1500
_IN_JOB = "TRAINING_JOB_NAME"  # set by SageMaker


class MetricReader:
    """Finds metrics in a script's lines: ours, `metric NAME=VALUE step=N`, and what the user's expressions match.

    Args:
        patterns: Metric name → regular expression; its first group is the value.

    Raises:
        UsageError: An expression is not one, or has no group.
    """

    def __init__(self, patterns: Mapping[str, str]) -> None:
        self._patterns = {name: _compiled(name, text) for name, text in patterns.items()}
        self._counts: collections.Counter[str] = collections.Counter()
        self.last: dict[str, float] = {}

    def read(self, line: str) -> bool:
        """Tell the metrics of a line; whether it is one of our own, which others may repeat."""
        event = parse_metric_line(line)
        if event and event["event"] == "metric":
            self._tell(event["name"], event["value"], event["step"])
        elif event:
            log_progress(event["done"], event["total"], event["unit"], event["note"])
        for name, pattern in self._patterns.items():
            for found in pattern.finditer(line):
                with contextlib.suppress(ValueError, TypeError):  # the group matched no number
                    self._counts[name] += 1
                    self._tell(name, float(found[1]), self._counts[name])
        return event is not None

    def _tell(self, name: str, value: float, step: int) -> None:
        self.last[name] = value
        log_metric(name, value, step)


def run_script(script: Script, metrics: MetricReader, command: list[str]) -> None:
    """Run a script to its end.

    Args:
        script: The script.
        metrics: Told every line.
        command: What runs it, such as [python]; empty for what its name implies.

    Raises:
        StepFailed: It ended with another code than 0.
    """
    _prepare(script)
    environment = {**os.environ, **script_environment(script), "PYTHONUNBUFFERED": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(script.code), environment.get("PYTHONPATH", "")]))
    line = [*(command or interpreter(script.entry_point)), script.entry_point]
    process = subprocess.Popen(
        bound_to_parent([*line, *script_arguments(script.hyperparameters)]),
        cwd=script.code,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    last: collections.deque[str] = collections.deque(maxlen=_TOLD_LINES)
    with _ended(process):
        for text in _lines(process):
            ours = metrics.read(text)
            if not (ours and _IN_JOB in os.environ):  # in a job the wrapper itself says what the journal says
                print(text, flush=True)
            last.append(text)
        code = process.wait()
    if code:
        raise _failure(script, code, last)


def interpreter(entry_point: str) -> list[str]:
    """What runs a script of this name.

    Raises:
        UsageError: It is neither a Python nor a shell script.
    """
    known = {".py": [sys.executable], ".sh": ["/bin/sh"]}
    suffix = Path(entry_point).suffix
    if suffix not in known:
        raise UsageError("this kind of script cannot be run", seen=entry_point, expected="a .py or a .sh file")
    return known[suffix]


def _prepare(script: Script) -> None:
    config = script.work / "input" / "config"
    for folder in (config, script.work / "output" / "intermediate", script.model, script.output):
        folder.mkdir(parents=True, exist_ok=True)
    for name, content in config_files(script).items():
        (config / name).write_text(json.dumps(content))


def _lines(process: subprocess.Popen[bytes]) -> Iterator[str]:
    if process.stdout is not None:
        for line in process.stdout:
            yield line.decode("utf-8", "replace").rstrip("\r\n")


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Whatever interrupts this process reaches the script, which may finish what it does, within the grace."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        _drain(process)
        raise
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # also what the script itself started
        process.wait()


def _drain(process: subprocess.Popen[bytes]) -> None:
    """Let the script end by itself, and keep showing what it says."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        rest, _ = process.communicate(timeout=GRACE_SECONDS)
        sys.stdout.write(rest.decode("utf-8", "replace"))
        sys.stdout.flush()


def _failure(script: Script, code: int, last: collections.deque[str]) -> StepFailed:
    how = f"exit code {code}"
    if code < 0:
        how = f"{signal.Signals(-code).name}{', most often for want of memory' if code == -signal.SIGKILL else ''}"
    told = "\n".join(last)
    with contextlib.suppress(OSError):
        told = script.failure.read_text(errors="replace") or told
    next_step = f"mend {script.entry_point}; its whole output is in the task's log"
    headline = f"the script {script.entry_point} ended with {how}"
    return StepFailed(headline, seen=told[-_TOLD_CHARACTERS:], expected="exit code 0", next_step=next_step)


def _compiled(name: str, text: Any) -> re.Pattern[str]:
    try:
        pattern = re.compile(str(text))
    except re.error as error:
        raise UsageError(f"the pattern of metric {name} is no regular expression", seen=f"{text}: {error}") from None
    if not pattern.groups:
        expected = "one group that is the value, such as loss=([0-9.]+)"
        raise UsageError(f"the pattern of metric {name} has no group", seen=text, expected=expected)
    return pattern
