"""The operations on training jobs."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from intermodal.runtime.sagemaker_local.answers import now, present, refuse_if
from intermodal.runtime.sagemaker_local.job_operations import JobOperations
from intermodal.runtime.sagemaker_local.jobs import JobRecord
from intermodal.runtime.sagemaker_local.operations import operation
from intermodal.runtime.sagemaker_local.service import Service
from intermodal.runtime.sagemaker_local.training_job import TrainingJob

__all__ = ["TrainingJob", "describe_record"]


@operation("UpdateTrainingJob")
def update_training_job(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Change what may be changed: profiler, and how long the warm pool is kept."""
    job = _JOBS.find(service, request)
    with job.changing() as record:
        keep = request.get("ResourceConfig", {}).get("KeepAlivePeriodInSeconds")
        if keep is not None:
            record.request["ResourceConfig"]["KeepAlivePeriodInSeconds"] = keep
        if "ProfilerConfig" in request:
            changed = {key: value for key, value in request["ProfilerConfig"].items() if key != "DisableProfiler"}
            record.request["ProfilerConfig"] = record.request.get("ProfilerConfig", {}) | changed
    return {"TrainingJobArn": job.arn}


@operation("ListTrainingJobs")
def list_training_jobs(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Training jobs, as summaries."""
    summaries = [_summary(job) for job in service.jobs.all(TrainingJob)]
    wanted = request.get("WarmPoolStatusEquals")
    kept = [item for item in summaries if not wanted or item.get("WarmPoolStatus", {}).get("Status") == wanted]
    return _JOBS.page(kept, request)


def describe_record(service: Service, record: JobRecord) -> dict[str, Any]:
    """The answer of DescribeTrainingJob.

    Args:
        service: The service.
        record: The job's record.
    """
    echoed = {name: value for name, value in record.request.items() if name in _described()}
    return present(
        {
            **dict.fromkeys(_SWITCHES, False),
            **echoed,
            "TrainingJobArn": record.arn,
            "TrainingJobStatus": record.status,
            "SecondaryStatus": record.secondary or "Starting",
            "SecondaryStatusTransitions": record.transitions,
            "CreationTime": record.created,
            "TrainingStartTime": record.started or None,
            "TrainingEndTime": record.ended or None,
            "LastModifiedTime": record.modified,
            "FailureReason": record.failure,
            "WarmPoolStatus": _warm_pool(service, record),
            **record.facts,
        }
    ) | {"EnableNetworkIsolation": bool(record.request.get("EnableNetworkIsolation"))}


_SWITCHES = ("EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining", "EnableNetworkIsolation")


def _summary(job: TrainingJob) -> dict[str, Any]:
    record = job.record
    return present(
        {
            "TrainingJobName": record.name,
            "TrainingJobArn": record.arn,
            "CreationTime": record.created,
            "TrainingEndTime": record.ended or None,
            "LastModifiedTime": record.modified,
            "TrainingJobStatus": record.status,
            "SecondaryStatus": record.secondary,
            "WarmPoolStatus": _warm_pool(job.service, record),
        }
    )


def _warm_pool(service: Service, record: JobRecord) -> dict[str, Any] | None:
    """Whether its instances are kept for a next job of the same shape, and which took them."""
    keep = record.request["ResourceConfig"].get("KeepAlivePeriodInSeconds", 0)
    if not keep:
        return None
    if not record.ended:
        return {"Status": "InUse"}
    later = [job.record for job in service.jobs.all(TrainingJob) if _fits(job.record, record, record.ended + keep)]
    until = min([record.ended + keep, now(), *(item.created for item in later[:1])])
    billed = {"ResourceRetainedBillableTimeInSeconds": max(0, round(until - record.ended))}
    if later:
        return {"Status": "Reused", "ReusedByJob": later[0].name, **billed}
    return {"Status": "Available" if now() < record.ended + keep else "Terminated", **billed}


def _fits(later: JobRecord, record: JobRecord, until: float) -> bool:
    return _pool(later.request) == _pool(record.request) and record.ended <= later.created <= until


def _pool(request: dict[str, Any]) -> list[Any]:
    """What two jobs must have in common for the second to take the first one's instances."""
    machines = {key: value for key, value in request["ResourceConfig"].items() if key != "KeepAlivePeriodInSeconds"}
    switches = [bool(request.get(name)) for name in _SWITCHES]
    return [machines, request["RoleArn"], request.get("VpcConfig"), switches]


@lru_cache(maxsize=1)
def _described() -> frozenset[str]:
    import botocore.session

    model = botocore.session.get_session().get_service_model("sagemaker")
    return frozenset(model.operation_model("DescribeTrainingJob").output_shape.members)


def _check(service: Service, request: dict[str, Any]) -> None:
    """What AWS refuses though its model allows it."""
    spec, limits = request["AlgorithmSpecification"], request["StoppingCondition"]
    runtime, wait = limits.get("MaxRuntimeInSeconds", 86400), limits.get("MaxWaitTimeInSeconds")
    spot, resources = request.get("EnableManagedSpotTraining", False), request["ResourceConfig"]
    names = [channel["ChannelName"] for channel in request.get("InputDataConfig", [])]
    wrong = {
        "You must specify either TrainingImage or AlgorithmName": not spec.get("TrainingImage"),
        "MaxWaitTimeInSeconds above 0 is only valid when EnableManagedSpotTraining is true": wait and not spot,
        "MaxWaitTimeInSeconds must be specified when EnableManagedSpotTraining is true": spot and not wait,
        "MaxWaitTimeInSeconds must be equal to or greater than MaxRuntimeInSeconds": wait and wait < runtime,
        "KeepAlivePeriodInSeconds cannot be used with managed spot training": spot
        and resources.get("KeepAlivePeriodInSeconds"),
        "ChannelName must be unique within a training job": len(names) != len(set(names)),
        "You must specify InstanceType and InstanceCount, or InstanceGroups": not resources.get("InstanceGroups")
        and not (resources.get("InstanceType") and resources.get("InstanceCount")),
    }
    refuse_if(wrong)
    service.executor.require(spec.get("TrainingImage", ""))


_JOBS = JobOperations(TrainingJob, _check, _summary)
_JOBS.register("List")
