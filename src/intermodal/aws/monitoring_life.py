"""A monitoring schedule's life: made or changed, its executions listed, deleted."""

from __future__ import annotations

from typing import Any

from intermodal.aws.archives import reference_beside
from intermodal.aws.calls import Calls, Refused
from intermodal.aws.client import find_place
from intermodal.aws.endpoint_life import Endpoints
from intermodal.aws.jobs import is_absent
from intermodal.aws.monitoring import ONCE, Monitor, every, schedule_name, schedule_request
from intermodal.aws.objects import is_there
from intermodal.aws.service_model import check_request
from intermodal.aws.settings import SageMakerSettings
from intermodal.aws.tags import own_tags
from intermodal.core.component import image_of
from intermodal.errors import UsageError

STEP = "drift"


def monitor_of(settings: SageMakerSettings, endpoint: str, hours: int, reference: str, *, once: bool) -> Monitor:
    """A schedule for an endpoint, from the settings.

    Args:
        settings: `[sagemaker]`; what `[sagemaker.steps.drift]` says goes for its jobs.
        endpoint: The endpoint's name.
        hours: Hours between two executions.
        reference: URI of the model's `reference.json`; the one beside the archive of the model that answers by
            default.
        once: Whether it runs once, now.

    Raises:
        UsageError: The hours are wrong.
        RuntimeFailed: AWS does not say which account this is.
    """
    place, job = find_place(settings), settings.job_of(STEP)
    return Monitor(
        endpoint=endpoint,
        image=job.image or settings.images.get("core") or image_of("core"),
        role=place.role,
        output_uri=f"{place.store}/monitoring/{endpoint}",
        reference_uri=reference or _reference_of(settings, endpoint),
        expression=ONCE if once else every(hours),
        settings=job,
        tags=settings.tags | own_tags(run_id="", pipeline="", step=STEP),
    )


def put_schedule(settings: SageMakerSettings, monitor: Monitor) -> str:
    """Make a schedule, or give the one of that name another configuration.

    Returns:
        Its name.

    Raises:
        UsageError: The endpoint captures nothing, or AWS would refuse the request.
        RuntimeFailed: AWS refused, or did not answer.
    """
    request, calls = schedule_request(monitor), Calls("sagemaker", settings)
    check_request(request.service, request.operation, request.parameters)
    found = Endpoints(settings).find(monitor.endpoint)
    if found is None:
        raise UsageError("there is no such endpoint", seen=monitor.endpoint, next_step="intermodal endpoint list")
    if not (found.get("DataCaptureConfig") or {}).get("EnableCapture"):
        raise UsageError(
            f"the endpoint {monitor.endpoint} captures nothing", next_step="deploy it with capture_percent=100"
        )
    try:
        calls(request.operation, **request.parameters)
    except Refused as refused:
        if refused.code != "ResourceInUse" and "already exist" not in refused.seen.lower():
            raise
        changed = {name: value for name, value in request.parameters.items() if name != "Tags"}
        calls("UpdateMonitoringSchedule", **changed)
    return schedule_name(monitor)


def _reference_of(settings: SageMakerSettings, endpoint: str) -> str:
    """The `reference.json` beside the archive of the model that answers first; empty when there is none."""
    endpoints = Endpoints(settings)
    found = endpoints.find(endpoint) or {}
    config = endpoints.found("DescribeEndpointConfig", EndpointConfigName=found.get("EndpointConfigName", "none")) or {}
    name = next((item.get("ModelName", "") for item in config.get("ProductionVariants", [])), "")
    model = endpoints.found("DescribeModel", ModelName=name) if name else None
    archive = str(((model or {}).get("PrimaryContainer") or {}).get("ModelDataUrl", ""))
    uri = reference_beside(archive) if archive else ""
    return uri if uri and is_there(uri, settings) else ""


def executions(settings: SageMakerSettings, name: str) -> list[dict[str, Any]]:
    """Executions of a schedule, the newest first."""
    calls = Calls("sagemaker", settings)
    return list(calls.pages("ListMonitoringExecutions", "MonitoringExecutionSummaries", MonitoringScheduleName=name))


def delete_schedule(settings: SageMakerSettings, monitor: Monitor) -> list[str]:
    """Delete an endpoint's schedule.

    Returns:
        What was deleted: its name, or nothing.

    Raises:
        RuntimeFailed: AWS refused, or did not answer.
    """
    name = schedule_name(monitor)
    try:
        Calls("sagemaker", settings)("DeleteMonitoringSchedule", MonitoringScheduleName=name)
    except Refused as refused:
        if is_absent(refused):
            return []
        raise
    return [name]
