"""A task as a processing job: the request, rendered from the plan alone."""

from __future__ import annotations

from typing import Any

from intermodal.aws.job_channels import s3_source
from intermodal.aws.job_environment import JobMark, job_environment
from intermodal.aws.job_images import job_image
from intermodal.aws.job_input import (
    INPUT_ROOTS,
    OUTPUT_ROOTS,
    OWN_INPUT,
    PROCESSING,
    Delivery,
    deliveries,
    step_arguments,
)
from intermodal.aws.job_parts import cluster, job_tags, jobs_prefix, stopping, vpc
from intermodal.aws.request import TaskPlan

ENTRYPOINT = ["python3", "-m", "intermodal", "task"]


def processing_job(plan: TaskPlan, mark: JobMark) -> dict[str, Any]:
    """CreateProcessingJob for a task.

    Args:
        plan: The task.
        mark: Name and digest of the job.

    Raises:
        UsageError: A setting or a parameter cannot be sent to SageMaker.
    """
    made = {
        "ProcessingJobName": mark.name,
        "RoleArn": plan.place.role,
        "AppSpecification": {
            "ImageUri": job_image(plan),
            "ContainerEntrypoint": list(ENTRYPOINT),
            "ContainerArguments": step_arguments(plan),
        },
        "Environment": job_environment(plan, mark),
        "ProcessingInputs": _inputs(plan, mark),
        "ProcessingResources": {"ClusterConfig": cluster(plan)},
        "StoppingCondition": stopping(plan.job, spot=False),
        "Tags": job_tags(plan),
    }
    return {**made, **_network(plan), **_outputs(plan, mark)}


def _inputs(plan: TaskPlan, mark: JobMark) -> list[dict[str, Any]]:
    own = Delivery(OWN_INPUT, 0, "", f"{jobs_prefix(plan)}/{mark.name}/input/", OWN_INPUT)
    return [_input(plan, mark, item) for item in (own, *deliveries(plan)) if item.channel]


def _input(plan: TaskPlan, mark: JobMark, item: Delivery) -> dict[str, Any]:
    source = s3_source(plan, mark, item)
    return {
        "InputName": item.channel,
        "S3Input": {
            "S3Uri": source["S3Uri"],
            "LocalPath": f"{INPUT_ROOTS[PROCESSING]}/{item.channel}",
            "S3DataType": source["S3DataType"],
            "S3InputMode": "File",
            "S3DataDistributionType": source["S3DataDistributionType"],
        },
    }


def _network(plan: TaskPlan) -> dict[str, Any]:
    job = plan.job
    made: dict[str, Any] = vpc(job)
    made |= {"EnableNetworkIsolation": True} if job.network_isolation else {}
    made |= {"EnableInterContainerTrafficEncryption": True} if job.encrypt_traffic else {}
    return {"NetworkConfig": made} if made else {}


def _outputs(plan: TaskPlan, mark: JobMark) -> dict[str, Any]:
    """Outputs go to the store by the wrapper; a container without network needs SageMaker to carry them."""
    if not plan.job.network_isolation:
        return {}
    uri = f"{jobs_prefix(plan)}/{mark.name}/output/"
    carried = {"S3Uri": uri, "LocalPath": OUTPUT_ROOTS[PROCESSING], "S3UploadMode": "EndOfJob"}
    key = {"KmsKeyId": plan.job.output_kms_key} if plan.job.output_kms_key else {}
    return {"ProcessingOutputConfig": {"Outputs": [{"OutputName": "output", "S3Output": carried}], **key}}
