"""A signal in the very moment in which a task's process has been started and nobody holds it yet."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from intermodal.core.attempt import process_alive
from launching import PATIENCE, pipeline
from run_records import record_of, states

INTERRUPTED = """
import os, signal, subprocess, sys
from pathlib import Path

class Popen(subprocess.Popen):
    def __init__(self, *given, **named):
        super().__init__(*given, **named)
        if named.get("stdin") == subprocess.DEVNULL and named.get("start_new_session"):  # a task's
            Path(sys.argv[1]).write_text(str(self.pid))
            os.kill(os.getpid(), int(sys.argv[2]))

subprocess.Popen = Popen
from intermodal.cli.main import main
sys.exit(main(sys.argv[3:]))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    ("name", "ends"),
    [("waiting", {"say": "CANCELLED", "wait": "CANCELLED"}), ("plainly-waiting", {"plain-wait": "CANCELLED"})],
)
def test_a_task_that_is_being_started_is_stopped_too(
    home: Path, tmp_path: Path, name: str, ends: dict[str, str], number: signal.Signals
) -> None:
    words = [str(tmp_path / "process"), str(int(number)), "run", pipeline(name), "-p", f"folder={tmp_path}"]
    command = [sys.executable, "-c", INTERRUPTED, *words]
    done = subprocess.run(command, env={**os.environ}, capture_output=True, text=True, timeout=PATIENCE)
    task = int((tmp_path / "process").read_text())
    left = process_alive(task)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(task, signal.SIGKILL)
    assert not left, "the task goes on"
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert (record_of(home)["state"], states(record_of(home))) == ("CANCELLED", ends)
