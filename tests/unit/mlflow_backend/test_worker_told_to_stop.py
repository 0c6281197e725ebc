"""The process that does the work, told to stop before it works, and a launcher that hears Ctrl-C while it waits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from intermodal.mlflow_backend.worker import Worker
from intermodal.runtime.entry import EntryRequest

SILENT = [sys.executable, "-c", "import sys; sys.stdin.read()"]


@pytest.fixture
def restarting() -> Iterator[None]:
    """Have SIGINT handled as Polars and pyarrow's file systems leave it: reads that wait go on."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.siginterrupt(signal.SIGINT, False)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_is_heard_while_the_work_says_nothing(
    restarting: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda _words, **options: real(SILENT, **options))
    worker = Worker(tmp_path, {})
    typed = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    given_up = threading.Timer(60, worker.leave)  # an end of file ends the read that does not hear
    given_up.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            typed.start()
            worker.join()
        assert given_up.is_alive(), "Ctrl-C was heard only when the other end closed"
    finally:
        given_up.cancel()
        worker.stop()
    assert not worker.running


def test_work_that_was_not_allowed_yet_is_stopped_without_a_word(
    home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    worker = Worker(tmp_path, {})
    worker.stop()
    assert worker.state == "KILLED"
    assert capfd.readouterr().err == ""


def test_work_that_waits_for_its_permission_is_stopped_without_a_word(
    home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    worker = Worker(tmp_path, {})
    worker.ask(EntryRequest("step", "generate", {"rows": "10"}))
    worker.stop()
    assert worker.state == "KILLED"
    assert "Traceback" not in capfd.readouterr().err
