"""How SageMaker is told what an input consists of: by its prefix, or file by file, without the manifest.

The manifest lies among an artifact's files. The task wrapper wants it; a script of the user's own would read it
as data, Pipe mode would pour it into the stream, and it would count as a file where instances share by key.
"""

from __future__ import annotations

from intermodal.aws.job_environment import JobMark
from intermodal.aws.job_input import Delivery, deliveries
from intermodal.aws.job_parts import jobs_prefix
from intermodal.aws.request import TaskPlan
from intermodal.aws.settings import JobSettings
from intermodal.errors import UsageError

_WHOLE_PREFIXES = "FastFile"  # which reads no lists


def wants_files(job: JobSettings, name: str) -> bool:
    """Whether SageMaker is to be told an input's files one by one.

    Args:
        job: What the job is given.
        name: The input.
    """
    return (name in job.sharded or bool(job.source_dir)) and job.input_mode != _WHOLE_PREFIXES


def s3_source(plan: TaskPlan, mark: JobMark, item: Delivery) -> dict[str, str]:
    """Type and URI of an input's source, as training and processing jobs both have them, and how it is shared.

    Args:
        plan: The task.
        mark: Its job.
        item: The input.

    Raises:
        UsageError: Some instance would get nothing.
    """
    _check_shares(plan, item)
    listed = f"{jobs_prefix(plan)}/{mark.name}/{item.list_name}"
    return {
        "S3DataType": "ManifestFile" if item.files else "S3Prefix",
        "S3Uri": listed if item.files else item.prefix,
        "S3DataDistributionType": "ShardedByS3Key" if item.sharded else "FullyReplicated",
    }


def lists_of(plan: TaskPlan) -> dict[str, str]:
    """The lists of files that must lie in the job's own folder before it is created.

    Args:
        plan: The task.

    Returns:
        Name below that folder → content.
    """
    return {item.list_name: item.list_text for item in deliveries(plan) if item.files and item.channel}


def _check_shares(plan: TaskPlan, item: Delivery) -> None:
    if item.sharded and item.files and len(item.files) < plan.job.instances:
        raise UsageError(
            f"input {item.name} cannot be shared by key: some instances would get nothing",
            seen=f"{len(item.files)} files for {plan.job.instances} instances",
            expected="at least a file for each instance",
            next_step=f"instances = {len(item.files)} under [sagemaker.steps.{plan.spec.name}], or more files",
        )
