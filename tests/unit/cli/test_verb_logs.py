"""`intermodal logs` prints what tasks printed, and follows a run to its end."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest

from intermodal.core.config import load_settings
from intermodal.runtime.record import RunRecord, TaskRecord, now
from launching import start


def save(run_id: str, tasks: dict[str, str | bytes | None], **fields) -> RunRecord:
    """A run with logs; a task whose log is None never started."""
    runs = load_settings().runs
    records = []
    for number, (name, text) in enumerate(tasks.items()):
        started = f"2026-01-01T00:00:{number:02d}+00:00" if text is not None else ""
        records.append(TaskRecord(name, state="SUCCEEDED" if started else "PENDING", started=started))
        if text is not None:
            folder = runs / run_id / "tasks" / name
            folder.mkdir(parents=True)
            (folder / "log.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    given = {"state": "SUCCEEDED", "started": now(), "process": os.getpid(), **fields}
    record = RunRecord(run_id, "toy", "toy.py", {}, {}, tasks=tuple(reversed(records)), **given)
    record.save(runs)
    return record


def test_all_tasks_of_the_newest_run_in_the_order_they_started(home, cli):
    save("toy-old", {"a": "old\n"}, started="2020-01-01T00:00:00+00:00")
    save("toy-new", {"first": "1\n2\n", "second-task": "no end", "third": None})
    said = cli("logs")
    assert said.code == 0
    heads = ["── first  succeeded", "1", "2", "── second-task  succeeded", "no end", "── third  pending"]
    assert said.out.splitlines() == heads


def test_one_task_of_one_run(home, cli):
    save("toy-old", {"a": "old\n"}, started="2020-01-01T00:00:00+00:00")
    save("toy-new", {"train-model": "new\n", "b": "b\n"})
    assert cli("logs", "toy-old", "a").out == "old\n"
    assert cli("logs", "train-model").out == "new\n"
    assert cli("logs", "train_model").out == "new\n"
    assert cli("logs", "toy-n", "b").out == "b\n"


def test_the_object(home, cli):
    save("toy-1", {"a": "x\n", "b": None})
    told = cli("logs", "--json").json
    assert told["run_id"] == "toy-1"
    assert [(item["name"], item["state"], item["log"]) for item in told["tasks"]] == [
        ("a", "SUCCEEDED", "x\n"),
        ("b", "PENDING", ""),
    ]
    assert [item["name"] for item in cli("logs", "toy-1", "a", "--json").json["tasks"]] == ["a"]


@pytest.mark.parametrize("words", [("nope",), ("toy-1", "nope")])
def test_unknown_run_or_task_is_exit_code_2(home, cli, words):
    save("toy-1", {"a": "x\n"})
    said = cli("logs", *words)
    assert said.code == 2
    assert "toy-1" in said.err


def test_a_home_without_runs(home, cli):
    assert cli("logs").code == 2


def test_bytes_that_are_no_text(home, cli):
    save("toy-1", {"a": b"good\n\xff\xfe bad\n"})
    said = cli("logs", "a")
    assert said.code == 0
    assert said.out.splitlines()[0] == "good"
    assert cli("logs", "a", "--json").code == 0


def test_real_tasks_leave_logs(home, cli, tmp_path):
    assert cli("step", "toy_steps:say", "--text", "heard", "-q").code == 0
    assert cli("logs", "say").out == "heard\n"


def test_following_a_finished_run_prints_it_and_ends(home, cli):
    save("toy-1", {"a": "1\n2", "b": "3\n"})
    said = cli("logs", "--follow")
    assert (said.code, said.out) == (0, "a | 1\na | 2\nb | 3\n")


@pytest.mark.parametrize("form", ["text", "json"])
def test_following_until_the_run_ends(home, form):
    """Lines appear while the run goes on, also of a task that starts later; then the command ends."""
    record = save("toy-1", {"a": "first\n"}, state="RUNNING")
    runs = load_settings().runs
    follower = start("logs", "--follow", *(["--json"] if form == "json" else []))
    assert follower.stdout is not None

    def read() -> str:
        line = follower.stdout.readline().rstrip("\n")
        return " | ".join(json.loads(line).values()) if form == "json" else line

    assert read() == "a | first"
    with (runs / "toy-1" / "tasks" / "a" / "log.txt").open("a") as log:
        log.write("second\nunfin")
        log.flush()
        assert read() == "a | second"
        log.write("ished")
    (runs / "toy-1" / "tasks" / "b").mkdir()
    (runs / "toy-1" / "tasks" / "b" / "log.txt").write_text("other\n")
    record = replace(record, tasks=(*record.tasks, TaskRecord("b", state="RUNNING", started=now())))
    record.save(runs)
    assert read() == "b | other"
    replace(record, state="FAILED").save(runs)
    assert read() == "a | unfinished"
    assert follower.communicate() == ("", "")
    assert follower.returncode == 0


def test_following_a_run_whose_process_is_gone_ends(home, cli):
    from test_verb_status import dead_process

    save("toy-1", {"a": "1\n"}, state="RUNNING", process=dead_process())
    assert cli("logs", "--follow").out == "a | 1\n"
