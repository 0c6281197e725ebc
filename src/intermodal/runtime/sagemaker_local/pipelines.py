"""The operations on pipelines and their executions."""

from __future__ import annotations

import json
import threading
from typing import Any

from intermodal.runtime.sagemaker.pipelines.schema import definition_problems
from intermodal.runtime.sagemaker_local.answers import now, page, present, select
from intermodal.runtime.sagemaker_local.operations import ApiError, operation
from intermodal.runtime.sagemaker_local.pipeline_execution import PipelineExecution
from intermodal.runtime.sagemaker_local.pipeline_values import Unresolved, json_reader
from intermodal.runtime.sagemaker_local.records import Records
from intermodal.runtime.sagemaker_local.service import Service

ONE_AT_A_TIME = threading.RLock()  # over looking for a name or token, and taking it


@operation("CreatePipeline")
def create_pipeline(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Make a pipeline; the same token again makes no second one."""
    name, arn = request["PipelineName"], arn_of(service, request["PipelineName"])
    with ONE_AT_A_TIME:
        known = pipelines_of(service).get(name)
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
    with ONE_AT_A_TIME:
        document = pipeline_named(service, request["PipelineName"])
        _put(service, document | {key: request[key] for key in ("RoleArn",) if key in request}, request)
        version = pipeline_named(service, request["PipelineName"])["version"]
    return {"PipelineArn": arn_of(service, document["PipelineName"]), "PipelineVersionId": version}


@operation("DescribePipeline")
def describe_pipeline(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Everything about a pipeline."""
    found = pipeline_named(service, request["PipelineName"])
    return present(
        {
            "PipelineArn": arn_of(service, found["PipelineName"]),
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
                "PipelineArn": arn_of(service, name),
                "PipelineName": name,
                "PipelineDisplayName": found.get("PipelineDisplayName", name),
                "PipelineDescription": found.get("PipelineDescription"),
                "RoleArn": found["RoleArn"],
                "CreationTime": found["created"],
                "LastModifiedTime": found["modified"],
                "LastExecutionTime": found.get("run"),
            }
        )
        for name, found in pipelines_of(service).all().items()
        if name.startswith(start)
    ]
    times = {f"CreationTime{key[7:]}": request[key] for key in ("CreatedAfter", "CreatedBefore") if key in request}
    return page(select(summaries, request | times, "PipelineName"), request, "PipelineSummaries")


@operation("DeletePipeline")
def delete_pipeline(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Forget a pipeline that is not being executed."""
    name = pipeline_named(service, request["PipelineName"])["PipelineName"]
    if any(not item.ended for item in executions_of(service, name)):
        raise ApiError("ConflictException", f"Pipeline {name} has executions that are not finished.")
    pipelines_of(service).remove(name)
    service.tags.forget(arn_of(service, name))
    return {"PipelineArn": arn_of(service, name)}


def _put(service: Service, document: dict[str, Any], request: dict[str, Any]) -> None:
    text = _definition(service, request)
    kept = ("PipelineDisplayName", "PipelineDescription", "ParallelismConfiguration")
    changed = {key: request[key] for key in kept if key in request}
    text = text or document.get("PipelineDefinition", "")
    if not text:
        raise ApiError("ValidationException", "PipelineDefinition or PipelineDefinitionS3Location is required.")
    fields = {"PipelineDefinition": text, "modified": now(), "version": document["version"] + 1}
    pipelines_of(service).put(document["PipelineName"], document | changed | fields)


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


def pipelines_of(service: Service) -> Records:
    """All pipelines."""
    return service.records("Pipeline")


def pipeline_named(service: Service, name: str) -> dict[str, Any]:
    """A pipeline by its name or ARN.

    Raises:
        ApiError: ResourceNotFound, there is none.
    """
    found = pipelines_of(service).get(name.rpartition("/")[2])
    if found is None and name.startswith("arn:"):
        lower = name.rpartition("/")[2]
        found = next((item for key, item in pipelines_of(service).all().items() if key.lower() == lower), None)
    if found is None:
        raise ApiError("ResourceNotFound", f"Pipeline '{name}' does not exist.")
    return found


def executions_of(service: Service, name: str) -> list[PipelineExecution]:
    """The executions of a pipeline, the oldest first."""
    return [job for job in service.jobs.all(PipelineExecution) if job.request["PipelineName"] == name]


def arn_of(service: Service, name: str) -> str:
    """A pipeline's ARN."""
    return service.arn(f"pipeline/{name.lower()}")
