"""Batch transform, rendered: a model's answers to every line of a set of files, by machines that end afterwards.

Each line is a JSON object with `row` and `text`; SageMaker itself puts the answer next to its input
(JoinSource), so that no order of files or batches has to be trusted when the answers are collected.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from intermodal.aws.archives import archive_uri, mark
from intermodal.aws.deployment import plan_tags
from intermodal.aws.endpoints import create_model, serving_container
from intermodal.aws.job_kinds import REQUEST_VARIABLE
from intermodal.aws.names import job_name
from intermodal.aws.request import Request, TaskPlan
from intermodal.aws.tags import tag_list
from intermodal.errors import UsageError

LINES = "application/jsonlines"
ROW, TEXT, ANSWER = "row", "text", "SageMakerOutput"
_OUTPUT_FILTER = f"$['{ROW}','{ANSWER}']"  # the texts are here already: they need not come back
_MOST_PAYLOAD = 100  # MB, all that run at once together


def render(plan: TaskPlan) -> list[Request]:
    """The requests of a task of the step `transform`: its model, and the job.

    Args:
        plan: The task; its inputs are `model` and `reviews`.

    Raises:
        UsageError: A parameter is wrong.
    """
    tags, model = plan_tags(plan), plan.inputs["model"][0]
    container = serving_container(plan.image, archive_uri(plan.place.store, model), plan.job)
    made = create_model(container, plan.place.role, plan.job, tags, "transform", plan.task)
    return [made, _job(plan, made.parameters["ModelName"], tags)]


def lines_uri(plan: TaskPlan) -> str:
    """Where the lines of the task's reviews lie, s3://…/."""
    return f"{plan.place.store}/transform/{mark(plan.inputs['reviews'][0])}/lines/"


def _job(plan: TaskPlan, model: str, tags: dict[str, str]) -> Request:
    body = _body(plan, model)
    digest = hashlib.sha256(json.dumps([body, plan.nonce], sort_keys=True).encode()).hexdigest()
    name = job_name([plan.pipeline, plan.task], digest, plan.attempt)
    output: dict[str, Any] = {
        "S3OutputPath": f"{plan.place.store}/transform/{name}/",
        "Accept": LINES,
        "AssembleWith": "Line",
    }
    if plan.job.output_kms_key:
        output["KmsKeyId"] = plan.job.output_kms_key
    environment = {REQUEST_VARIABLE: digest}
    parameters = body | {"TransformJobName": name, "TransformOutput": output, "Environment": environment}
    return Request("sagemaker", "CreateTransformJob", parameters | {"Tags": tag_list(tags)}, plan.task)


def _body(plan: TaskPlan, model: str) -> dict[str, Any]:
    given, job = plan.parameters, plan.job
    payload, at_once = int(given["payload_mb"]), int(given["at_once"])
    if payload < 1 or at_once < 1 or payload * at_once > _MOST_PAYLOAD:
        raise UsageError(
            "payload_mb and at_once are wrong",
            seen=f"{payload} MB, {at_once} at once",
            expected=f"each 1 or more, and at most {_MOST_PAYLOAD} MB together",
        )
    resources: dict[str, Any] = {
        "InstanceType": job.instance_type or str(given["instance_type"]),
        "InstanceCount": job.instances,
    }
    if job.volume_kms_key:
        resources["VolumeKmsKeyId"] = job.volume_kms_key
    return {
        "ModelName": model,
        "BatchStrategy": "MultiRecord",
        "MaxPayloadInMB": payload,
        "MaxConcurrentTransforms": at_once,
        "ModelClientConfig": {"InvocationsTimeoutInSeconds": 600, "InvocationsMaxRetries": 3},
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": lines_uri(plan)}},
            "ContentType": LINES,
            "SplitType": "Line",
            "CompressionType": "None",
        },
        "TransformResources": resources,
        "DataProcessing": {"JoinSource": "Input", "OutputFilter": _OUTPUT_FILTER},
    }
