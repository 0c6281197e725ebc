"""A service's own job under a name that several runs ask for: who stops it, who is charged, who begins anew."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from intermodal.aws.calls import Refused
from intermodal.aws.job_kinds import TRANSFORM
from intermodal.aws.request import Request
from intermodal.aws.service_job import ServiceJob
from intermodal.aws.settings import SageMakerSettings
from intermodal.core.events import JOURNAL_VARIABLE
from intermodal.errors import StepFailed, StoreFailed
from intermodal.store.ownership import StoredOwnership

START = datetime(2030, 1, 1, tzinfo=UTC)


class Service:
    """Stands for `Calls` and for SageMaker behind it: transform jobs that go on until a test ends them."""

    def __init__(self, on_interrupt: str = "cancel") -> None:
        self.settings = SageMakerSettings(on_interrupt=on_interrupt)
        self.jobs: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, str]] = []

    def __call__(self, operation: str, **given: Any) -> dict[str, Any]:
        name = given["TransformJobName"]
        self.asked.append((operation, name))
        if operation == "CreateTransformJob":
            if name in self.jobs:
                raise Refused("taken", code="ResourceInUse", seen="it already exists")
            self.jobs[name] = {**given, "TransformJobStatus": "InProgress", "TransformStartTime": START}
        elif name not in self.jobs:
            raise Refused("absent", code="ValidationException", seen="Could not find requested job")
        elif operation == "StopTransformJob":
            self.end("Stopped", name)
        return dict(self.jobs[name])

    def ending(self) -> Service:
        return self

    def end(self, status: str, name: str = "job") -> None:
        self.jobs[name] |= {"TransformJobStatus": status, "TransformEndTime": START + timedelta(hours=1)}

    def stops(self) -> list[str]:
        return [name for operation, name in self.asked if operation == "StopTransformJob"]


def request(attempt: int) -> Request:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/lines"}}
    parameters = {
        "TransformJobName": "job" if attempt == 1 else f"job-{attempt}",
        "ModelName": "model",
        "TransformInput": {"DataSource": source},
        "TransformOutput": {"S3OutputPath": "s3://bucket/answers"},
        "TransformResources": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
        "Environment": {"INTERMODAL_REQUEST": "digest"},
    }
    return Request("sagemaker", "CreateTransformJob", parameters)


@pytest.fixture
def follow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Follows the job for a run; between two looks something happens."""
    monkeypatch.setenv(JOURNAL_VARIABLE, str(tmp_path / "journal.jsonl"))

    def go(service: Service, run_id: str, between: Callable[[], None]) -> dict[str, Any]:
        owned = StoredOwnership(str(tmp_path / "store"), run_id, tmp_path / "runs")
        job = ServiceJob(service, TRANSFORM, request, "us-east-1", owned, sleep=lambda _seconds: between())
        return job.run(lambda _description: None)

    return go


@pytest.fixture
def lives(tmp_path: Path) -> Callable[..., None]:
    """Records that a run goes on, or has been killed."""

    def write(run_id: str, process: int = 0) -> None:
        (tmp_path / "runs" / run_id).mkdir(parents=True, exist_ok=True)
        told = {"state": "RUNNING", "process": process or os.getpid()}
        (tmp_path / "runs" / run_id / "run.json").write_text(json.dumps(told))

    return write


def bills(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line)["bill"] for line in (tmp_path / "journal.jsonl").read_text().splitlines()]


def interrupt() -> None:
    raise KeyboardInterrupt


GONE = 2**22 + 1  # no process has a number beyond the kernel's limit


def test_a_run_that_is_told_to_stop_stops_its_own_job_once(follow):
    service = Service()
    with pytest.raises(KeyboardInterrupt):
        follow(service, "first", interrupt)
    assert service.stops() == ["job"]


def test_a_job_of_a_run_that_lives_is_left_to_it_and_that_is_said(follow, lives, capsys):
    service = Service()
    lives("first")

    def second_comes_and_goes() -> None:
        with pytest.raises(KeyboardInterrupt):
            follow(service, "second", interrupt)
        assert service.stops() == []
        interrupt()

    with pytest.raises(KeyboardInterrupt):
        follow(service, "first", second_comes_and_goes)
    assert service.stops() == ["job"]
    created, adopted, left, stopped = capsys.readouterr().out.splitlines()
    assert "created" in created and "told to stop" in stopped
    assert "adopted; it belongs to first, and goes on when this run is stopped" in adopted
    assert left == "Transform job job goes on: it belongs to first"


def test_a_job_whose_run_dies_while_another_follows_it_is_stopped_with_that(follow, lives):
    service = Service()
    lives("first")

    def first_is_killed() -> None:
        lives("first", GONE)
        interrupt()

    with pytest.raises(KeyboardInterrupt):
        follow(service, "first", lambda: follow(service, "second", first_is_killed))
    # the inner one has stopped it; there is nothing left to stop for the outer one
    assert service.stops() == ["job"]


def test_a_job_of_a_dead_run_is_taken_over_with_its_bill(follow, lives, tmp_path):
    service = Service("leave")
    with pytest.raises(KeyboardInterrupt):
        follow(service, "first", interrupt)
    lives("first", GONE)
    service.settings = SageMakerSettings()
    follow(service, "second", lambda: service.end("Completed"))
    (bill,) = bills(tmp_path)
    assert bill["cost_usd"] == pytest.approx(0.23)
    assert "paid_by" not in bill
    lives("second", GONE)
    assert follow(service, "third", interrupt)["TransformJobStatus"] == "Completed"
    assert {name: bills(tmp_path)[-1][name] for name in ("billed_seconds", "cost_usd", "paid_by")} == {
        "billed_seconds": 3600.0,
        "cost_usd": 0.0,
        "paid_by": "second",
    }


def test_a_run_that_follows_anothers_job_to_its_end_is_charged_nothing(follow, lives, tmp_path):
    service = Service()
    lives("first")
    follow(service, "first", lambda: follow(service, "second", lambda: service.end("Completed")))
    inner, outer = bills(tmp_path)
    assert (inner["cost_usd"], inner["paid_by"]) == (0.0, "first")
    assert outer["cost_usd"] == pytest.approx(0.23)
    assert "paid_by" not in outer


def test_when_the_other_run_stops_its_job_the_work_begins_anew(follow, lives, tmp_path):
    service = Service()
    lives("first")
    ends = iter([lambda: service.end("Stopped"), lambda: service.end("Completed", "job-2")])
    with pytest.raises(StepFailed, match="stopped"):
        follow(service, "first", lambda: follow(service, "second", lambda: next(ends)()))
    assert service.jobs["job-2"]["TransformJobStatus"] == "Completed"
    assert bills(tmp_path)[1]["cost_usd"] == pytest.approx(0.23)


def test_a_claim_that_came_first_without_a_job_is_the_creators_in_the_end(follow, lives, tmp_path):
    service = Service()
    lives("slow")
    StoredOwnership(str(tmp_path / "store"), "slow", tmp_path / "runs").claim_new("job")
    with pytest.raises(KeyboardInterrupt):
        follow(service, "fast", interrupt)
    assert service.stops() == ["job"]


def test_a_store_that_does_not_tell_whose_a_job_is_leaves_it(follow, lives, monkeypatch, capsys):
    service = Service()
    lives("first")

    def silent(*_: Any) -> bool:
        raise StoreFailed("the store did not answer")

    def store_goes() -> None:
        monkeypatch.setattr(StoredOwnership, "is_ours", silent)
        interrupt()

    def second() -> None:
        with pytest.raises(KeyboardInterrupt):
            follow(service, "second", store_goes)
        service.end("Completed")

    follow(service, "first", second)
    assert service.stops() == []
    assert "perhaps another run's" in capsys.readouterr().out
