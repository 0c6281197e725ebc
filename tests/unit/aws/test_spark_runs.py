"""Job runs of EMR by their names: found, adopted, stopped; a new one is known before EMR lists it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from intermodal.aws.calls import Refused
from intermodal.aws.data_settings import EmrSettings
from intermodal.aws.emr import ON_EKS, SERVERLESS
from intermodal.aws.job_kinds import COMPLETED, FAILED, IN_PROGRESS, REQUEST_TAG, STOPPED, STOPPING
from intermodal.aws.jobs import create_or_adopt, find_job, stop_job
from intermodal.aws.request import Request
from intermodal.aws.service_model import problems
from intermodal.aws.spark_runs import named_places, spark_runs
from intermodal.errors import RuntimeFailed

EMR = EmrSettings(application="00abc1", virtual_cluster="vc1")
NAME = "reviews-explore-0123456789ab"


class Service:
    """An EMR that knows some runs, and lists those it is asked for a moment late."""

    def __init__(self, service: str, *runs: dict[str, Any]) -> None:
        self.service, self.runs, self.listed, self.asked = service, list(runs), len(runs), list[str]()

    def __call__(self, operation: str, **parameters: Any) -> dict[str, Any]:
        assert problems(self.service, operation, parameters) == []
        self.asked.append(operation)
        if operation == "StartJobRun":
            self.runs.append(run(f"new{len(self.runs)}", "SUBMITTED", parameters["name"], tags=parameters["tags"]))
            return {"jobRunId": self.runs[-1]["id"]} if "applicationId" in parameters else {"id": self.runs[-1]["id"]}
        if operation == "CancelJobRun":
            self._of(parameters)["state"] = "CANCELLING"
            return {}
        return {"jobRun": self._of(parameters)}

    def pages(self, operation: str, member: str, **parameters: Any) -> list[dict[str, Any]]:
        assert problems(self.service, operation, parameters) == []
        assert (operation, member) == ("ListJobRuns", "jobRuns")
        return self.runs[: self.listed]

    def _of(self, parameters: dict[str, Any]) -> dict[str, Any]:
        wanted = parameters.get("jobRunId") or parameters["id"]
        return next(item for item in self.runs if item["id"] == wanted)


def run(identifier: str, state: str, name: str = NAME, day: int = 1, **more: Any) -> dict[str, Any]:
    created = datetime(2026, 1, day, tzinfo=UTC)
    return {"id": identifier, "name": name, "state": state, "createdAt": created, "tags": {REQUEST_TAG: "d"}, **more}


def request() -> Request:
    role = "arn:aws:iam::123456789012:role/r"
    fields = {"applicationId": "00abc1", "clientToken": "t", "name": NAME, "executionRoleArn": role}
    return Request("emr-serverless", "StartJobRun", {**fields, "tags": {REQUEST_TAG: "d"}})


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("SUBMITTED", IN_PROGRESS),
        ("SCHEDULED", IN_PROGRESS),
        ("RUNNING", IN_PROGRESS),
        ("SUCCESS", COMPLETED),
        ("COMPLETED", COMPLETED),
        ("FAILED", FAILED),
        ("CANCELLING", STOPPING),
        ("CANCEL_PENDING", STOPPING),
        ("CANCELLED", STOPPED),
    ],
)
def test_every_state_has_its_meaning(state: str, status: str) -> None:
    assert spark_runs(ON_EKS, EMR).status({"state": state}) == status


@pytest.mark.parametrize(("where", "service"), [(SERVERLESS, "emr-serverless"), (ON_EKS, "emr-containers")])
def test_the_newest_run_of_a_name_is_the_one(where: str, service: str) -> None:
    emr = Service(service, run("b", "FAILED", day=2), run("c", "RUNNING", day=3), run("d", "RUNNING", "other", 4))
    found = find_job(emr, spark_runs(where, EMR), NAME)  # type: ignore[arg-type]
    assert found is not None
    assert found["id"] == "c"


def test_a_name_that_nobody_has_is_none() -> None:
    emr = Service("emr-serverless", run("a", "RUNNING", "other"))
    assert find_job(emr, spark_runs(SERVERLESS, EMR), NAME) is None  # type: ignore[arg-type]


def test_a_new_run_is_known_before_emr_lists_it() -> None:
    emr, kind = Service("emr-serverless"), spark_runs(SERVERLESS, EMR)
    described, created = create_or_adopt(emr, kind, request())  # type: ignore[arg-type]
    assert (created, described["id"], kind.status(described)) == (True, "new0", IN_PROGRESS)


def test_a_run_of_the_same_work_is_adopted_and_one_of_other_work_refused() -> None:
    emr = Service("emr-serverless", run("a", "RUNNING"))
    described, created = create_or_adopt(emr, spark_runs(SERVERLESS, EMR), request())  # type: ignore[arg-type]
    assert (created, described["id"], "StartJobRun" in emr.asked) == (False, "a", False)
    other = Service("emr-serverless", run("a", "RUNNING", tags={REQUEST_TAG: "other"}))
    with pytest.raises(RuntimeFailed, match="taken by another"):
        create_or_adopt(other, spark_runs(SERVERLESS, EMR), request())  # type: ignore[arg-type]


def test_a_run_is_cancelled_once_and_one_that_has_ended_is_left() -> None:
    emr, kind = Service("emr-containers", run("a", "RUNNING")), spark_runs(ON_EKS, EMR)
    assert stop_job(emr, kind, NAME)  # type: ignore[arg-type]
    assert not stop_job(emr, kind, NAME)  # type: ignore[arg-type]
    assert emr.asked.count("CancelJobRun") == 1
    ended = Service("emr-containers", run("a", "COMPLETED"))
    assert not stop_job(ended, spark_runs(ON_EKS, EMR), NAME)  # type: ignore[arg-type]


def test_only_places_that_are_named_are_looked_at() -> None:
    assert [kind.where for kind in named_places(EMR)] == [SERVERLESS, ON_EKS]
    assert [kind.group for kind in named_places(EmrSettings(virtual_cluster="vc9"))] == ["vc9"]
    assert named_places(EmrSettings()) == []


def test_the_console_is_that_of_the_regions_partition() -> None:
    assert (
        spark_runs(SERVERLESS, EMR)
        .address(NAME, "cn-north-1")
        .startswith("https://cn-north-1.console.amazonaws.cn/emr")
    )
    assert spark_runs(ON_EKS, EMR).address(NAME, "eu-west-1").endswith("?region=eu-west-1#/virtualClusters")


def test_a_refusal_is_no_absence() -> None:
    class Denied(Service):
        def pages(self, operation: str, member: str, **parameters: Any) -> list[dict[str, Any]]:
            raise Refused("no", code="AccessDeniedException")

    with pytest.raises(Refused):
        find_job(Denied("emr-serverless"), spark_runs(SERVERLESS, EMR), NAME)  # type: ignore[arg-type]
