"""Whose a job is: this run's, another's that lives, or a dead one's, which whoever comes takes over."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from intermodal.core.attempt import machine_mark
from intermodal.core.run_state import goes_on
from intermodal.store.locate import open_store
from intermodal.store.ownership import Owner, StoredOwnership, owner_of


def of(tmp_path: Path, run_id: str) -> StoredOwnership:
    return StoredOwnership(str(tmp_path / "store"), run_id, tmp_path / "runs")


def record(tmp_path: Path, run_id: str, state: str, process: int) -> None:
    (tmp_path / "runs" / run_id).mkdir(parents=True, exist_ok=True)
    (tmp_path / "runs" / run_id / "run.json").write_text(json.dumps({"state": state, "process": process}))


def note(tmp_path: Path, job: str, **fields: object) -> None:
    open_store(str(tmp_path / "store")).write(f"jobs/{job}/owner.json", json.dumps(fields).encode())


@pytest.fixture(scope="module")
def dead() -> int:
    """Number of a process that is gone."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_the_first_to_claim_a_job_has_it_while_it_lives(tmp_path, dead):
    first, second = of(tmp_path, "first"), of(tmp_path, "second")
    record(tmp_path, "first", "RUNNING", os.getpid())
    assert first.claim_new("job") and first.claim_new("job")
    assert not second.claim_new("job")
    assert (first.is_ours("job"), second.is_ours("job")) == (True, False)
    assert (first.other("job"), second.other("job")) == ("", "first")
    record(tmp_path, "first", "RUNNING", dead)
    assert second.is_ours("job")
    assert second.other("job") == "first"  # its to stop, but the first was charged with it
    assert second.claim_new("job")
    assert second.other("job") == ""
    assert owner_of(str(tmp_path / "store"), "job") == Owner("second", machine_mark(), os.getpid())


@pytest.mark.parametrize("state", ["SUCCEEDED", "FAILED", "CANCELLED"])
def test_a_run_that_has_ended_keeps_no_job_though_its_process_goes_on(tmp_path, state):
    record(tmp_path, "first", state, os.getpid())
    of(tmp_path, "first").claim("job")
    assert of(tmp_path, "second").is_ours("job")


def test_of_a_run_that_is_not_recorded_here_the_process_tells(tmp_path, dead):
    note(tmp_path, "lives", run="elsewhere", machine=machine_mark(), process=str(os.getpid()))
    note(tmp_path, "is-dead", run="elsewhere", machine=machine_mark(), process=str(dead))
    note(tmp_path, "is-far", run="elsewhere", machine="another", process=str(dead))
    mine = of(tmp_path, "mine")
    assert {job: mine.is_ours(job) for job in ("lives", "is-dead", "is-far")} == {
        "lives": False,
        "is-dead": True,
        "is-far": False,
    }


def test_steps_on_their_own_are_told_apart_by_their_processes(tmp_path, dead):
    alone = of(tmp_path, "")
    alone.claim("own")
    note(tmp_path, "of-another", run="", machine=machine_mark(), process=os.getppid())
    note(tmp_path, "of-dead", run="", machine=machine_mark(), process=dead)
    assert [alone.is_ours(job) for job in ("own", "of-another", "of-dead")] == [True, False, True]
    assert [alone.other(job) for job in ("own", "of-another")] == ["", f"process {os.getppid()}"]
    assert not of(tmp_path, "a-run").is_ours("own")


def test_in_containers_of_jobs_processes_of_different_jobs_are_never_taken_for_one_another(tmp_path, monkeypatch):
    monkeypatch.setenv("INTERMODAL_JOB", "pipelines-one-tune")
    of(tmp_path, "one").claim("job")
    assert of(tmp_path, "one").is_ours("job")
    monkeypatch.setenv("INTERMODAL_JOB", "pipelines-two-tune")  # the same name of its machine, and the same number
    assert not of(tmp_path, "two").is_ours("job")
    assert of(tmp_path, "two").other("job") == "one"
    monkeypatch.setenv("INTERMODAL_JOB", "pipelines-one-tune-again")
    assert of(tmp_path, "one").is_ours("job")  # the same execution


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"process": "many"}', None])
def test_a_job_that_nobody_claimed_readably_is_nobodys_to_stop(tmp_path, content):
    if content is not None:
        open_store(str(tmp_path / "store")).write("jobs/job/owner.json", content)
    assert owner_of(str(tmp_path / "store"), "job") is None
    assert not of(tmp_path, "mine").is_ours("job")
    assert of(tmp_path, "mine").other("job") == "an earlier run"


def test_whether_a_run_goes_on_is_known_only_of_recorded_runs(tmp_path, dead):
    runs = tmp_path / "runs"
    record(tmp_path, "lives", "RUNNING", os.getpid())
    record(tmp_path, "died", "RUNNING", dead)
    record(tmp_path, "ended", "SUCCEEDED", os.getpid())
    (runs / "broken").mkdir()
    (runs / "broken" / "run.json").write_text("{")
    found = {name: goes_on(runs, name) for name in ("lives", "died", "ended", "broken", "none", "")}
    assert found == {"lives": True, "died": False, "ended": False, "broken": None, "none": None, "": None}
