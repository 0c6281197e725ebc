"""The operations on tuning jobs."""

from __future__ import annotations

from collections import Counter
from typing import Any

from intermodal.runtime.sagemaker_local.answers import page, present, select
from intermodal.runtime.sagemaker_local.operations import ApiError, operation
from intermodal.runtime.sagemaker_local.service import Service
from intermodal.runtime.sagemaker_local.training_job import TrainingJob
from intermodal.runtime.sagemaker_local.tuning_job import TuningJob, read_ranges

_LISTED = 10
_COUNTED = {"Completed": "Completed", "InProgress": "InProgress", "Stopping": "InProgress", "Stopped": "Stopped"}
_ECHOED = (
    "HyperParameterTuningJobConfig", "TrainingJobDefinition", "TrainingJobDefinitions", "WarmStartConfig", "Autotune",
)  # fmt: skip


@operation("CreateHyperParameterTuningJob")
def create_tuning(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Start a tuning job."""
    _check(service, request)
    job = service.jobs.add(TuningJob, request["HyperParameterTuningJobName"], request)
    return {"HyperParameterTuningJobArn": job.arn}


@operation("DescribeHyperParameterTuningJob")
def describe_tuning_job(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Everything about a tuning job."""
    return _job(service, request).describe()


@operation("StopHyperParameterTuningJob")
def stop_tuning_job(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Stop a tuning job, and with it its training jobs."""
    job = _job(service, request)
    if job.ended:
        raise ApiError("ValidationException", f"The tuning job is in status {job.status} and cannot be stopped.")
    job.stop()
    return {}


@operation("DeleteHyperParameterTuningJob")
def delete_tuning_job(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Forget a tuning job that has ended; its training jobs stay."""
    job = _job(service, request)
    if not job.ended:
        raise ApiError("ValidationException", f"The tuning job is in status {job.status} and cannot be deleted.")
    service.jobs.remove(TuningJob, job.name)
    return {}


@operation("ListHyperParameterTuningJobs")
def list_tuning_jobs(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Tuning jobs, as summaries."""
    members = (
        "HyperParameterTuningJobName", "HyperParameterTuningJobArn", "HyperParameterTuningJobStatus", "CreationTime",
        "HyperParameterTuningEndTime", "LastModifiedTime", "TrainingJobStatusCounters", "ObjectiveStatusCounters",
    )  # fmt: skip
    summaries = []
    for job in service.jobs.all(TuningJob):
        told = describe_tuning(job)
        config = told["HyperParameterTuningJobConfig"]
        own = {"Strategy": config["Strategy"], "ResourceLimits": config["ResourceLimits"]}
        summaries.append({**{name: told[name] for name in members if name in told}, **own})
    kept = select(summaries, request, "HyperParameterTuningJobName", "HyperParameterTuningJobStatus")
    return page(kept, request, "HyperParameterTuningJobSummaries", _LISTED)


@operation("ListTrainingJobsForHyperParameterTuningJob")
def list_children(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """The training jobs of a tuning job."""
    job = _job(service, request)
    summaries = [job.summary_of(child) for child in job.children()]
    if request.get("SortBy") == "FinalObjectiveMetricValue":
        down = request.get("SortOrder", "Ascending") == "Descending"
        kept = [item for item in summaries if item["TrainingJobStatus"] == request.get("StatusEquals", "")]
        kept = sorted(kept if "StatusEquals" in request else summaries, key=_value, reverse=down)
    else:
        kept = select(summaries, request, "TrainingJobName", "TrainingJobStatus", order="Ascending")
    return page(kept, request, "TrainingJobSummaries", _LISTED)


def describe_tuning(job: TuningJob) -> dict[str, Any]:
    """The answer of DescribeHyperParameterTuningJob.

    Args:
        job: The tuning job.
    """
    children, best, record = job.children(), job.best(), job.record
    return present(
        {
            **{name: record.request[name] for name in _ECHOED if name in record.request},
            "HyperParameterTuningJobName": record.name,
            "HyperParameterTuningJobArn": record.arn,
            "HyperParameterTuningJobStatus": record.status,
            "CreationTime": record.created,
            "HyperParameterTuningEndTime": record.ended or None,
            "LastModifiedTime": record.modified,
            "BestTrainingJob": job.summary_of(best) if best else None,
            "FailureReason": record.failure,
            "ConsumedResources": {"RuntimeInSeconds": round(sum(_seconds(child) for child in children))},
        }
    ) | {"TrainingJobStatusCounters": _statuses(children), "ObjectiveStatusCounters": _objectives(job, children)}


def _job(service: Service, request: dict[str, Any]) -> TuningJob:
    return service.jobs.get(TuningJob, request["HyperParameterTuningJobName"])


def _statuses(children: list[TrainingJob]) -> dict[str, int]:
    counted = Counter(_COUNTED.get(child.status, "NonRetryableError") for child in children)
    names = ("Completed", "InProgress", "RetryableError", "NonRetryableError", "Stopped")
    return {name: counted[name] for name in names}


def _objectives(job: TuningJob, children: list[TrainingJob]) -> dict[str, int]:
    counted = Counter(job.summary_of(child)["ObjectiveStatus"] for child in children)
    return {name: counted[name] for name in ("Succeeded", "Pending", "Failed")}


def _seconds(child: TrainingJob) -> float:
    record = child.record
    return (record.ended or record.modified) - record.started if record.started else 0.0


def _value(summary: dict[str, Any]) -> tuple[bool, float]:
    metric = summary.get("FinalHyperParameterTuningJobObjectiveMetric")
    return metric is not None, metric["Value"] if metric else 0.0


def _check(service: Service, request: dict[str, Any]) -> None:
    """What AWS refuses though its model allows it."""
    config, definition = request["HyperParameterTuningJobConfig"], request.get("TrainingJobDefinition")
    if definition is None:
        what = "TrainingJobDefinitions" if "TrainingJobDefinitions" in request else "no TrainingJobDefinition"
        raise ApiError("ValidationException", f"A TrainingJobDefinition is needed here; the request has {what}")
    spec, limits = definition["AlgorithmSpecification"], config["ResourceLimits"]
    service.executor.require(spec.get("TrainingImage", ""))
    goal = (config.get("HyperParameterTuningJobObjective") or {}).get("MetricName", "")
    printed = {item["Name"] for item in spec.get("MetricDefinitions", [])}
    ranges = config.get("ParameterRanges") or definition.get("HyperParameterRanges") or {}
    space = read_ranges(ranges)
    both = {item.name for item in space} & set(definition.get("StaticHyperParameters", {}))
    most = limits.get("MaxNumberOfTrainingJobs")
    numbers = [item for item in space if item.kind != "categorical"]
    grid, stops = config["Strategy"] == "Grid", config.get("TrainingJobEarlyStoppingType") == "Auto"
    wrong = {
        f"The objective metric {goal} is not among the metric definitions": goal not in printed,
        "At least one parameter range must be given": not space,
        f"Hyperparameters are both static and tuned: {', '.join(sorted(both))}": bool(both),
        "MaxParallelTrainingJobs must not be greater than MaxNumberOfTrainingJobs": most is not None
        and limits["MaxParallelTrainingJobs"] > most,
        "MaxNumberOfTrainingJobs must be specified": most is None and not grid,
        "Grid search takes categorical ranges only": grid and bool(numbers),
        "Hyperband stops early by itself: TrainingJobEarlyStoppingType must be Off": stops
        and config["Strategy"] == "Hyperband",
        "MinValue must not be greater than MaxValue": any(item.low > item.high for item in numbers),
    }
    for message, holds in wrong.items():
        if holds:
            raise ApiError("ValidationException", message)
    for parent in request.get("WarmStartConfig", {}).get("ParentHyperParameterTuningJobs", []):
        if not service.jobs.get(TuningJob, parent["HyperParameterTuningJobName"]).ended:
            raise ApiError("ValidationException", "A parent tuning job must be in a terminal state")
