"""What the end of a job means: every status and reason as one clear error, with what to change."""

from __future__ import annotations

from typing import Any

import pytest

from intermodal.aws.calls import Refused
from intermodal.aws.job_kinds import PROCESSING, TRAINING, story_of
from intermodal.aws.jobs import create_or_adopt, end_error, explained
from intermodal.aws.request import Request
from intermodal.errors import RuntimeFailed, StepFailed


@pytest.mark.parametrize(
    ("told", "kind", "part", "advice"),
    [
        (
            {"SecondaryStatus": "MaxRuntimeExceeded", "TrainingJobStatus": "Stopped"},
            StepFailed,
            "longer",
            "max_runtime",
        ),
        ({"SecondaryStatus": "MaxWaitTimeExceeded", "TrainingJobStatus": "Stopped"}, StepFailed, "spare", "max_wait"),
        (
            {"FailureReason": "CapacityError: none left", "TrainingJobStatus": "Failed"},
            RuntimeFailed,
            "machine",
            "quota",
        ),
        ({"TrainingJobStatus": "Stopped", "SecondaryStatus": "Stopped"}, StepFailed, "somebody else", "same command"),
        ({"FailureReason": "AlgorithmError: it broke", "TrainingJobStatus": "Failed"}, StepFailed, "failed", "its log"),
    ],
)
def test_each_end_has_its_own_words_and_advice(told: dict[str, Any], kind: type, part: str, advice: str):
    error = end_error(TRAINING, "job", told)
    assert type(error) is kind
    assert part in error.headline
    assert advice in error.next_step


def test_what_the_container_said_comes_before_what_sagemaker_says():
    told = {"ProcessingJobStatus": "Failed", "ExitMessage": "no such column", "FailureReason": "AlgorithmError: code 1"}
    assert end_error(PROCESSING, "job", told).seen == "no such column; AlgorithmError: code 1"


def test_phases_are_told_in_the_words_of_aws():
    transitions = [
        {"Status": "Starting", "StatusMessage": ""},
        {"Status": "Downloading", "StatusMessage": "Getting data"},
    ]
    told = {"SecondaryStatus": "Downloading", "SecondaryStatusTransitions": transitions}
    assert story_of(told) == "Downloading: Getting data"
    assert story_of({"SecondaryStatus": "Training"}) == "Training"
    assert story_of({}) == ""


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("ValidationException: Could not assume role arn:aws:iam::1:role/x", "execution role"),
        ("ResourceLimitExceeded: The account-level service limit is 0 Instances", "account may not"),
    ],
)
def test_a_refusal_says_what_to_do_about_it(words: str, part: str):
    request = Request("sagemaker", "CreateTrainingJob", {"RoleArn": "arn:aws:iam::1:role/x"})
    assert part in explained(Refused("sagemaker refused", seen=words), request).headline


class Service:
    """Knows one job already."""

    def __init__(self, digest: str) -> None:
        self.digest, self.asked = digest, []

    def __call__(self, operation: str, **_request: Any) -> dict[str, Any]:
        self.asked.append(operation)
        if operation.startswith("Create"):
            raise Refused("sagemaker refused", code="ResourceInUse", seen="ResourceInUse: exists")
        return {"ProcessingJobStatus": "InProgress", "Environment": {"INTERMODAL_REQUEST": self.digest}}


def request(digest: str) -> Request:
    cluster = {"InstanceCount": 1, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 30}
    parameters = {
        "ProcessingJobName": "job",
        "ProcessingResources": {"ClusterConfig": cluster},
        "AppSpecification": {"ImageUri": "image"},
        "RoleArn": "arn:aws:iam::123456789012:role/intermodal-execution",
        "Environment": {"INTERMODAL_REQUEST": digest},
    }
    return Request("sagemaker", "CreateProcessingJob", parameters)


def test_the_same_work_under_the_same_name_is_adopted():
    found, created = create_or_adopt(Service("abc"), PROCESSING, request("abc"))
    assert not created
    assert found["ProcessingJobStatus"] == "InProgress"


def test_other_work_under_the_same_name_is_refused():
    with pytest.raises(RuntimeFailed, match="taken by another") as caught:
        create_or_adopt(Service("xyz"), PROCESSING, request("abc"))
    assert "xyz" in caught.value.seen
    assert "abc" in caught.value.expected
