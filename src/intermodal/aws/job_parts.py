"""Parts that requests of several kinds of jobs have in common: network, encryption, tags, machines, time."""

from __future__ import annotations

import re
from typing import Any

from intermodal.aws.instances import has_own_disk, instance_for
from intermodal.aws.names import JOBS_FOLDER
from intermodal.aws.request import TaskPlan
from intermodal.aws.secrets import check_no_secrets
from intermodal.aws.settings import JobSettings
from intermodal.aws.tags import LIMIT, own_tags, tag_list
from intermodal.errors import UsageError

_NOT_IN_TAGS = re.compile(r"[^\w \u00a0.:/=+\-@]")
_SPOT_GRACE = 3600  # seconds that spare capacity is waited for beyond the job's own time


def jobs_prefix(plan: TaskPlan) -> str:
    """Where the jobs' own files lie in the store."""
    return f"{plan.place.store}/{JOBS_FOLDER}"


def vpc(job: JobSettings) -> dict[str, Any]:
    """`VpcConfig`, as a member of another structure; empty without one."""
    if not job.subnets:
        return {}
    return {"VpcConfig": {"SecurityGroupIds": list(job.security_groups), "Subnets": list(job.subnets)}}


def instance_type(plan: TaskPlan) -> str:
    """The machine: as the settings say, else chosen from what the step needs.

    Raises:
        UsageError: No machine of the table is large enough.
    """
    return plan.job.instance_type or instance_for(plan.spec.needs)


def cluster(plan: TaskPlan) -> dict[str, Any]:
    """Type and number of instances, and their volumes.

    Raises:
        UsageError: No machine fits, or the volume's key is one that the machine cannot use.
    """
    kind, job = instance_type(plan), plan.job
    if job.volume_kms_key and has_own_disk(kind):
        raise UsageError(
            "sagemaker.volume_kms_key cannot be used on this instance type",
            seen=kind,
            expected="a type without disks of its own, such as ml.m5.xlarge; own disks are encrypted by the hardware",
            next_step=f'[sagemaker.steps.{plan.spec.name}] volume_kms_key = ""',
        )
    made = {"InstanceType": kind, "InstanceCount": job.instances, "VolumeSizeInGB": job.volume_gb}
    return {**made, **({"VolumeKmsKeyId": job.volume_kms_key} if job.volume_kms_key else {})}


def stopping(job: JobSettings, *, spot: bool) -> dict[str, int]:
    """How long the job may take, and wait for spare capacity."""
    made = {"MaxRuntimeInSeconds": job.max_runtime}
    if spot:
        made["MaxWaitTimeInSeconds"] = job.max_wait or job.max_runtime + _SPOT_GRACE
    return made


def job_tags(plan: TaskPlan) -> list[dict[str, str]]:
    """The tags of a task's job; they alone name the run.

    Raises:
        UsageError: The settings give more tags than there is room for, or one that AWS keeps for itself.
    """
    check_no_secrets(plan.settings.tags, "tag sagemaker.tags")
    for name in plan.settings.tags:
        if name.lower().startswith("aws:"):
            raise UsageError("sagemaker.tags has a name that AWS keeps for itself", seen=name, expected="no aws:")
    own = own_tags(
        run_id=plan.run_id, pipeline=plan.pipeline, task=plan.task, step=plan.spec.name, machine=plan.machine
    )
    own = {name: _NOT_IN_TAGS.sub("_", value) for name, value in own.items()}
    made = tag_list({**plan.settings.tags, **own})
    if len(made) > LIMIT:
        room = LIMIT - len([value for value in own.values() if value])
        raise UsageError("sagemaker.tags has too many tags", seen=len(plan.settings.tags), expected=f"at most {room}")
    return made
