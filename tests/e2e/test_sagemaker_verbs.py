"""The other verbs on what runs as jobs: a step on its own, status, logs, cancel, resume."""

from __future__ import annotations

from pathlib import Path

from intermodal.runtime.sagemaker_local.server import LocalSageMaker
from launching import PATIENCE, intermodal, start
from local_sagemaker import wait_for
from sagemaker_runs import PIPELINES, enough, jobs, records


def test_a_step_on_its_own_is_a_job(sagemaker: LocalSageMaker) -> None:
    refused = intermodal("step", "sagemaker_steps:count", "--seed", "3", "--on", "sagemaker", "--debug")
    assert (refused.code, "--debug" in refused.err) == (2, True)
    made = intermodal("step", "sagemaker_steps:count", "--seed", "3", "--on", "sagemaker", "--json")
    assert made.code == 0, made.err
    assert list(jobs().values()) == ["Completed"]
    (task,) = made.json["tasks"]
    assert task["artifacts"]["numbers"]["uri"].startswith("s3://")
    summed = intermodal("step", "sagemaker_steps:add_up", "--numbers", "count.numbers", "--on", "sagemaker", "--json")
    assert summed.code == 0, summed.err
    (added,) = [item for item in summed.json["tasks"] if item["name"] == "add-up"]
    assert added["metrics"] == {"total": float(sum(range(3, 103)))}
    assert list(jobs().values()) == ["Completed"] * 2
    again = intermodal("resume", summed.json["run_id"])
    assert (again.code, "--on sagemaker" in again.err) == (2, True), again.err


def test_a_run_of_jobs_is_looked_at_cancelled_and_resumed(sagemaker: LocalSageMaker, tmp_path: Path) -> None:
    words = ("-p", "seed=5", "-p", "seconds=600", "-p", f"marks={tmp_path}")
    going = start("run", f"{PIPELINES}:counting", "--on", "sagemaker", *words)
    wait_for(lambda: (tmp_path / "count-5").exists())
    (record,) = records()
    (name,) = jobs()
    status = intermodal("status", record["run_id"], "--json").json
    assert (status["state"], status["tasks"][0]["job"]["name"]) == ("RUNNING", name)
    assert name in intermodal("status", record["run_id"]).out
    assert f"{name} submitted" in intermodal("logs", record["run_id"], "count").out
    stopped = intermodal("cancel", record["run_id"], "--json")
    assert (stopped.code, stopped.json["state"]) == (0, "CANCELLED"), stopped.err
    assert going.wait(PATIENCE) == 130
    assert list(jobs().values()) == ["Stopped"]
    assert sum(item.operation == "StopProcessingJob" for item in sagemaker.requests) == 1
    enough(tmp_path, "count-5")
    resumed = intermodal("resume", record["run_id"], "--json")
    assert (resumed.code, resumed.json["state"]) == (0, "SUCCEEDED"), resumed.err
    assert sorted(jobs().values()) == ["Completed", "Stopped"]
