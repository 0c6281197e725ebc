"""The flagship as a SageMaker pipeline: compiled, upserted, and executed by the local SageMaker for real."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local_sagemaker import LocalSageMaker, OpenSageMaker, wait_for
from local_sagemaker import client as aws

ROOT = Path(__file__).resolve().parents[2]
PIPELINE = str(ROOT / "pipelines" / "reviews.py")
RETRAIN = str(ROOT / "pipelines" / "retrain.py")
COMPILE = ("compile", PIPELINE, "--to", "sagemaker-pipeline")
ROWS = ("-p", "rows=2000", "-p", "framework=baseline", "-p", "max_seq_length=16", "-p", "registered_model=toy")
# What differs from run to run by what it is: MLflow's own names and times.
BY_THE_RUN = ("register",)


class Home:
    """A home with its own MLflow store, and the command line in it."""

    def __init__(self, path: Path, **more: str) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("INTERMODAL_", "MLFLOW_"))}
        self.environment = {
            **kept,
            "INTERMODAL_HOME": str(path / "home"),
            "MLFLOW_TRACKING_URI": f"sqlite:///{path}/mlflow.db",
            **more,
        }

    def call(self, *words: str, expect: int = 0) -> dict[str, Any]:
        """Run `intermodal … --json`, and read what it says."""
        command = [sys.executable, "-m", "intermodal", *words, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment, cwd=self.path, check=False)
        assert done.returncode == expect, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


@pytest.fixture
def local(open_sagemaker: OpenSageMaker) -> LocalSageMaker:
    """A local SageMaker."""
    return open_sagemaker()


@pytest.fixture
def home(local: LocalSageMaker, tmp_path: Path) -> Home:
    """A home beside it, and the default bucket."""
    aws("s3").create_bucket(Bucket="intermodal-123456789012-us-east-1")
    return Home(tmp_path / "project")


@pytest.mark.timeout(900)
def test_the_flagship_as_a_sagemaker_pipeline_makes_what_a_local_run_makes(home: Home, tmp_path: Path) -> None:
    done = home.call(*COMPILE, "--upsert", "--start", *ROWS)
    assert done["change"] == "created"
    assert done["state"] == "Succeeded"
    states = {step["name"]: step["status"] for step in done["steps"]}
    assert set(states.values()) == {"Succeeded"}
    assert {"generate", "ingest", "explore", "validate", "featurize", "baseline", "evaluate", "register-2"} < set(
        states
    )
    assert not {"train-pytorch", "evaluate-2", "register", "fail"} & set(states)
    outcome = {step["name"]: step["outcome"] for step in done["steps"] if step["outcome"]}
    assert outcome == {"condition-2": "False", "condition-3": "True", "condition-4": "False"}

    local = Home(tmp_path / "laptop").call("run", PIPELINE, *ROWS)
    assert len(digests(local)) > 15
    assert digests(done) == digests(local)

    runs = mlflow_runs(home, done["execution"].rpartition("/")[2])
    assert runs == {name: "FINISHED" for name in states if not name.startswith("condition")}

    again = home.call(*COMPILE, "--upsert", "--start", *ROWS)
    assert (again["change"], again["arn"], again["state"]) == ("unchanged", done["arn"], "Succeeded")
    assert again["execution"] != done["execution"]
    assert {step["name"] for step in again["steps"] if step["cached"]} == {"generate"}
    assert digests(again) == digests(local)


@pytest.mark.timeout(600)
def test_retraining_takes_the_branch_that_a_returned_value_chooses_and_fails_where_it_should(home: Home) -> None:
    words = ("-p", "rows=300", "-p", "framework=jax", "-p", "max_seq_length=16")
    done = home.call("compile", RETRAIN, "--to", "sagemaker-pipeline", "--upsert", "--start", *words, expect=4)
    assert done["state"] == "Failed"
    assert done["error"]["seen"] == "unknown framework; expected pytorch or baseline"
    outcome = {step["name"]: step["outcome"] for step in done["steps"] if step["outcome"]}
    # Without a champion there is no reference: drift says so, and that is not "stable".
    assert outcome == {"condition-1": "True", "condition-3": "False", "condition-4": "False", "condition-5": "True"}
    states = {step["name"]: step["status"] for step in done["steps"] if not step["outcome"]}
    ran = dict.fromkeys(("generate", "ingest", "validate", "drift", "featurize"), "Succeeded")
    assert states == {**ran, "fail": "Failed"}


SLOW = """
from kfp import dsl
from intermodal import component

generate = component("generate")

@dsl.pipeline(name="slow")
def slow():
    generate(rows=10**8)
"""


@pytest.mark.timeout(300)
def test_told_to_stop_the_command_stops_the_execution_and_its_job_once(home: Home, local: LocalSageMaker) -> None:
    (home.path / "slow.py").write_text(SLOW)
    command = [sys.executable, "-m", "intermodal", "compile", "slow.py", "--to", "sagemaker-pipeline"]
    with subprocess.Popen(
        [*command, "--upsert", "--start"], env=home.environment, cwd=home.path, stderr=subprocess.PIPE, text=True
    ) as process:
        jobs = wait_for(lambda: aws().list_processing_jobs()["ProcessingJobSummaries"], "a job")
        # asked for the execution, it knows that there is one: told before, it would start it again to know
        wait_for(lambda: "DescribePipelineExecution" in [seen.operation for seen in local.requests], "nobody follows")
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=120)[1]
    assert process.returncode == 130, said
    assert "the execution was stopped" in said
    (execution,) = aws().list_pipeline_executions(PipelineName="slow")["PipelineExecutionSummaries"]
    assert execution["PipelineExecutionStatus"] == "Stopped"
    calls = [seen.operation for seen in local.requests]
    assert (calls.count("StartPipelineExecution"), calls.count("StopPipelineExecution")) == (1, 1)
    (job,) = jobs
    name = job["ProcessingJobName"]
    assert aws().describe_processing_job(ProcessingJobName=name)["ProcessingJobStatus"] == "Stopped"


def digests(run: dict[str, Any]) -> dict[str, str]:
    """Artifact → digest, for what every run makes alike."""
    return {name: item["digest"] for name, item in run["artifacts"].items() if not name.startswith(BY_THE_RUN)}


def mlflow_runs(home: Home, execution: str) -> dict[str, str]:
    """Task → the state of its nested run in MLflow."""
    from mlflow.tracking import MlflowClient

    tracking = MlflowClient(tracking_uri=home.environment["MLFLOW_TRACKING_URI"])
    (experiment,) = [item.experiment_id for item in tracking.search_experiments() if item.name != "Default"]
    runs = tracking.search_runs([experiment], max_results=100)
    (parent,) = [run for run in runs if run.data.tags.get("intermodal.run_id") == execution]
    nested = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert parent.info.status == "FINISHED"
    return {run.data.tags["intermodal.task"]: run.info.status for run in nested}
