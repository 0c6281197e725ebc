"""The operations on pipelines and their executions."""

from __future__ import annotations

import json
import secrets
import string
import threading
from typing import Any

from intermodal.runtime.sagemaker.pipelines.schema import definition_problems
from intermodal.runtime.sagemaker_local.answers import now, page, present, select
from intermodal.runtime.sagemaker_local.operations import ApiError, operation
from intermodal.runtime.sagemaker_local.pipeline_execution import EXECUTING, FAILED, STOPPED, PipelineExecution
from intermodal.runtime.sagemaker_local.pipeline_values import Unresolved, json_reader, typed_arguments
from intermodal.runtime.sagemaker_local.records import Records
from intermodal.runtime.sagemaker_local.service import Service

_LETTERS = string.ascii_lowercase + string.digits
_STEP_MEMBERS = ("StepName", "StartTime", "EndTime", "StepStatus", "CacheHitResult", "FailureReason", "Metadata")
_ONE_AT_A_TIME = threading.RLock()  # over looking for a name or token, and taking it


@operation("CreatePipeline")
def create_pipeline(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Make a pipeline; the same token again makes no second one."""
    name, arn = request["PipelineName"], _arn(service, request["PipelineName"])
    with _ONE_AT_A_TIME:
        known = _pipelines(service).get(name)
        if known is not None and known["token"] == request["ClientRequestToken"]:
            return {"PipelineArn": arn}
        if known is not None:
            raise ApiError(
                "ValidationException",
                f"Pipeline names must be unique within an AWS account and region. Pipeline with name ({name}) "
                "already exists.",
            )
        document = {
            "token": request["ClientRequestToken"],
            "created": now(),
            "version": 0,
            **{key: request[key] for key in ("PipelineName", "RoleArn")},
        }
        _put(service, document, request)
        service.tags.put(arn, request.get("Tags", []))
    return {"PipelineArn": arn}


@operation("UpdatePipeline")
def update_pipeline(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Change a pipeline; executions that run go on as they were."""
    with _ONE_AT_A_TIME:
        document = _pipeline(service, request["PipelineName"])
        _put(service, document | {key: request[key] for key in ("RoleArn",) if key in request}, request)
        version = _pipeline(service, request["PipelineName"])["version"]
    return {"PipelineArn": _arn(service, document["PipelineName"]), "PipelineVersionId": version}


@operation("DescribePipeline")
def describe_pipeline(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Everything about a pipeline."""
    found = _pipeline(service, request["PipelineName"])
    return present(
        {
            "PipelineArn": _arn(service, found["PipelineName"]),
            "PipelineName": found["PipelineName"],
            "PipelineDisplayName": found.get("PipelineDisplayName", found["PipelineName"]),
            "PipelineDefinition": found["PipelineDefinition"],
            "PipelineDescription": found.get("PipelineDescription"),
            "RoleArn": found["RoleArn"],
            "PipelineStatus": "Active",
            "CreationTime": found["created"],
            "LastModifiedTime": found["modified"],
            "LastRunTime": found.get("run"),
            "ParallelismConfiguration": found.get("ParallelismConfiguration"),
        }
    )


@operation("ListPipelines")
def list_pipelines(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Pipelines, as summaries."""
    start = request.get("PipelineNamePrefix", "")
    summaries = [
        present(
            {
                "PipelineArn": _arn(service, name),
                "PipelineName": name,
                "PipelineDisplayName": found.get("PipelineDisplayName", name),
                "PipelineDescription": found.get("PipelineDescription"),
                "RoleArn": found["RoleArn"],
                "CreationTime": found["created"],
                "LastModifiedTime": found["modified"],
                "LastExecutionTime": found.get("run"),
            }
        )
        for name, found in _pipelines(service).all().items()
        if name.startswith(start)
    ]
    times = {f"CreationTime{key[7:]}": request[key] for key in ("CreatedAfter", "CreatedBefore") if key in request}
    return page(select(summaries, request | times, "PipelineName"), request, "PipelineSummaries")


@operation("DeletePipeline")
def delete_pipeline(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Forget a pipeline that is not being executed."""
    name = _pipeline(service, request["PipelineName"])["PipelineName"]
    if any(not item.ended for item in _executions(service, name)):
        raise ApiError("ConflictException", f"Pipeline {name} has executions that are not finished.")
    _pipelines(service).remove(name)
    service.tags.forget(_arn(service, name))
    return {"PipelineArn": _arn(service, name)}


@operation("StartPipelineExecution")
def start_pipeline_execution(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Start an execution; the same token again starts no second one."""
    with _ONE_AT_A_TIME:
        found = _pipeline(service, request["PipelineName"])
        name, token = found["PipelineName"], request["ClientRequestToken"]
        for other in _executions(service, name):
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
        _pipelines(service).put(name, found | {"run": now()})
    return {"PipelineExecutionArn": job.arn}


@operation("DescribePipelineExecution")
def describe_pipeline_execution(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """How an execution stands."""
    job = _execution(service, request["PipelineExecutionArn"])
    display = job.request.get("PipelineExecutionDisplayName", f"execution-{int(job.record.created * 1000)}")
    return present(
        {
            "PipelineArn": _arn(service, job.request["PipelineName"]),
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
    name = _pipeline(service, request["PipelineName"])["PipelineName"]
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
        for job in _executions(service, name)
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
    with _ONE_AT_A_TIME:
        if job.record.facts.get("retry_token") == request["ClientRequestToken"]:
            return {"PipelineExecutionArn": job.arn}
        if job.status not in (FAILED, STOPPED):
            raise ApiError("ConflictException", f"Pipeline execution is in status {job.status} and cannot be retried.")
        job.record.facts["retry_token"] = request["ClientRequestToken"]
        job.again()
    return {"PipelineExecutionArn": job.arn}


def _put(service: Service, document: dict[str, Any], request: dict[str, Any]) -> None:
    text = _definition(service, request)
    kept = ("PipelineDisplayName", "PipelineDescription", "ParallelismConfiguration")
    changed = {key: request[key] for key in kept if key in request}
    text = text or document.get("PipelineDefinition", "")
    if not text:
        raise ApiError("ValidationException", "PipelineDefinition or PipelineDefinitionS3Location is required.")
    fields = {"PipelineDefinition": text, "modified": now(), "version": document["version"] + 1}
    _pipelines(service).put(document["PipelineName"], document | changed | fields)


def _definition(service: Service, request: dict[str, Any]) -> str:
    """The definition in a request, or where it says, checked; empty without one."""
    place, text = request.get("PipelineDefinitionS3Location"), request.get("PipelineDefinition", "")
    if place and text:
        raise ApiError(
            "ValidationException", "Only one of PipelineDefinition and PipelineDefinitionS3Location may be given."
        )
    try:
        if place:
            body = json_reader(service.client("s3"))(f"s3://{place['Bucket']}/{place['ObjectKey']}")
            text = json.dumps(body)
        elif text:
            body = json.loads(text)
        else:
            return ""
    except (ValueError, Unresolved) as error:
        raise ApiError("ValidationException", f"Unable to parse pipeline definition: {error}") from error
    problems = definition_problems(body)
    if problems:
        raise ApiError("ValidationException", f"Unable to parse pipeline definition. {'; '.join(problems)}"[:2000])
    return str(text)


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


def _pipelines(service: Service) -> Records:
    return service.records("Pipeline")


def _pipeline(service: Service, name: str) -> dict[str, Any]:
    found = _pipelines(service).get(name.rpartition("/")[2])
    if found is None and name.startswith("arn:"):
        lower = name.rpartition("/")[2]
        found = next((item for key, item in _pipelines(service).all().items() if key.lower() == lower), None)
    if found is None:
        raise ApiError("ResourceNotFound", f"Pipeline '{name}' does not exist.")
    return found


def _executions(service: Service, name: str) -> list[PipelineExecution]:
    return [job for job in service.jobs.all(PipelineExecution) if job.request["PipelineName"] == name]


def _execution(service: Service, arn: str) -> PipelineExecution:
    job = service.jobs.find(PipelineExecution.kind, arn.rpartition("/")[2])
    if not isinstance(job, PipelineExecution) or job.arn != arn:
        raise ApiError("ResourceNotFound", f"Pipeline execution '{arn}' does not exist.")
    return job


def _arn(service: Service, name: str) -> str:
    return service.arn(f"pipeline/{name.lower()}")
