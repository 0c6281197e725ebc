"""One step of a local pipeline: what is tried again, and how its job is called."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError

from intermodal.runtime.sagemaker_local.pipeline_step_run import StepFailure, StepRun, job_name

STEP: dict[str, Any] = {"Name": "a", "Type": "Processing", "Arguments": {}}


class Client:
    """A SageMaker that stumbles as often as it is told before it does what it is asked."""

    def __init__(self, code: str, status: int, times: int) -> None:
        self.left, self.names = times, []
        self._error = ClientError(
            {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
            "CreateProcessingJob",
        )

    def create_processing_job(self, **request: Any) -> dict[str, str]:
        """Make one."""
        self.names.append(request["ProcessingJobName"])
        if self.left:
            self.left -= 1
            raise self._error
        return {"ProcessingJobArn": "arn"}

    def describe_processing_job(self, **_request: Any) -> dict[str, str]:
        """It is done at once."""
        return {"ProcessingJobStatus": "Completed", "ProcessingJobName": self.names[-1]}


class Service:
    """A service with one client."""

    def __init__(self, made: Client) -> None:
        self._made = made

    def client(self, _name: str) -> Client:
        """The client."""
        return self._made


def run(client: Client, **more: Any) -> StepRun:
    """A step's run."""
    return StepRun(Service(client), {**STEP, **more}, "x" * 12, threading.Event(), lambda _arn: None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("ThrottlingException", 400, "Step.THROTTLING"),
        ("InternalFailure", 500, "Step.SERVICE_FAULT"),
        ("ResourceLimitExceeded", 400, "SageMaker.RESOURCE_LIMIT"),
    ],
)
def test_a_policy_repeats_what_it_names(code: str, status: int, kind: str) -> None:
    client = Client(code, status, 2)
    policy = {"ExceptionType": [kind], "IntervalSeconds": 0, "BackoffRate": 1.0, "MaxAttempts": 2}
    tried = run(client, RetryPolicies=[policy])
    assert tried.run({})["ProcessingJobStatus"] == "Completed"
    assert (tried.attempts, len(set(client.names))) == (3, 3)


def test_no_more_attempts_than_the_policy_allows_and_none_for_what_it_does_not_name() -> None:
    policy = {"ExceptionType": ["SageMaker.RESOURCE_LIMIT"], "IntervalSeconds": 0, "MaxAttempts": 1}
    limited = run(Client("ResourceLimitExceeded", 400, 9), RetryPolicies=[policy])
    with pytest.raises(StepFailure, match="ResourceLimitExceeded"):
        limited.run({})
    refused = run(Client("ValidationException", 400, 9), RetryPolicies=[policy])
    with pytest.raises(StepFailure, match="ValidationException"):
        refused.run({})
    assert (limited.attempts, refused.attempts) == (2, 1)


def test_jobs_have_sagemakers_names_and_each_attempt_another() -> None:
    names = {job_name("abc123def456", "a_very-long" * 9) for _ in range(20)}
    assert len(names) == 20
    assert all(re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", name) for name in names)
    assert all(name.startswith("pipelines-abc123def456-a-very-long") for name in names)
