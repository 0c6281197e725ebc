"""The operations on executions of pipelines."""

from __future__ import annotations

import json
import secrets
import string
from typing import Any

from intermodal.runtime.sagemaker_local.answers import now, page, present, select
from intermodal.runtime.sagemaker_local.operations import ApiError, operation
from intermodal.runtime.sagemaker_local.pipeline_execution import EXECUTING, FAILED, STOPPED, PipelineExecution
from intermodal.runtime.sagemaker_local.pipeline_values import typed_arguments
from intermodal.runtime.sagemaker_local.pipelines import (
    ONE_AT_A_TIME,
    arn_of,
    executions_of,
    pipeline_named,
    pipelines_of,
)
from intermodal.runtime.sagemaker_local.service import Service

_LETTERS = string.ascii_lowercase + string.digits
_STEP_MEMBERS = ("StepName", "StartTime", "EndTime", "StepStatus", "CacheHitResult", "FailureReason", "Metadata")


@operation("StartPipelineExecution")
def start_pipeline_execution(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Start an execution; the same token again starts no second one."""
    with ONE_AT_A_TIME:
        found = pipeline_named(service, request["PipelineName"])
        name, token = found["PipelineName"], request["ClientRequestToken"]
        for other in executions_of(service, name):
            if other.request["ClientRequestToken"] == token:
                return {"PipelineExecutionArn": other.arn}
        typed_arguments(json.loads(found["PipelineDefinition"]), _texts(request))
        parallelism = request.get("ParallelismConfiguration") or found.get("ParallelismConfiguration")
        kept = {
            **{key: value for key, value in request.items() if key != "PipelineName"},
            "PipelineName": name,
            "PipelineDefinition": found["PipelineDefinition"],
            **({"ParallelismConfiguration": parallelism} if parallelism else {}),
        }
        identity = "".join(secrets.choice(_LETTERS) for _ in range(12))
        job = service.jobs.add(PipelineExecution, identity, kept, status=EXECUTING)
        pipelines_of(service).put(name, found | {"run": now()})
    return {"PipelineExecutionArn": job.arn}


@operation("DescribePipelineExecution")
def describe_pipeline_execution(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """How an execution stands."""
    job = _execution(service, request["PipelineExecutionArn"])
    display = job.request.get("PipelineExecutionDisplayName", f"execution-{int(job.record.created * 1000)}")
    return present(
        {
            "PipelineArn": arn_of(service, job.request["PipelineName"]),
            "PipelineExecutionArn": job.arn,
            "PipelineExecutionDisplayName": display,
            "PipelineExecutionStatus": job.status,
            "PipelineExecutionDescription": job.request.get("PipelineExecutionDescription"),
            "FailureReason": job.record.failure,
            "CreationTime": job.record.created,
            "LastModifiedTime": job.record.modified,
            "ParallelismConfiguration": job.request.get("ParallelismConfiguration"),
        }
    )


@operation("ListPipelineExecutions")
def list_pipeline_executions(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Executions of a pipeline, as summaries."""
    name = pipeline_named(service, request["PipelineName"])["PipelineName"]
    summaries = [
        present(
            {
                "PipelineExecutionArn": job.arn,
                "StartTime": job.record.created,
                "PipelineExecutionStatus": job.status,
                "PipelineExecutionDisplayName": job.request.get("PipelineExecutionDisplayName"),
                "PipelineExecutionFailureReason": job.record.failure,
            }
        )
        for job in executions_of(service, name)
    ]
    by = {"SortBy": {"CreationTime": "StartTime"}.get(request.get("SortBy", "CreationTime"), "PipelineExecutionArn")}
    found = select(summaries, request | by, "PipelineExecutionArn", created="StartTime")
    return page(found, request, "PipelineExecutionSummaries")


@operation("ListPipelineExecutionSteps")
def list_pipeline_execution_steps(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """The steps of an execution that were started."""
    job = _execution(service, request["PipelineExecutionArn"])
    with job.changing():
        steps = [_step(job, item) for item in job.steps.values()]
    down = request.get("SortOrder", "Descending") == "Descending"
    return page(sorted(steps, key=lambda item: item["StartTime"], reverse=down), request, "PipelineExecutionSteps")


@operation("ListPipelineParametersForExecution")
def list_pipeline_parameters(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """The arguments of an execution."""
    job = _execution(service, request["PipelineExecutionArn"])
    return page(job.request.get("PipelineParameters", []), request, "PipelineParameters")


@operation("DescribePipelineDefinitionForExecution")
def describe_definition(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """The definition that an execution runs, which its pipeline may have no more."""
    job = _execution(service, request["PipelineExecutionArn"])
    return {"PipelineDefinition": job.request["PipelineDefinition"], "CreationTime": job.record.created}


@operation("StopPipelineExecution")
def stop_pipeline_execution(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Stop an execution, and the jobs that it runs."""
    job = _execution(service, request["PipelineExecutionArn"])
    if job.ended:
        raise ApiError("ConflictException", f"Pipeline execution is in status {job.status} and cannot be stopped.")
    job.stop()
    return {"PipelineExecutionArn": job.arn}


@operation("RetryPipelineExecution")
def retry_pipeline_execution(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Go on with an execution that failed or was stopped; what succeeded stands."""
    job = _execution(service, request["PipelineExecutionArn"])
    with ONE_AT_A_TIME:
        if job.record.facts.get("retry_token") == request["ClientRequestToken"]:
            return {"PipelineExecutionArn": job.arn}
        if job.status not in (FAILED, STOPPED):
            raise ApiError("ConflictException", f"Pipeline execution is in status {job.status} and cannot be retried.")
        job.record.facts["retry_token"] = request["ClientRequestToken"]
        job.again()
    return {"PipelineExecutionArn": job.arn}


def _step(job: PipelineExecution, item: dict[str, Any]) -> dict[str, Any]:
    declared = next((step for step in job.declared() if step["Name"] == item["StepName"]), {})
    return present(
        {
            **{name: item.get(name) for name in _STEP_MEMBERS},
            "StepDisplayName": declared.get("DisplayName"),
            "StepDescription": declared.get("Description"),
            "AttemptCount": item.get("AttemptCount", 1),
        }
    )


def _texts(request: dict[str, Any]) -> dict[str, str]:
    return {item["Name"]: item["Value"] for item in request.get("PipelineParameters", [])}


def _execution(service: Service, arn: str) -> PipelineExecution:
    job = service.jobs.find(PipelineExecution.kind, arn.rpartition("/")[2])
    if not isinstance(job, PipelineExecution) or job.arn != arn:
        raise ApiError("ResourceNotFound", f"Pipeline execution '{arn}' does not exist.")
    return job
