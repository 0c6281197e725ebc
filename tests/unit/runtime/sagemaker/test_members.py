"""The hosts of one job: the first publishes, the others do their share and end as it did."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from intermodal.core.config import load_settings
from intermodal.core.executor_input import parse
from intermodal.core.hosts import free_port
from intermodal.errors import StepFailed
from intermodal.runtime.context import TaskContext
from intermodal.runtime.outcome import CACHED, FAILED, SUCCEEDED, Outcome
from intermodal.runtime.sagemaker import members
from intermodal.runtime.sagemaker.cluster import Cluster
from intermodal.runtime.sagemaker.members import run_with_others
from intermodal.runtime.task import Task
from together_steps import alone


def place(folder: Path, monkeypatch: pytest.MonkeyPatch, current: str, *hosts: str) -> None:
    config = folder / "input" / "config"
    config.mkdir(parents=True, exist_ok=True)
    told = {"current_host": current, "hosts": list(hosts), "network_interface_name": "lo"}
    (config / "resourceconfig.json").write_text(json.dumps(told))
    monkeypatch.setenv("INTERMODAL_ML", str(folder))


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Task:
    monkeypatch.setenv("INTERMODAL_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("INTERMODAL_STORE", raising=False)
    port = free_port()
    # Jobs have ports by their names, which another test run beside this one has too.
    monkeypatch.setattr(Cluster, "port", property(lambda _cluster: port - 1))  # the hosts meet one beyond it
    settings = load_settings()
    output = {
        "artifacts": [{"name": "found", "uri": str(tmp_path / "found"), "type": {"schemaTitle": "system.Dataset"}}]
    }
    given = {"outputs": {"artifacts": {"found": output}, "outputFile": str(tmp_path / "output.json")}}
    return Task(alone, parse(json.dumps(given)), TaskContext(settings, "", "alone", tmp_path / "task"))


def both(
    task: Task,
    first: Outcome,
    share: Outcome,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    remembered: bool = False,
) -> tuple[Outcome, Outcome, list[str]]:
    """Outcomes of the first and of the second host, each a thread here, and who worked in which order."""
    worked: list[str] = []

    def work(name: str, outcome: Outcome) -> Any:
        def go(_task: Task) -> Outcome:
            worked.append(name)
            return outcome

        return go

    monkeypatch.setattr(members, "run_task", work("first", first))
    monkeypatch.setattr(members, "run_share", work("second", share))
    monkeypatch.setattr(members, "_is_remembered", lambda _task: remembered)
    hosts = ("127.0.0.1", "algo-2")
    place(folder, monkeypatch, "algo-2", *hosts)
    ended: list[Outcome] = []
    cluster = Cluster(members.hosts_here())
    thread = threading.Thread(target=lambda: ended.append(members._as_member(task, cluster)), daemon=True)
    thread.start()
    place(folder, monkeypatch, "127.0.0.1", *hosts)
    outcome = run_with_others(task)
    thread.join(30)
    return outcome, ended[0], worked


def test_the_second_host_does_its_share_and_ends_well_after_the_first(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, worked = both(task, Outcome(SUCCEEDED), Outcome(SUCCEEDED), tmp_path / "ml", monkeypatch)
    assert (first.state, second.state) == (SUCCEEDED, SUCCEEDED)
    assert sorted(worked) == ["first", "second"]
    assert second.outputs == {}


def test_nothing_is_done_where_the_result_is_remembered(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, worked = both(
        task, Outcome(CACHED), Outcome(SUCCEEDED), tmp_path / "ml", monkeypatch, remembered=True
    )
    assert (first.state, second.state) == (CACHED, SUCCEEDED)
    assert worked == ["first"]


def test_a_failure_of_the_first_host_is_the_seconds_too(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "_AGAIN_SECONDS", 0.01)
    error = StepFailed("no rows").to_json()
    _, second, _ = both(task, Outcome(FAILED, error=error), Outcome(SUCCEEDED), tmp_path / "ml", monkeypatch)
    assert (second.state, second.error["headline"]) == (FAILED, "no rows")


def test_a_single_host_runs_the_task_as_ever(task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place(tmp_path / "ml", monkeypatch, "algo-1", "algo-1")
    outcome = run_with_others(task)
    assert outcome.state == SUCCEEDED, outcome.error
    assert list(outcome.outputs) == ["found"]


def test_a_step_that_cannot_be_shared_fails_before_it_starts_on_several_hosts(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "FAILED_SECONDS", 0.0)  # nobody listens
    place(tmp_path / "ml", monkeypatch, "127.0.0.1", "127.0.0.1", "algo-2")
    outcome = run_with_others(task)
    assert outcome.state == FAILED
    assert "cannot share its work over several hosts" in outcome.error["headline"]
