"""Monitoring schedules: kept as state; each execution is a processing job that runs for real.

A schedule whose expression is NOW runs when it is made. One with a cron expression runs when it is told to:
`POST /_local/monitoring/NAME/run`. Nobody should have to wait an hour for a test, and no clock is simulated.
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any

from werkzeug.wrappers import Request, Response

from intermodal.runtime.sagemaker_local.answers import now, page, present, select
from intermodal.runtime.sagemaker_local.endpoints import find_endpoint
from intermodal.runtime.sagemaker_local.operations import ApiError, operation, route
from intermodal.runtime.sagemaker_local.processing_job import ProcessingJob
from intermodal.runtime.sagemaker_local.service import Service

KIND, EXECUTION = "MonitoringSchedule", "MonitoringExecution"
_ONCE = "NOW"
_CONSTRAINTS, _STATISTICS = "/opt/ml/processing/baseline/constraints", "/opt/ml/processing/baseline/stats"
_LISTED = (
    "MonitoringScheduleName",
    "MonitoringScheduleArn",
    "CreationTime",
    "LastModifiedTime",
    "MonitoringScheduleStatus",
    "EndpointName",
    "MonitoringType",
)


@operation("CreateMonitoringSchedule")
def create_schedule(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """A schedule; one for NOW runs at once."""
    name, config = request["MonitoringScheduleName"], request["MonitoringScheduleConfig"]
    arn = service.arn(f"monitoring-schedule/{name.lower()}")
    if service.records(KIND).get(name) is not None:
        raise ApiError("ResourceInUse", f"Monitoring Schedule {arn} already exists")
    definition = _definition(config)
    service.executor.require(definition["MonitoringAppSpecification"]["ImageUri"])
    endpoint = _source(definition).get("EndpointName", "")
    if endpoint:
        _captured(service, endpoint)
    service.tags.put(arn, request.get("Tags", []))
    record = {
        "MonitoringScheduleName": name,
        "MonitoringScheduleArn": arn,
        "MonitoringScheduleStatus": "Scheduled",
        "MonitoringType": config.get("MonitoringType", "DataQuality"),
        "MonitoringScheduleConfig": config,
        "EndpointName": endpoint,
        "CreationTime": now(),
        "LastModifiedTime": now(),
    }
    service.records(KIND).put(name, record)
    if config.get("ScheduleConfig", {}).get("ScheduleExpression") == _ONCE:
        execute(service, name)
    return {"MonitoringScheduleArn": arn}


@operation("DescribeMonitoringSchedule")
def describe_schedule(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """A schedule, with its last execution."""
    found = _schedule(service, request["MonitoringScheduleName"])
    done = _executions(service, found["MonitoringScheduleName"])
    return present(found | ({"LastMonitoringExecutionSummary": done[-1]} if done else {}))


@operation("ListMonitoringSchedules")
def list_schedules(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Schedules, the newest first."""
    wanted = request.get("EndpointName")
    found = [
        present({key: item[key] for key in _LISTED})
        for item in service.records(KIND).all().values()
        if wanted in (None, item["EndpointName"])
    ]
    chosen = select(found, request, "MonitoringScheduleName", "MonitoringScheduleStatus")
    return page(chosen, request, "MonitoringScheduleSummaries")


@operation("UpdateMonitoringSchedule")
def update_schedule(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Give a schedule another configuration."""
    found = _schedule(service, request["MonitoringScheduleName"])
    _definition(request["MonitoringScheduleConfig"])
    changed = {"MonitoringScheduleConfig": request["MonitoringScheduleConfig"], "LastModifiedTime": now()}
    service.records(KIND).put(found["MonitoringScheduleName"], found | changed)
    return {"MonitoringScheduleArn": found["MonitoringScheduleArn"]}


@operation("StartMonitoringSchedule")
def start_schedule(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Let a stopped schedule run again."""
    return _set(service, request["MonitoringScheduleName"], "Scheduled")


@operation("StopMonitoringSchedule")
def stop_schedule(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Let a schedule run no more; an execution that runs goes on."""
    return _set(service, request["MonitoringScheduleName"], "Stopped")


@operation("DeleteMonitoringSchedule")
def delete_schedule(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Forget a schedule, and stop what runs of it."""
    found = _schedule(service, request["MonitoringScheduleName"])
    name = found["MonitoringScheduleName"]
    for key, item in service.records(EXECUTION).all().items():
        if item["schedule"] == name:
            job = service.jobs.find(ProcessingJob.kind, key)
            if job is not None:
                job.stop()
            service.records(EXECUTION).remove(key)
    service.records(KIND).remove(name)
    service.tags.forget(found["MonitoringScheduleArn"])
    return {}


@operation("ListMonitoringExecutions")
def list_executions(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Executions, the newest first."""
    wanted = (request.get("MonitoringScheduleName"), request.get("EndpointName"))
    found = [
        item for item in _executions(service, wanted[0] or "") if wanted[1] in (None, item.get("EndpointName", ""))
    ]
    chosen = select(found, request, "MonitoringScheduleName", "MonitoringExecutionStatus")
    return page(chosen, request, "MonitoringExecutionSummaries")


@route("POST", "/_local/monitoring/([^/]+)/run")
def run_now(service: Service, _request: Request, name: str) -> Response:
    """Run a schedule now, as if its hour had come."""
    found = _schedule(service, name)
    if found["MonitoringScheduleStatus"] != "Scheduled":
        raise ApiError("ValidationException", f"Monitoring Schedule {name} is {found['MonitoringScheduleStatus']}")
    return Response(json.dumps({"ProcessingJobName": execute(service, name)}), content_type="application/json")


def execute(service: Service, name: str) -> str:
    """Start an execution of a schedule.

    Args:
        service: The service.
        name: The schedule's name.

    Returns:
        The processing job's name.
    """
    found = _schedule(service, name)
    job = f"model-monitoring-{datetime.now(UTC):%Y%m%d%H%M}-{uuid.uuid4().hex[:20]}"
    request = _processing_request(service, found, job)
    told = {"schedule": name, "scheduled": now(), "type": found["MonitoringType"], "endpoint": found["EndpointName"]}
    service.records(EXECUTION).put(job, told)
    service.jobs.add(ProcessingJob, job, request)
    return job


def _processing_request(service: Service, found: dict[str, Any], name: str) -> dict[str, Any]:
    definition = _definition(found["MonitoringScheduleConfig"])
    source = _source(definition)
    captured = source.get("DataCapturedDestinationS3Uri") or _captured(service, source["EndpointName"])
    output = definition["MonitoringOutputConfig"]["MonitoringOutputs"][0]["S3Output"]
    inputs = [_input("captured", captured, source["LocalPath"])]
    told = {"dataset_format": '{"sagemakerCaptureJson":{}}', "dataset_source": source["LocalPath"]}
    told |= {"output_path": output["LocalPath"], "publish_cloudwatch_metrics": "Disabled"}
    baseline = definition.get("BaselineConfig", {})
    for member, place, variable in (
        ("ConstraintsResource", _CONSTRAINTS, "baseline_constraints"),
        ("StatisticsResource", _STATISTICS, "baseline_statistics"),
    ):
        if uri := baseline.get(member, {}).get("S3Uri"):
            inputs.append(_input(variable.replace("_", "-"), uri, place))
            told[variable] = f"{place}/{uri.rpartition('/')[2]}"
    application = definition["MonitoringAppSpecification"]
    kept = {
        key: application[key] for key in ("ImageUri", "ContainerEntrypoint", "ContainerArguments") if key in application
    }
    uploaded = {"S3Uri": output["S3Uri"], "LocalPath": output["LocalPath"]}
    uploaded["S3UploadMode"] = output.get("S3UploadMode", "EndOfJob")
    request = {
        "ProcessingJobName": name,
        "AppSpecification": kept,
        "ProcessingInputs": inputs,
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "findings", "S3Output": uploaded}]},
        "ProcessingResources": {"ClusterConfig": definition["MonitoringResources"]["ClusterConfig"]},
        "StoppingCondition": definition.get("StoppingCondition", {"MaxRuntimeInSeconds": 3600}),
        "Environment": told | definition.get("Environment", {}),
        "RoleArn": definition["RoleArn"],
        "NetworkConfig": definition.get("NetworkConfig"),
    }
    return present(request)


def _input(name: str, uri: str, place: str) -> dict[str, Any]:
    source = {"S3Uri": uri, "LocalPath": place, "S3DataType": "S3Prefix", "S3InputMode": "File"}
    return {"InputName": name, "S3Input": source | {"S3DataDistributionType": "FullyReplicated"}}


def _definition(config: dict[str, Any]) -> dict[str, Any]:
    if "MonitoringJobDefinition" not in config:
        raise ApiError("ValidationException", "Schedules by MonitoringJobDefinitionName are not run on this machine")
    return dict(config["MonitoringJobDefinition"])


def _source(definition: dict[str, Any]) -> dict[str, Any]:
    given = definition["MonitoringInputs"][0]
    return dict(given.get("EndpointInput") or given["BatchTransformInput"])


def _captured(service: Service, endpoint: str) -> str:
    """Where an endpoint's requests are captured."""
    told = find_endpoint(service, endpoint).describe().get("DataCaptureConfig")
    if not told:
        raise ApiError("ValidationException", f"Data capture is not enabled for endpoint {endpoint}")
    return f"{told['DestinationS3Uri'].rstrip('/')}/{endpoint}/"


def _schedule(service: Service, name: str) -> dict[str, Any]:
    found = service.records(KIND).get(name)
    if found is None:
        raise ApiError(
            "ResourceNotFound", f"Monitoring Schedule {service.arn(f'monitoring-schedule/{name}')} not found"
        )
    return found


def _set(service: Service, name: str, status: str) -> dict[str, Any]:
    found = _schedule(service, name)
    service.records(KIND).put(name, found | {"MonitoringScheduleStatus": status, "LastModifiedTime": now()})
    return {}


def _executions(service: Service, schedule: str) -> list[dict[str, Any]]:
    """Executions, the oldest first; of all schedules when none is named."""
    found = []
    for name, told in service.records(EXECUTION).all().items():
        job = service.jobs.find(ProcessingJob.kind, name)
        if schedule in ("", told["schedule"]) and job is not None:
            found.append(_execution(told, job))
    return sorted(found, key=lambda item: float(item["CreationTime"]))


def _execution(told: dict[str, Any], job: Any) -> dict[str, Any]:
    message = str(job.record.facts.get("ExitMessage", ""))
    violated = job.status == "Completed" and message.startswith("CompletedWithViolations")
    return present(
        {
            "MonitoringScheduleName": told["schedule"],
            "ScheduledTime": told["scheduled"],
            "CreationTime": job.record.created,
            "LastModifiedTime": job.record.modified,
            "MonitoringExecutionStatus": "CompletedWithViolations" if violated else job.status,
            "ProcessingJobArn": job.arn,
            "EndpointName": told["endpoint"],
            "FailureReason": job.record.failure or (message if violated else ""),
            "MonitoringType": told["type"],
        }
    )
