"""How a run ends, as the command line tells it: exit code, cause, log, next command, and nothing left running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from free_ports import free_port
from intermodal.core.attempt import process_alive
from launching import PATIENCE, Answer, intermodal, pipeline, start
from run_records import record_of, states


def until(condition, what: str):
    """Wait until a condition gives something; what it gave."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited in vain for {what}")


def waiting_process(folder: Path, launcher: subprocess.Popen[str]) -> int:
    """The process of the step that waits, once it does."""
    path = folder / "waiting"

    def number() -> int:
        assert launcher.poll() is None, launcher.communicate()[1]
        return int(path.read_text() or 0) if path.exists() else 0

    return until(number, "the step")


def answer_of(process: subprocess.Popen[str]) -> Answer:
    out, err = process.communicate(timeout=PATIENCE)
    return Answer(process.returncode, out, err)


# Good and bad input.


def test_json_is_one_object_and_nothing_else(home: Path):
    answer = intermodal("run", pipeline("mixed", "toy_pipelines.py"), "--json")
    assert answer.code == 0, answer.err
    run = answer.json
    assert run["exit_code"] == 0
    assert run["state"] == "SUCCEEDED"
    assert run["run_id"] == record_of(home)["run_id"]
    assert {task["name"]: task["state"] for task in run["tasks"]} == states(record_of(home))
    assert run["artifacts"]["make.data"]["rows"] == 5
    assert len(run["artifacts"]["make.data"]["digest"]) == 64
    assert run["metrics"] == {"total.total": 10.0}
    assert "plainly abc" in answer.err  # a plain component's output is shown live, beside the object


def test_a_failed_step(home: Path):
    answer = intermodal("run", pipeline("failing"))
    assert answer.code == 4
    error = answer.err[answer.err.index("error: ") :].splitlines()
    assert error[0] == "error: task fail failed: ValueError: it broke"
    assert "toy_steps.py" in error[1]
    assert error[2].startswith("  next: ")
    shown = [line for line in error if line.startswith("    | ")]
    assert len(shown) == 20
    assert shown[-1] == "    | ValueError: it broke"
    assert "    | line 29" in shown
    run_id = record_of(home)["run_id"]
    assert f"intermodal resume {run_id}" in answer.out
    assert states(record_of(home)) == {"say": "SUCCEEDED", "fail": "FAILED", "double": "SKIPPED"}
    log = home / "runs" / run_id / "tasks" / "fail" / "log.txt"
    assert log.read_text().splitlines()[:30] == [f"line {number}" for number in range(30)]


def test_the_command_that_is_told_continues_the_run(home: Path):
    failed = intermodal("run", pipeline("failing"), "-p", "lines=1")
    command = next(line for line in failed.out.splitlines() if "resume" in line).split()[1:]
    assert command[:2] == ["intermodal", "resume"]
    again = intermodal(*command[1:], "--json")
    assert again.code == 4
    assert {task["name"]: task["state"] for task in again.json["tasks"]}["say"] == "CACHED"


def test_a_failed_step_as_json(home: Path):
    answer = intermodal("run", pipeline("failing"), "--json")
    assert answer.code == 4
    assert answer.json["exit_code"] == 4
    assert answer.json["error"]["headline"] == "task fail failed: ValueError: it broke"
    assert answer.json["state"] == "FAILED"


@pytest.mark.parametrize(
    ("name", "code", "headline"),
    [
        ("rejecting", 3, "a rating is not a number"),
        ("leaving", 4, "task leave ended the process"),
        ("vanishing", 4, "task vanish ended without saying how"),
        ("silence", 4, "the step wrote no output data"),
        ("forgetting", 4, "the step returned no Output"),
    ],
)
def test_each_bad_end_has_its_code_and_headline(home: Path, name: str, code: int, headline: str):
    answer = intermodal("run", pipeline(name))
    assert answer.code == code
    assert f"error: {headline}" in answer.err
    assert answer.err.count("error: ") == 1
    assert record_of(home)["state"] == "FAILED"
    assert not list((home / "store").rglob("artifacts/*/*"))


def test_a_killed_step_is_told_with_its_signal(home: Path):
    answer = intermodal("run", pipeline("vanishing"))
    assert "seen: killed by SIGKILL" in answer.err
    assert "memory" in answer.err


def test_what_a_failed_step_had_written_is_kept_with_the_task(home: Path):
    answer = intermodal("run", pipeline("half"))
    assert answer.code == 3
    kept = home / "runs" / record_of(home)["run_id"] / "tasks" / "half-done" / "failed" / "data"
    assert kept.read_text() == "half"


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        (["-p", "megabites=1"], "megabites"),
        (["-p", "megabytes=one"], "'one'"),
        (["-p", "megabytes=1.5"], "'1.5'"),
        (["-p", "megabytes"], "megabytes"),
        (["--on", "the-moon"], "the-moon"),
        (["--place", "fill"], "fill"),
        (["--wrong"], ""),
    ],
)
def test_bad_words_are_refused_before_anything_runs(home: Path, words: list[str], seen: str):
    answer = intermodal("run", pipeline("filling"), *words)
    assert answer.code == 2
    assert answer.err.startswith("error: ")
    assert f"seen: {seen}" in answer.err or not seen
    assert "Traceback" not in answer.err
    assert not (home / "runs").exists()


def test_a_near_miss_of_a_parameter_is_told(home: Path):
    assert "expected: megabytes" in intermodal("run", pipeline("filling"), "-p", "megabites=1").err


def test_a_missing_parameter_is_told(home: Path):
    answer = intermodal("run", pipeline("counting"))
    assert answer.code == 2
    assert "next: add -p source=…" in answer.err


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("nowhere.py", "there is no such pipeline file"),
        (pipeline("no-such-name"), "holds no pipeline"),
        (pipeline("filling").rpartition(":")[0], "holds several pipelines"),
    ],
)
def test_a_pipeline_that_is_not_there(home: Path, reference: str, words: str):
    answer = intermodal("run", reference)
    assert answer.code == 2
    assert words in answer.err


# Interruption.


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("name", ["waiting", "plainly-waiting"])
def test_a_signal_stops_everything(home: Path, tmp_path: Path, number: signal.Signals, name: str):
    launcher = start("run", pipeline(name), "-p", f"folder={tmp_path}")
    child = waiting_process(tmp_path, launcher)
    os.kill(launcher.pid, number)
    answer = answer_of(launcher)
    assert answer.code == 130, answer.err
    assert not process_alive(child)
    record = record_of(home)
    assert record["state"] == "CANCELLED"
    assert states(record) == (
        {"say": "SUCCEEDED", "wait": "CANCELLED"} if name == "waiting" else {"plain-wait": "CANCELLED"}
    )
    assert "Traceback" not in answer.err
    assert f"intermodal resume {record['run_id']}" in answer.out
    assert not list((home / "tmp").glob("*"))


def test_an_interrupted_run_continues_with_the_same_command(home: Path, tmp_path: Path):
    words = ["run", pipeline("waiting"), "-p", f"folder={tmp_path}"]
    launcher = start(*words)
    waiting_process(tmp_path, launcher)
    os.kill(launcher.pid, signal.SIGINT)
    assert answer_of(launcher).code == 130
    (tmp_path / "enough").touch()
    answer = intermodal(*words, "--json")
    assert answer.code == 0
    assert {task["name"]: task["state"] for task in answer.json["tasks"]} == {"say": "CACHED", "wait": "SUCCEEDED"}


def test_a_step_that_does_not_listen_is_killed(home: Path, tmp_path: Path):
    launcher = start("run", pipeline("stubbornly"), "-p", f"folder={tmp_path}")
    child = waiting_process(tmp_path, launcher)
    os.kill(launcher.pid, signal.SIGTERM)
    assert answer_of(launcher).code == 130
    assert not process_alive(child)
    assert record_of(home)["state"] == "CANCELLED"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_a_loop(home: Path, tmp_path: Path, number: signal.Signals):
    launcher = start("run", pipeline("waiting-loop"), "-p", f"folder={tmp_path}")
    children = [waiting_process(tmp_path / name, launcher) for name in ("0", "1")]
    os.kill(launcher.pid, number)
    answer = answer_of(launcher)
    assert answer.code == 130, answer.err
    assert not [child for child in children if process_alive(child)]
    assert not (tmp_path / "2" / "waiting").exists()
    record = record_of(home)
    assert record["state"] == "CANCELLED"
    assert set(states(record).values()) == {"CANCELLED"}


def test_a_step_that_is_told_to_stop_on_its_own_cancels_the_run(home: Path, tmp_path: Path):
    launcher = start("run", pipeline("waiting"), "-p", f"folder={tmp_path}")
    os.kill(waiting_process(tmp_path, launcher), signal.SIGTERM)
    answer = answer_of(launcher)
    assert answer.code == 130
    assert record_of(home)["state"] == "CANCELLED"


def test_a_killed_launcher_leaves_no_child_and_the_next_run_tells_the_truth(home: Path, tmp_path: Path):
    words = ["run", pipeline("waiting"), "-p", f"folder={tmp_path}"]
    launcher = start(*words)
    child = waiting_process(tmp_path, launcher)
    staging = list((home / "tmp").iterdir())
    assert staging
    os.kill(launcher.pid, signal.SIGKILL)
    launcher.communicate(timeout=PATIENCE)
    until(lambda: not process_alive(child), "the child's end")
    dead = record_of(home)
    assert dead["state"] == "RUNNING"  # nobody was left to say otherwise
    (tmp_path / "enough").touch()
    answer = intermodal(*words, "--json")
    assert answer.code == 0
    buried = json.loads((home / "runs" / dead["run_id"] / "run.json").read_text())
    assert buried["state"] == "CANCELLED"
    assert states(buried) == {"say": "SUCCEEDED", "wait": "CANCELLED"}
    assert not list((home / "tmp").glob("*"))
    assert states(answer.json) == {"say": "CACHED", "wait": "SUCCEEDED"}


def test_a_living_run_is_neither_buried_nor_swept(home: Path, tmp_path: Path):
    living = start("run", pipeline("waiting"), "-p", f"folder={tmp_path}")
    waiting_process(tmp_path, living)
    staging = {path.name for path in (home / "tmp").iterdir()}
    assert intermodal("run", pipeline("failing")).code == 4
    assert {path.name for path in (home / "tmp").iterdir()} == staging
    records = {path.parent.name: json.loads(path.read_text())["state"] for path in (home / "runs").glob("*/run.json")}
    assert sorted(records.values()) == ["FAILED", "RUNNING"]
    os.kill(living.pid, signal.SIGINT)
    assert answer_of(living).code == 130


def test_two_launchers_with_the_same_work_share_its_results(home: Path):
    words = ["run", pipeline("fan", "toy_fan.py"), "--json"]
    both = [start(*words), start(*words)]
    first, second = (answer_of(process) for process in both)
    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert first.json["run_id"] != second.json["run_id"]
    assert first.json["artifacts"] == second.json["artifacts"]
    third = intermodal(*words)
    assert {task["state"] for task in third.json["tasks"]} == {"CACHED"}
    assert third.json["artifacts"] == first.json["artifacts"]


# A full disk.


@pytest.fixture
def small_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A home on a file system of four megabytes."""
    place = tmp_path / "small"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)], capture_output=True, text=True
    )
    if made.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {made.stderr.strip()}")
    monkeypatch.setenv("INTERMODAL_HOME", str(place / "home"))
    monkeypatch.chdir(tmp_path)
    yield place / "home"
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_step_that_fills_the_disk(small_home: Path):
    answer = intermodal("run", pipeline("filling"), "-p", "megabytes=16")
    assert answer.code == 5
    assert "ran out of disk space" in answer.err
    assert "INTERMODAL_HOME" in answer.err
    assert "Traceback" not in answer.err
    assert not list((small_home / "tmp").iterdir())
    assert intermodal("run", pipeline("filling"), "-p", "megabytes=1").code == 0


def test_a_disk_that_is_full_from_the_start(small_home: Path):
    small_home.mkdir()
    with pytest.raises(OSError):
        with (small_home / "ballast").open("wb") as stream:
            while True:
                stream.write(bytes(1 << 16))
    answer = intermodal("run", pipeline("filling"))
    assert answer.code == 5
    assert "free space" in answer.err
    assert "Traceback" not in answer.err


def test_a_home_that_cannot_be_written(home: Path, tmp_path: Path):
    (tmp_path / "file").write_text("")
    answer = intermodal("run", pipeline("filling"), INTERMODAL_HOME=str(tmp_path / "file" / "home"))
    assert answer.code == 5
    assert "Traceback" not in answer.err


# A store that does not answer, or does not know us.


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "credentials that may use this bucket"),
        ({"AWS_ENDPOINT_URL": ""}, "an answer from http://127.0.0.1:"),
    ],
)
def test_a_store_on_s3_that_cannot_be_used(home: Path, s3, environment: dict[str, str], words: str):
    if "AWS_ENDPOINT_URL" in environment:
        environment = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}
    answer = intermodal("run", pipeline("filling"), INTERMODAL_STORE=f"{s3.uri}/store", **environment)
    assert answer.code == 5
    assert words in answer.err
    assert answer.err.count("error: ") == 1
    assert "Traceback" not in answer.err
    assert record_of(home)["state"] == "FAILED"


# Data outside the store.


def test_a_changed_source_is_work_and_an_unchanged_one_is_not(home: Path, tmp_path: Path):
    source = tmp_path / "data.txt"
    source.write_text("1\n2\n")
    words = ["run", pipeline("counting"), "--json", "-p"]

    def task(path: Path) -> dict[str, object]:
        return intermodal(*words, f"source={path}").json["tasks"][0]

    assert task(source)["values"] == {"Output": 2}
    assert task(source)["state"] == "CACHED"
    moved = tmp_path / "elsewhere" / "data.txt"
    moved.parent.mkdir()
    os.rename(source, moved)
    assert task(moved)["state"] == "CACHED"
    moved.write_text("1\n2\n3\n")
    again = task(moved)
    assert (again["state"], again["values"]) == ("SUCCEEDED", {"Output": 3})
    assert again["reason"] == "data of parameter source changed"
