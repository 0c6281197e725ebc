"""The operations on processing jobs."""

from __future__ import annotations

from typing import Any

from intermodal.runtime.sagemaker_local.answers import page, present, select
from intermodal.runtime.sagemaker_local.jobs import JobRecord
from intermodal.runtime.sagemaker_local.operations import ApiError, operation
from intermodal.runtime.sagemaker_local.processing_job import ProcessingJob
from intermodal.runtime.sagemaker_local.service import Service


@operation("CreateProcessingJob")
def create_processing_job(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Start a processing job."""
    service.executor.require(request["AppSpecification"]["ImageUri"])
    job = service.jobs.add(ProcessingJob, request["ProcessingJobName"], request)
    return {"ProcessingJobArn": job.arn}


@operation("DescribeProcessingJob")
def describe_processing_job(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Everything about a processing job."""
    return service.jobs.get(ProcessingJob, request["ProcessingJobName"]).describe()


@operation("StopProcessingJob")
def stop_processing_job(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Ask a processing job to stop."""
    job = service.jobs.get(ProcessingJob, request["ProcessingJobName"])
    if job.ended:
        text = f"The request was rejected because the processing job is in status {job.status}."
        raise ApiError("ValidationException", text)
    job.stop()
    return {}


@operation("DeleteProcessingJob")
def delete_processing_job(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Forget a processing job that has ended."""
    job = service.jobs.get(ProcessingJob, request["ProcessingJobName"])
    if not job.ended:
        raise ApiError("ResourceInUse", f"Processing job {job.name} is in status {job.status} and cannot be deleted.")
    service.jobs.remove(ProcessingJob, job.name)
    return {}


@operation("ListProcessingJobs")
def list_processing_jobs(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Processing jobs, as summaries."""
    summaries = [_summary(job.record) for job in service.jobs.all(ProcessingJob)]
    found = select(summaries, request, "ProcessingJobName", "ProcessingJobStatus")
    return page(found, request, "ProcessingJobSummaries", 10)


def _summary(record: JobRecord) -> dict[str, Any]:
    return present(
        {
            "ProcessingJobName": record.name,
            "ProcessingJobArn": record.arn,
            "CreationTime": record.created,
            "ProcessingEndTime": record.ended or None,
            "LastModifiedTime": record.modified,
            "ProcessingJobStatus": record.status,
            "FailureReason": record.failure,
            "ExitMessage": record.facts.get("ExitMessage"),
        }
    )
