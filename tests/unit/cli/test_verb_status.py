"""`intermodal status` shows runs as they are, also those whose process was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from intermodal.core.config import load_settings
from intermodal.runtime.record import RunRecord, TaskRecord, now
from launching import start

ERROR = {"kind": "StepFailed", "headline": "task b failed", "seen": "", "expected": "", "next": "", "exit_code": 4}


def dead_process() -> int:
    """The number of a process that is gone."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def save(run_id: str, **fields) -> RunRecord:
    given = {"pipeline": "toy", "reference": "toy.py", "arguments": {}, "parameters": {"n": 3}, "started": now()}
    record = RunRecord(run_id=run_id, **{**given, "process": os.getpid(), **fields})
    record.save(load_settings().runs)
    return record


@pytest.fixture
def interrupted(home) -> RunRecord:
    tasks = (TaskRecord("a", state="SUCCEEDED", seconds=1.5), TaskRecord("b", state="RUNNING"), TaskRecord("c"))
    return save("toy-killed", process=dead_process(), tasks=tasks)


def test_a_home_without_runs(home, cli):
    said = cli("status")
    assert (said.code, said.err) == (0, "")
    assert "no runs" in said.out
    assert cli("status", "--json").json["runs"] == []
    assert cli("status", "toy").code == 2


def test_the_newest_run_comes_first(home, cli):
    save("toy-old", state="SUCCEEDED", started="2026-01-01T00:00:00+00:00", seconds=65.0)
    save("toy-new", state="FAILED", started="2026-02-01T00:00:00+00:00", seconds=5000.0, error=ERROR)
    said = cli("status")
    assert [line.split()[0] for line in said.out.splitlines()] == ["run", "toy-new", "toy-old"]
    assert "1 h 23 min" in said.out
    assert "1 min 05 s" in said.out
    assert [row["run_id"] for row in cli("status", "--json").json["runs"]] == ["toy-new", "toy-old"]
    assert "1 older" in cli("status", "--last", "1").out


def test_tasks_are_counted(home, cli):
    states = ["SUCCEEDED", "CACHED", "CACHED", "FAILED", "SKIPPED"]
    save("toy-1", state="FAILED", tasks=tuple(TaskRecord(str(i), state=s) for i, s in enumerate(states)))
    assert cli("status", "--json").json["runs"][0]["tasks"] == {"ok": 1, "cached": 2, "failed": 1}


def test_lines_fit_into_80_columns(home, cli, monkeypatch):
    save("reviews-20261121-190328-d51d", pipeline="reviews", process=dead_process())
    save("reviews-20261121-190329-d51d", pipeline="reviews", state="SUCCEEDED", seconds=40_000.0)
    monkeypatch.setenv("COLUMNS", "80")
    assert max(len(line) for line in cli("status").out.splitlines()) <= 80


def test_a_run_whose_process_is_gone(interrupted, cli):
    said = cli("status")
    assert "INTERRUPTED" in said.out
    assert "intermodal resume toy-killed" in said.out
    page = cli("status", "toy-killed")
    assert "INTERRUPTED" in page.out
    assert "■ b" in page.out
    assert "intermodal resume toy-killed" in page.out
    told = cli("status", "toy-k", "--json").json
    assert (told["state"], told["exit_code"]) == ("INTERRUPTED", 130)
    assert [task["state"] for task in told["tasks"]] == ["SUCCEEDED", "INTERRUPTED", "PENDING"]


def test_looking_changes_nothing(interrupted, cli):
    path = load_settings().runs / "toy-killed" / "run.json"
    before = path.read_bytes()
    cli("status")
    cli("status", "toy-killed")
    assert path.read_bytes() == before


def test_a_run_that_goes_on(home, cli):
    save("toy-live", tasks=(TaskRecord("a", state="RUNNING"),), started="2026-01-01T00:00:00+00:00")
    told = cli("status", "toy-live", "--json").json
    assert (told["state"], told["exit_code"]) == ("RUNNING", None)
    assert told["seconds"] > 0
    page = cli("status", "toy-live").out
    assert "running for" in page
    assert "intermodal logs toy-live --follow" in page


def test_a_finished_run_in_full(ran, cli):
    page = cli("status", ran.record.run_id).out
    for text in ("SUCCEEDED", "✔ read-lines", "read-lines.lines", "3 rows", "lines = 6", "least=0"):
        assert text in page
    told = cli("status", ran.record.run_id, "--json").json
    assert told["artifacts"]["measure.lengths"]["digest"] == ran.record.task("measure").artifacts["lengths"]["digest"]
    assert told["metrics"] == {"measure.lines": 6.0}


def test_a_failed_run_says_why_and_what_next(home, cli):
    save("toy-1", state="FAILED", error=ERROR, warnings=("MLflow did not answer",), directory="/elsewhere")
    page = cli("status", "toy-1").out
    assert "error: task b failed" in page
    assert "warning: MLflow did not answer" in page
    assert "cd /elsewhere && intermodal resume toy-1" in page


def test_a_single_step_is_run_again_and_not_resumed(home, cli):
    save("clean-1", state="FAILED", reference="step:mypkg.steps:clean")
    assert "intermodal step mypkg.steps:clean …" in cli("status", "clean-1").out


def test_several_runs_that_start_alike(home, cli):
    save("toy-1", state="SUCCEEDED")
    save("toy-2", state="SUCCEEDED")
    said = cli("status", "toy")
    assert said.code == 2
    assert "toy-1" in said.err


def test_a_launcher_that_was_really_killed(home, cli, tmp_path):
    """kill -9 on `intermodal step`: INTERRUPTED at once, though nobody could write that down."""
    launcher = start("step", "toy_steps:wait", "--folder", str(tmp_path))
    deadline = time.monotonic() + 120
    while not (tmp_path / "waiting").exists() and launcher.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert cli("status", "--json").json["runs"][0]["state"] == "RUNNING"
    launcher.send_signal(signal.SIGKILL)
    launcher.communicate()
    assert cli("status", "--json").json["runs"][0]["state"] == "INTERRUPTED"
