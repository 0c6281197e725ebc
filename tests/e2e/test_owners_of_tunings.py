"""A tuning job that two runs ask for: each stops only what is its own, or what a dead run has left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from intermodal.core.attempt import machine_mark
from intermodal.runtime.sagemaker_local.server import LocalSageMaker
from launching import intermodal, start
from local_sagemaker import client, wait_for
from sagemaker_runs import PIPELINES, records, until_line

UNTRACKED = {"MLFLOW_TRACKING_URI": "off"}  # MLflow has nothing to say here, and takes its time
LONG = 120.0  # seconds of a training job that nobody waits for


@pytest.fixture
def started(sagemaker: LocalSageMaker) -> Any:
    """Starts runs of one tuning, each followed until it says what became of its job; what still runs is killed."""
    running: list[subprocess.Popen[str]] = []

    def go(seed: int, word: str) -> tuple[subprocess.Popen[str], str]:
        running.append(start(*words(seed, LONG), **UNTRACKED))
        return running[-1], until_line(running[-1], lambda line: "HyperParameterTuning job" in line and word in line)

    yield go
    for process in running:
        kill(process)


def words(seed: int, pause: float) -> tuple[str, ...]:
    return ("run", f"{PIPELINES}:tuning", "--place", "tune=sagemaker", "-p", f"seed={seed}", "-p", f"pause={pause}")


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a run, and its step with it."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def tunings() -> dict[str, str]:
    """Every tuning job → its status."""
    found = client().list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"]
    return {item["HyperParameterTuningJobName"]: item["HyperParameterTuningJobStatus"] for item in found}


def stops(local: LocalSageMaker) -> int:
    return len([seen for seen in local.requests if seen.operation == "StopHyperParameterTuningJob"])


def test_a_run_leaves_the_tuning_of_a_run_that_lives_and_stops_its_own(sagemaker: LocalSageMaker, started: Any):
    first, _ = started(1, "created")
    second, told = started(1, "adopted")
    assert f"it belongs to {records()[0]['run_id']}, and goes on when this run is stopped" in told
    os.kill(second.pid, signal.SIGINT)
    assert second.wait(120) == 130
    log = Path(os.environ["INTERMODAL_HOME"], "runs", records()[1]["run_id"], "tasks", "tune", "log.txt").read_text()
    assert log.count(f"goes on: it belongs to {records()[0]['run_id']}") == 1
    assert (list(tunings().values()), stops(sagemaker)) == (["InProgress"], 0)
    os.kill(first.pid, signal.SIGINT)
    assert first.wait(120) == 130
    assert (list(tunings().values()), stops(sagemaker)) == (["Stopped"], 1)


def test_the_tuning_of_a_killed_run_is_stopped_by_its_follower_and_else_by_reap(
    sagemaker: LocalSageMaker,
    started: Any,
):
    first, _ = started(2, "created")
    follower, _ = started(2, "adopted")
    kill(first)
    os.kill(follower.pid, signal.SIGINT)
    assert follower.wait(120) == 130
    assert (list(tunings().values()), stops(sagemaker)) == (["Stopped"], 1)

    third, told = started(2, "created")
    kill(third)
    (name,) = [job for job, status in tunings().items() if status == "InProgress"]
    assert name in told
    killed = records()[-1]["run_id"]
    arn = client().describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)["HyperParameterTuningJobArn"]
    tags = {item["Key"]: item["Value"] for item in client().list_tags(ResourceArn=arn)["Tags"]}
    assert (tags["intermodal:run"], tags["intermodal:machine"]) == (killed, machine_mark())
    reaped = intermodal("reap", "--json")
    assert reaped.code == 0, reaped.err
    found = {item["name"]: (item["run"], item["state"], item["why"]) for item in json.loads(reaped.out)["found"]}
    assert found == {name: (killed, "stopped", "its run's process is gone")}
    wait_for(lambda: set(tunings().values()) == {"Stopped"}, f"{name} goes on")
    assert stops(sagemaker) == 2


def test_a_tuning_that_a_dead_run_has_paid_costs_its_successor_nothing(sagemaker: LocalSageMaker):
    first = start(*words(3, 3.0), **UNTRACKED)
    until_line(first, lambda line: "HyperParameterTuning job" in line and "created" in line)
    kill(first)
    wait_for(lambda: list(tunings().values()) == ["Completed"], "the tuning goes on")
    second = intermodal(*words(3, 3.0), "--json", **UNTRACKED)
    assert second.code == 0, second.err
    killed, record = records()
    (bill,) = [task["bill"] for task in record["tasks"] if task["bill"]]
    assert (bill["jobs"], bill["cost_usd"], bill["paid_by"]) == (2.0, 0.0, killed["run_id"])
    assert bill["billed_seconds"] > 0
