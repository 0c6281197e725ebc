"""Monitoring schedules: the step `drift`, run by SageMaker every so often on what an endpoint captured."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from intermodal.aws.names import JOB_LIMIT, job_name
from intermodal.aws.request import Request
from intermodal.aws.secrets import check_no_secrets
from intermodal.aws.settings import JobSettings
from intermodal.aws.tags import tag_list
from intermodal.errors import UsageError

ONCE = "NOW"
KINDS = ("DataQuality", "ModelQuality")
CAPTURED = "/opt/ml/processing/captured"
BASELINE = "/opt/ml/processing/baseline/constraints"
OUTPUT = "/opt/ml/processing/output"
_HOURS = range(1, 25)


@dataclass(frozen=True)
class Monitor:
    """A schedule as a value.

    Attributes:
        endpoint: The endpoint whose captured requests are looked at.
        image: Image with the step `drift`; the core family's.
        role: ARN of the execution role.
        output_uri: Prefix for the findings, s3://….
        reference_uri: `reference.json` of the model that answers: what it was trained on, as `drift` reads it.
        expression: AWS's cron expression, or `ONCE`.
        kind: A name of `KINDS`.
        settings: Limits of the job, VPC, keys, instance type.
        tags: Tags of the schedule.
    """

    endpoint: str
    image: str
    role: str
    output_uri: str
    reference_uri: str = ""
    expression: str = "cron(0 * ? * * *)"
    kind: str = "DataQuality"
    settings: JobSettings = field(default_factory=JobSettings)
    tags: dict[str, str] = field(default_factory=dict)


def every(hours: int) -> str:
    """The cron expression for every so many hours.

    Args:
        hours: 1 to 24; SageMaker knows hourly and daily schedules and what lies between.

    Raises:
        UsageError: It is less or more.
    """
    if hours not in _HOURS:
        raise UsageError("a schedule cannot run so", seen=f"every {hours} hours", expected="1 to 24 hours")
    if hours == 1:
        return "cron(0 * ? * * *)"
    return "cron(0 0 ? * * *)" if hours == 24 else f"cron(0 0/{hours} ? * * *)"


def schedule_name(monitor: Monitor) -> str:
    """The schedule's name: the endpoint's, and the kind."""
    name = f"{monitor.endpoint}-{monitor.kind}"
    if len(name) <= JOB_LIMIT:
        return name
    return job_name([monitor.endpoint, monitor.kind], hashlib.sha256(name.encode()).hexdigest())


def schedule_request(monitor: Monitor) -> Request:
    """`CreateMonitoringSchedule`.

    Args:
        monitor: The schedule.

    Raises:
        UsageError: Its kind is unknown.
    """
    if monitor.kind not in KINDS:
        raise UsageError("no such kind of monitoring", seen=monitor.kind, expected=" or ".join(KINDS))
    when: dict[str, Any] = {"ScheduleExpression": monitor.expression}
    if monitor.expression == ONCE:  # a schedule that runs once must say of which hours: of the last one
        when |= {"DataAnalysisStartTime": "-PT1H", "DataAnalysisEndTime": "-PT0H"}
    config = {"ScheduleConfig": when, "MonitoringType": monitor.kind, "MonitoringJobDefinition": _definition(monitor)}
    parameters = {"MonitoringScheduleName": schedule_name(monitor), "MonitoringScheduleConfig": config}
    return Request("sagemaker", "CreateMonitoringSchedule", parameters | {"Tags": tag_list(monitor.tags)})


def _definition(monitor: Monitor) -> dict[str, Any]:
    job = monitor.settings
    output = {"S3Uri": monitor.output_uri, "LocalPath": OUTPUT, "S3UploadMode": "EndOfJob"}
    captured = {
        "EndpointName": monitor.endpoint,
        "LocalPath": CAPTURED,
        "S3InputMode": "File",
        "S3DataDistributionType": "FullyReplicated",
    }
    check_no_secrets(job.env, "variable sagemaker.env")
    made: dict[str, Any] = {
        "MonitoringInputs": [{"EndpointInput": captured}],
        "MonitoringOutputConfig": {"MonitoringOutputs": [{"S3Output": output}]},
        "MonitoringResources": {"ClusterConfig": _cluster(job)},
        "MonitoringAppSpecification": {
            "ImageUri": monitor.image,
            "ContainerEntrypoint": ["python3", "-m", "intermodal", "drift-captured"],
            "ContainerArguments": [CAPTURED, OUTPUT, "--baseline", BASELINE],
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": min(job.max_runtime, 3600)},
        "RoleArn": monitor.role,
    }
    if monitor.reference_uri:
        made["BaselineConfig"] = {"ConstraintsResource": {"S3Uri": monitor.reference_uri}}
    if job.subnets:
        vpc = {"Subnets": job.subnets, "SecurityGroupIds": job.security_groups}
        made["NetworkConfig"] = {"VpcConfig": vpc, "EnableNetworkIsolation": job.network_isolation}
    if job.env:
        made["Environment"] = dict(job.env)
    return made


def _cluster(job: JobSettings) -> dict[str, Any]:
    made: dict[str, Any] = {
        "InstanceType": job.instance_type or "ml.m5.large",
        "InstanceCount": 1,
        "VolumeSizeInGB": job.volume_gb,
    }
    return made | ({"VolumeKmsKeyId": job.volume_kms_key} if job.volume_kms_key else {})
