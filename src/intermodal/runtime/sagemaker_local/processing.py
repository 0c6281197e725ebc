"""The operations on processing jobs."""

from __future__ import annotations

from typing import Any

from intermodal.runtime.sagemaker_local.answers import present
from intermodal.runtime.sagemaker_local.job_operations import JobOperations
from intermodal.runtime.sagemaker_local.processing_job import ProcessingJob
from intermodal.runtime.sagemaker_local.service import Service


def _check(service: Service, request: dict[str, Any]) -> None:
    service.executor.require(request["AppSpecification"]["ImageUri"])


def _summary(job: ProcessingJob) -> dict[str, Any]:
    record = job.record
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


JobOperations(ProcessingJob, _check, _summary).register()
