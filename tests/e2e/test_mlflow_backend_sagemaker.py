"""`mlflow run -b intermodal-sagemaker` on a local SageMaker: the runs are true, and what is stopped is stopped once."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from intermodal.runtime.sagemaker_local.server import LocalSageMaker
from launching import PATIENCE
from local_sagemaker import wait_for
from mlflow_running import process
from projects import Store, until
from sagemaker_runs import jobs, records

BACKEND = "intermodal-sagemaker"


@pytest.fixture
def cloud(sagemaker: LocalSageMaker, store: Store, monkeypatch: pytest.MonkeyPatch) -> LocalSageMaker:
    """A local SageMaker, with the test's MLflow store in place."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)  # the other fixture has none
    return sagemaker


def run(project: Path, entry: str, **options: Any) -> Any:
    import mlflow

    config = {"sagemaker": {"poll": 0.5}, **options.pop("config", {})}
    return mlflow.projects.run(str(project), entry, backend=BACKEND, backend_config=config, **options)


def stops(cloud: LocalSageMaker) -> int:
    """How often a job was told to stop."""
    return sum(item.operation.startswith("Stop") for item in cloud.requests)


def test_a_pipeline_and_a_step_on_its_own(project: Path, store: Store, cloud: LocalSageMaker) -> None:
    done = run(project, "line", parameters={"n": 5})
    assert done.get_status() == "FINISHED"
    (parent,) = store.parents()
    assert (parent.info.run_id, parent.data.params) == (done.run_id, {"n": "5", "seconds": "0.0"})
    assert parent.data.tags["mlflow.project.backend"] == BACKEND
    nested = {item.data.tags["intermodal.task"]: item for item in store.nested(done.run_id)}
    assert set(nested) == {"make", "spread", "total"}
    assert nested["total"].data.metrics["total"] == 10
    assert store.states() == {"FINISHED"}
    assert list(jobs().values()) == ["Completed"] * 3
    uri = store.artifact_of(done.run_id, "make", "data")
    assert uri.startswith("s3://")
    alone = run(project, "total", parameters={"parts": uri})
    assert store.client.get_run(alone.run_id).data.params == {"parts": uri}
    assert [item.data.metrics["total"] for item in store.nested(alone.run_id)] == [10]
    assert list(jobs().values()) == ["Completed"] * 4


def test_cancelling_stops_the_job_once(project: Path, store: Store, cloud: LocalSageMaker) -> None:
    going = run(project, "make", parameters={"seconds": 60}, synchronous=False)
    wait_for(lambda: "InProgress" in jobs().values())
    assert going.get_status() == "RUNNING"
    going.cancel()
    assert going.get_status() == "KILLED"
    assert list(jobs().values()) == ["Stopped"]
    assert stops(cloud) == 1
    assert store.states() == {"KILLED"}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 1), (signal.SIGTERM, 143)])
def test_told_to_stop_on_the_command_line_it_stops_the_job_once(
    project: Path, store: Store, cloud: LocalSageMaker, number: int, code: int
) -> None:
    with process([str(project), "-b", BACKEND, "-e", "make", "-P", "seconds=30"]) as launcher:
        until(lambda: "InProgress" in jobs().values(), PATIENCE)
        os.kill(launcher.pid, number)
        launcher.join(PATIENCE)
        assert launcher.exitcode == code
    assert list(jobs().values()) == ["Stopped"]
    assert stops(cloud) == 1
    assert store.states() == {"KILLED"}


def test_a_failure_there_is_a_failure_here_and_what_cannot_be_is_not_begun(
    project: Path, store: Store, cloud: LocalSageMaker
) -> None:
    from mlflow.exceptions import ExecutionException

    with pytest.raises(ExecutionException, match="no such key"):
        run(project, "line", config={"sagemaker": {"instance": "ml.m5.large"}})
    with pytest.raises(ExecutionException, match="CreateProcessingJob"):
        run(project, "make", config={"sagemaker": {"instance_type": "a big one"}})
    with pytest.raises(ExecutionException, match="no such parameter|unknown parameter|has no parameter"):
        run(project, "make", parameters={"m": 5})
    assert (store.runs(), jobs()) == ([], {})
    with pytest.raises(ExecutionException, match="failed"):
        run(project, "fail", parameters={"message": "on purpose"})
    assert store.states() == {"FAILED"}
    assert list(jobs().values()) == ["Failed"]
    assert "on purpose" in records()[0]["tasks"][0]["error"]["headline"], "the step's own error came back"
