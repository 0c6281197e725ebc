"""Model packages: versions of a model in SageMaker's registry, pending until somebody approves or rejects them.

A version carries its metrics, where it came from, and which version of MLflow's registry it is: the two
registries name each other by plain values, and neither needs the other.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from intermodal.aws.archives import archive_uri, mark
from intermodal.aws.calls import Calls, Refused
from intermodal.aws.deployment import plan_tags
from intermodal.aws.endpoints import serving_container
from intermodal.aws.request import Request, TaskPlan
from intermodal.aws.service_model import check_request
from intermodal.aws.tags import MACHINE, RUN, TASK, tag_list
from intermodal.errors import UsageError

PENDING, APPROVED, REJECTED = "PendingManualApproval", "Approved", "Rejected"
CONTENT_TYPES = ("application/json", "application/jsonlines", "text/csv")
_ANSWER_TYPES = ("application/json", "application/jsonlines")
_MOST_FACTS, _VALUE, _DESCRIPTION, _TOKEN = 50, 256, 1024, 36


@dataclass(frozen=True)
class Told:
    """What is known of a model only after its evaluation.

    Attributes:
        facts: Plain facts of the version, such as its accuracy and its version in MLflow's registry.
        description: One sentence.
    """

    facts: dict[str, str]
    description: str = ""


def render(plan: TaskPlan) -> list[Request]:
    """The requests of a task of the step `package_model`; the facts of its evaluation are known when it runs.

    Args:
        plan: The task; its inputs are `model`, and perhaps `evaluation` and `registration`.

    Raises:
        UsageError: A parameter is wrong.
    """
    return render_package(plan, Told({}))


def render_package(plan: TaskPlan, told: Told) -> list[Request]:
    """Group and version; an approval is a request of its own, `approval_request`.

    Args:
        plan: The task.
        told: What its evaluation and registration say.

    Raises:
        UsageError: A parameter is wrong.
    """
    group = str(plan.parameters["group"])
    outlived = (RUN, TASK, MACHINE)
    tags = {name: value for name, value in plan_tags(plan).items() if name not in outlived}
    made = {
        "ModelPackageGroupName": group,
        "ModelPackageGroupDescription": "Models that intermodal registered",
        "Tags": tag_list(tags),
    }
    return [
        Request("sagemaker", "CreateModelPackageGroup", made, plan.task),
        Request("sagemaker", "CreateModelPackage", _version(plan, group, told), plan.task),
    ]


def evaluation_uri(plan: TaskPlan) -> str:
    """Where the evaluation's figures lie, for SageMaker to show; empty when there are none."""
    given = plan.inputs.get("evaluation")
    return f"{plan.place.store}/evaluations/{mark(given[0])}/evaluation.json" if given else ""


def approval_request(arn: str, status: str, description: str = "") -> Request:
    """`UpdateModelPackage`: approve or reject a version.

    Args:
        arn: The version's ARN.
        status: `APPROVED` or `REJECTED`, or `PENDING` to take either back.
        description: Why; cut at 1,024 characters.

    Raises:
        UsageError: The status is none of these.
    """
    if status not in (APPROVED, REJECTED, PENDING):
        raise UsageError("no such approval", seen=status, expected=f"{APPROVED}, {REJECTED} or {PENDING}")
    parameters = {"ModelPackageArn": arn, "ModelApprovalStatus": status}
    if description:
        parameters["ApprovalDescription"] = " ".join(description.split())[:_DESCRIPTION]
    return Request("sagemaker", "UpdateModelPackage", parameters)


def register_package(calls: Calls, requests: list[Request]) -> str:
    """Make the group unless it is there, and the version.

    The version's token is a digest of what it holds: asked twice, AWS makes one version.

    Args:
        calls: SageMaker.
        requests: From `render_package`.

    Returns:
        The version's ARN.

    Raises:
        UsageError: AWS would refuse a request.
        RuntimeFailed: AWS refused, or did not answer.
    """
    for request in requests:
        check_request(request.service, request.operation, request.parameters)
    group, version = requests
    try:
        calls(group.operation, **group.parameters)
    except Refused as refused:
        if "already exist" not in refused.seen.lower():
            raise
    if known := _registered(calls, version):
        return known
    return str(calls(version.operation, **version.parameters)["ModelPackageArn"])


def _registered(calls: Calls, version: Request) -> str:
    """The version of this very content, when an earlier attempt made it: AWS forgets tokens after a while."""
    token = version.parameters["ClientToken"]
    group = version.parameters["ModelPackageGroupName"]
    for item in calls.pages("ListModelPackages", "ModelPackageSummaryList", ModelPackageGroupName=group):
        found = calls("DescribeModelPackage", ModelPackageName=item["ModelPackageArn"])
        if (found.get("CustomerMetadataProperties") or {}).get("intermodal_token") == token:
            return str(item["ModelPackageArn"])
    return ""


def _version(plan: TaskPlan, group: str, told: Told) -> dict[str, Any]:
    given = plan.parameters
    container = serving_container(plan.image, archive_uri(plan.place.store, plan.inputs["model"][0]), plan.job)
    specification = {
        "Containers": [container],
        "SupportedContentTypes": list(CONTENT_TYPES),
        "SupportedResponseMIMETypes": list(_ANSWER_TYPES),
        "SupportedRealtimeInferenceInstanceTypes": [str(name) for name in given["endpoint_instances"]],
        "SupportedTransformInstanceTypes": [str(name) for name in given["transform_instances"]],
    }
    made: dict[str, Any] = {
        "ModelPackageGroupName": group,
        "ModelPackageDescription": (told.description or f"{plan.pipeline} {plan.task}")[:_DESCRIPTION],
        "ModelApprovalStatus": PENDING,
        "InferenceSpecification": specification,
    }
    if uri := evaluation_uri(plan):
        made["ModelMetrics"] = {"ModelQuality": {"Statistics": {"ContentType": "application/json", "S3Uri": uri}}}
    text = json.dumps([made, sorted(told.facts.items()), plan.inputs, plan.nonce], sort_keys=True)
    token = hashlib.sha256(text.encode()).hexdigest()[:_TOKEN]
    facts = {"intermodal_token": token, "model": plan.inputs["model"][0], **told.facts}
    kept = [(name, value[:_VALUE]) for name, value in facts.items() if value][:_MOST_FACTS]
    return made | {"ClientToken": token, "CustomerMetadataProperties": dict(kept)}
