"""What runs, or stands, on SageMaker under our tag; listed as it is now, and stopped or deleted once.

Jobs are asked for by their state and then for their tags: the tagging service knows ended jobs of years, is
behind by minutes, and answers nothing where SageMaker is a local one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from intermodal.aws.calls import Calls, Refused
from intermodal.aws.endpoint_life import Endpoints
from intermodal.aws.endpoint_removal import delete_endpoint
from intermodal.aws.job_kinds import AUTOML, IN_PROGRESS, PROCESSING, TRAINING, TRANSFORM, TUNING, JobKind
from intermodal.aws.jobs import find_job, is_absent, stop_job
from intermodal.aws.spark_runs import SparkRuns
from intermodal.errors import IntermodalError

ENDPOINT, EXECUTION = "endpoint", "pipeline execution"
# Those that start others come first: stopping a tuning job stops its children.
JOBS: tuple[JobKind, ...] = (TUNING, AUTOML, TRANSFORM, TRAINING, PROCESSING)
_PARENTS = ("TuningJobArn", "AutoMLJobArn", "LabelingJobArn", "MonitoringScheduleArn", "TrainingJobArn")


@dataclass(frozen=True)
class Leftover:
    """Something that goes on, and is paid.

    Attributes:
        kind: Such as "training job", "endpoint" or "pipeline execution".
        name: Its name; the ARN of a pipeline execution.
        arn: Its ARN.
        created: When it was made.
        tags: Its tags; empty where they may not be read.
    """

    kind: str
    name: str
    arn: str
    created: datetime | None = None
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Unasked:
    """A kind that the service did not list.

    Attributes:
        kind: What was asked for.
        why: What came instead.
    """

    kind: str
    why: str


def running(calls: Calls) -> Iterator[Leftover | Unasked]:
    """Everything that goes on in the account and region, whoever made it.

    Args:
        calls: SageMaker.

    Yields:
        Jobs in progress, endpoints, executions of pipelines; and what could not be listed.
    """
    for kind in JOBS:
        yield from _listed(_spoken(kind), _jobs(calls, kind))
    yield from _listed(ENDPOINT, _endpoints(calls))
    yield from _listed(EXECUTION, _executions(calls))


def running_spark(calls: Calls, kind: SparkRuns) -> Iterator[Leftover | Unasked]:
    """Every Spark job of a place that goes on, whoever started it.

    Args:
        calls: EMR.
        kind: The job runs of the place.

    Yields:
        The jobs; or that they could not be listed.
    """
    yield from _listed(f"{kind.where} job", _spark_jobs(calls, kind))


def _spark_jobs(calls: Calls, kind: SparkRuns) -> Iterator[Leftover]:
    for item in kind.going(calls):
        name = item.get("name", "")
        tags = item.get("tags") or (kind.look(calls, name).get("tags") if name else {})
        yield Leftover(f"{kind.where} job", name, item["arn"], item.get("createdAt"), tags or {})


def stop(calls: Calls, item: Leftover) -> bool:
    """Stop a job or an execution, delete an endpoint with all that was made for it; unless somebody else just did.

    Args:
        calls: SageMaker.
        item: What was found.

    Returns:
        Whether it was done here.

    Raises:
        RuntimeFailed: AWS refused, or did not answer.
    """
    if item.kind == ENDPOINT:
        return _delete(calls, item.name)
    if item.kind == EXECUTION:
        return _stop_execution(calls, item.arn)
    kind = next(kind for kind in JOBS if _spoken(kind) == item.kind)
    return stop_job(calls, kind, item.name)


def _listed(kind: str, found: Iterator[Leftover]) -> Iterator[Leftover | Unasked]:
    try:
        yield from found
    except IntermodalError as error:
        yield Unasked(kind, error.seen or error.headline)


def _jobs(calls: Calls, kind: JobKind) -> Iterator[Leftover]:
    """Jobs in progress that nothing else has started."""
    listing = f"List{kind.prefix}s"
    for item in calls.pages(listing, f"{kind.prefix}Summaries", StatusEquals=IN_PROGRESS):
        if item[f"{kind.prefix}Status"] != IN_PROGRESS:
            continue
        name, arn = item[kind.name_member], item[f"{kind.prefix}Arn"]
        tags = _tags(calls, arn)
        described = find_job(calls, kind, name) if tags else None
        if not any((described or {}).get(member) for member in _PARENTS if member != f"{kind.prefix}Arn"):
            yield Leftover(_spoken(kind), name, arn, item.get("CreationTime"), tags)


def _endpoints(calls: Calls) -> Iterator[Leftover]:
    for item in calls.pages("ListEndpoints", "Endpoints"):
        if item["EndpointStatus"] != "Deleting":
            arn = item["EndpointArn"]
            yield Leftover(ENDPOINT, item["EndpointName"], arn, item.get("CreationTime"), _tags(calls, arn))


def _executions(calls: Calls) -> Iterator[Leftover]:
    for pipeline in calls.pages("ListPipelines", "PipelineSummaries"):
        tags = _tags(calls, pipeline["PipelineArn"])
        if not tags:
            continue
        asked = {"PipelineName": pipeline["PipelineName"]}
        for item in calls.pages("ListPipelineExecutions", "PipelineExecutionSummaries", **asked):
            if item.get("PipelineExecutionStatus") == "Executing":
                arn = item["PipelineExecutionArn"]
                yield Leftover(EXECUTION, arn, arn, item.get("StartTime"), tags)


def _tags(calls: Calls, arn: str) -> dict[str, str]:
    try:
        return {item["Key"]: item["Value"] for item in calls.pages("ListTags", "Tags", ResourceArn=arn)}
    except Refused:
        return {}


def _delete(calls: Calls, name: str) -> bool:
    """Delete an endpoint; what watches it goes first, for SageMaker keeps an endpoint that is watched."""
    if _gone(calls, name):
        return False
    for item in calls.pages("ListMonitoringSchedules", "MonitoringScheduleSummaries", EndpointName=name):
        calls("DeleteMonitoringSchedule", MonitoringScheduleName=item["MonitoringScheduleName"])
    delete_endpoint(Endpoints(calls.settings), name)
    return True


def _gone(calls: Calls, name: str) -> bool:
    try:
        found: dict[str, Any] = calls("DescribeEndpoint", EndpointName=name)
    except Refused as refused:
        if is_absent(refused):
            return True
        raise
    return found.get("EndpointStatus") == "Deleting"


def _stop_execution(calls: Calls, arn: str) -> bool:
    """Stop an execution; the token makes a second request the same one."""
    token = hashlib.sha256(f"reap {arn}".encode()).hexdigest()
    try:
        calls("StopPipelineExecution", PipelineExecutionArn=arn, ClientRequestToken=token)
    except Refused as refused:
        if "ValidationException" in refused.code or is_absent(refused):
            return False
        raise
    return True


def _spoken(kind: JobKind) -> str:
    words = {"HyperParameterTuning": "tuning", "AutoML": "AutoML"}
    return f"{words.get(kind.name, kind.name.lower())} job"
