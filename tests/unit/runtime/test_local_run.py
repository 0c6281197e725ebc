"""A local run with tasks as processes: what its observer hears, what is kept, what is asked of the launcher."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from intermodal.core.config import load_settings
from intermodal.runtime.local.runtime import LocalRuntime
from intermodal.runtime.record import RunRecord, load_record, now
from running import Watching


def test_an_observer_hears_everything_in_order(run, home: Path):
    watching = Watching()
    record = run("failing", file="toy_endings.py", mode="subprocess", observer=watching, lines=30, message="it broke")
    kinds = [(event[0], event[1]) for event in watching.events if event[0] != "line"]
    assert kinds == [
        ("run started", record.run_id),
        ("started", "say"),
        ("ended", "say"),
        ("started", "fail"),
        ("ended", "fail"),
        ("run ended", "FAILED"),
    ]
    lines = [event[2] for event in watching.events if event[0] == "line" and event[1] == "fail"]
    assert lines[:30] == [f"line {number}" for number in range(30)]
    assert watching.events.index(("line", "say", "before")) < watching.events.index(("ended", "say", "SUCCEEDED"))
    assert len(watching.tails["fail"]) == 20
    assert watching.tails["fail"] == lines[-20:]
    assert watching.tails["say"] == []


def test_what_is_kept_of_a_run(run, home: Path):
    record = run("line", mode="subprocess")
    folder = home / "runs" / record.run_id
    assert load_record(folder) == record
    task = folder / "tasks" / "make"
    assert (task / "log.txt").read_text() == "making 10 numbers\n"
    assert json.loads((task / "outcome.json").read_text())["state"] == "SUCCEEDED"
    assert json.loads((task / "executor_input.json").read_text())["inputs"]["parameterValues"]["n"] == 10
    assert record.task("make").artifacts["data"]["rows"] == 10
    assert record.task("total").metrics == {"total": 45.0}
    assert record.parameters == {"n": 10, "files": 4, "seconds": 0.0}
    assert not list((home / "tmp").iterdir())
    assert not [path for path in folder.rglob(".*") if path.is_file()]


def test_the_log_of_a_retried_task_holds_every_attempt(run, home: Path, tmp_path: Path):
    record = run("retried", mode="subprocess", folder=str(tmp_path), failures=2)
    assert record.state == "SUCCEEDED"
    log = (home / "runs" / record.run_id / "tasks" / "flaky" / "log.txt").read_text()
    assert log.count("OSError: attempt") == 2


def test_both_modes_make_the_same_artifacts(run):
    inside = run("fan", file="toy_fan.py", seconds=0.0)
    outside = run("fan", file="toy_fan.py", mode="subprocess", use_cache=False, seconds=0.0)
    digests = [
        {f"{task.name}.{name}": item["digest"] for task in record.tasks for name, item in task.artifacts.items()}
        for record in (inside, outside)
    ]
    assert digests[0] == digests[1]
    assert [task.values for task in inside.tasks] == [task.values for task in outside.tasks]


def test_a_resumed_run_keeps_its_name(run):
    first = run("choose", n=9, text="x")
    again = run("choose", n=9, text="x", resume=first.run_id)
    assert again.run_id == first.run_id
    assert {task.state for task in again.tasks} == {"CACHED", "SKIPPED"}


@pytest.mark.parametrize("mode", ["in-process", "subprocess"])
def test_iterations_side_by_side_do_not_share_their_surroundings(run, mode: str):
    before = sys.stdout, dict(os.environ)
    record = run("places", mode=mode)
    assert {task.name: task.values["Output"] for task in record.tasks} == {
        f"whereabouts.{number}": f"whereabouts.{number} whereabouts.{number}" for number in range(4)
    }
    assert (sys.stdout, dict(os.environ)) == before


def test_a_run_that_ends_while_it_is_told_to_stop_has_ended(home: Path, monkeypatch: pytest.MonkeyPatch):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        record = RunRecord("toy-1", "toy", "toy.py", {}, {}, process=process.pid, started=now())
        record.save(load_settings().runs)

        def too_late(_process: int, _number: int) -> None:
            process.communicate()
            replace(record, state="FAILED").save(load_settings().runs)
            raise ProcessLookupError

        monkeypatch.setattr(os, "kill", too_late)
        assert LocalRuntime(load_settings()).cancel(record).state == "FAILED"
