"""The record of a run: read back as written, true about dead processes, found by its name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from intermodal.errors import Interrupted, StepFailed, UsageError
from intermodal.runtime.ending import ended_record
from intermodal.runtime.outcome import remove_unfinished
from intermodal.runtime.record import (
    RunRecord,
    TaskRecord,
    find_record,
    list_records,
    load_record,
    new_run_id,
    this_process,
)

RECORD = RunRecord(
    run_id="toy-1",
    pipeline="toy",
    reference="toy.py",
    arguments={"n": 3},
    parameters={"n": 3, "label": "é"},
    process=os.getpid(),
    started="2026-01-01T00:00:00+00:00",
    tasks=(
        TaskRecord("make", step="toy:make", state="SUCCEEDED", artifacts={"data": {"uri": "/x", "rows": 3}}),
        TaskRecord("count", depends_on=("make",), metrics={"k": float("inf")}),
    ),
    warnings=("careful",),
)


def dead_process() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_a_record_is_read_back_as_it_was_written(tmp_path: Path):
    RECORD.save(tmp_path)
    assert load_record(tmp_path / "toy-1") == RECORD
    assert [path.name for path in (tmp_path / "toy-1").iterdir()] == ["run.json"]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"run_id": "x"}', '{"tasks": [], "warnings": [], "new": 1}']
)
def test_what_is_no_record_is_passed_over(tmp_path: Path, content: str):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text(content)
    (tmp_path / "a-file").write_text("")
    RECORD.save(tmp_path)
    assert load_record(tmp_path / "broken") is None
    assert list_records(tmp_path) == [RECORD]


def test_a_running_record_is_abandoned_when_its_process_is_gone():
    assert not RECORD.abandoned
    assert replace(RECORD, process=dead_process()).abandoned
    assert not replace(RECORD, process=dead_process(), state="SUCCEEDED").abandoned
    assert not replace(RECORD, **this_process()).abandoned
    assert replace(RECORD, **{**this_process(), "process_started": "1"}).abandoned, "the number is another's now"


def test_of_another_machine_s_process_nothing_is_known():
    assert not replace(RECORD, process=dead_process(), machine="another").abandoned


def test_with_task_replaces_or_adds():
    changed = RECORD.with_task(replace(RECORD.tasks[0], state="CACHED")).with_task(TaskRecord("new"))
    assert [(task.name, task.state) for task in changed.tasks] == [
        ("make", "CACHED"),
        ("count", "PENDING"),
        ("new", "PENDING"),
    ]


def test_runs_are_found_by_name_by_its_start_and_as_the_newest(tmp_path: Path):
    for number, started in ((1, "2026-01-01"), (2, "2026-01-03"), (22, "2026-01-02")):
        replace(RECORD, run_id=f"toy-{number}", started=started).save(tmp_path)
    assert [record.run_id for record in list_records(tmp_path)] == ["toy-2", "toy-22", "toy-1"]
    assert find_record(tmp_path).run_id == "toy-2"
    assert find_record(tmp_path, "toy-1").run_id == "toy-1"
    assert find_record(tmp_path, "toy-2").run_id == "toy-2"  # a whole name wins over the start of another
    with pytest.raises(UsageError, match="several runs start so"):
        find_record(tmp_path, "toy")
    with pytest.raises(UsageError, match="there is no such run") as caught:
        find_record(tmp_path, "other")
    assert "toy-22" in caught.value.expected
    with pytest.raises(UsageError, match="there is no such run"):
        find_record(tmp_path / "nothing")


def test_run_ids_differ():
    assert len({new_run_id("toy") for _ in range(200)}) > 190


def test_a_reader_never_sees_half_a_record(tmp_path: Path):
    """One process rewrites the record all the time; each look finds a whole one."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom intermodal.runtime.record import RunRecord\n"
        "record = RunRecord('toy-1', 'toy', 'x' * 200000, {}, {})\n"
        "while True:\n    record.save(Path(sys.argv[1]))\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    try:
        path = tmp_path / "toy-1" / "run.json"
        deadline = time.monotonic() + 60
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        for _ in range(200):
            assert len(json.loads(path.read_text())["reference"]) == 200_000
    finally:
        writer.kill()
        writer.wait()


def test_what_a_killed_writer_leaves_is_removed_and_nothing_else(tmp_path: Path):
    names = [".run.json.123", "tasks/a/.outcome.json.77", ".hidden", "run.json", "tasks/a/file.5", ".keep.txt"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    remove_unfinished(tmp_path)
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert left == sorted(names[2:])


# How a run's record ends.


def running(*tasks: TaskRecord) -> RunRecord:
    return replace(RECORD, tasks=tasks)


def test_a_good_end():
    record = ended_record(
        running(TaskRecord("a", state="SUCCEEDED"), TaskRecord("b")), well=True, error=None, began=time.monotonic()
    )
    assert (record.state, record.error) == ("SUCCEEDED", {})
    assert record.task("b") == TaskRecord("b", state="SKIPPED", reason="its condition was not met")


def test_a_failed_task_gives_the_run_its_error():
    failure = StepFailed("it broke").to_json()
    record = ended_record(
        running(TaskRecord("a", state="FAILED", error=failure), TaskRecord("b")), False, None, time.monotonic()
    )
    assert (record.state, record.error) == ("FAILED", failure)
    assert record.task("b").reason == "a task before it failed"


def test_an_interruption():
    tasks = (TaskRecord("a", state="SUCCEEDED"), TaskRecord("b", state="RUNNING"), TaskRecord("c"))
    record = ended_record(running(*tasks), False, Interrupted("stop"), time.monotonic())
    assert record.state == "CANCELLED"
    assert [task.state for task in record.tasks] == ["SUCCEEDED", "CANCELLED", "CANCELLED"]
    assert record.error["exit_code"] == 130


def test_loops_are_unrolled_in_place_and_in_order():
    names = ["first", "loop", "after", "loop.10", "loop.2", "inner.2.0", "inner.10.1", "inner"]
    waits = {"loop": ("first",), "after": ("loop", "inner"), "inner": ("loop",)}
    waits |= {name: waits[name.partition(".")[0]] for name in names if "." in name}
    tasks = [TaskRecord(name, state="SUCCEEDED", depends_on=waits.get(name, ())) for name in names]
    record = ended_record(running(*tasks), True, None, time.monotonic())
    found = {task.name: task.depends_on for task in record.tasks}
    assert list(found) == ["first", "loop.2", "loop.10", "after", "inner.2.0", "inner.10.1"]
    assert found["loop.2"] == ("first",)
    assert found["after"] == ("loop.2", "loop.10", "inner.2.0", "inner.10.1")
    assert (found["inner.2.0"], found["inner.10.1"]) == (("loop.2",), ("loop.10",))
