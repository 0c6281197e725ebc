"""The operations on tuning jobs."""

from __future__ import annotations

from collections import Counter
from typing import Any

from intermodal.runtime.sagemaker_local.answers import page, present, refuse_if, select
from intermodal.runtime.sagemaker_local.job_operations import JobOperations
from intermodal.runtime.sagemaker_local.operations import ApiError, operation
from intermodal.runtime.sagemaker_local.service import Service
from intermodal.runtime.sagemaker_local.training_job import TrainingJob
from intermodal.runtime.sagemaker_local.tuning_job import TuningJob, read_ranges

_LISTED = 10
_SUMMARY = (
    "HyperParameterTuningJobName", "HyperParameterTuningJobArn", "HyperParameterTuningJobStatus", "CreationTime",
    "HyperParameterTuningEndTime", "LastModifiedTime", "TrainingJobStatusCounters", "ObjectiveStatusCounters",
)  # fmt: skip
_COUNTED = {"Completed": "Completed", "InProgress": "InProgress", "Stopping": "InProgress", "Stopped": "Stopped"}
_ECHOED = (
    "HyperParameterTuningJobConfig", "TrainingJobDefinition", "TrainingJobDefinitions", "WarmStartConfig", "Autotune",
)  # fmt: skip


@operation("ListTrainingJobsForHyperParameterTuningJob")
def list_children(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """The training jobs of a tuning job."""
    job = _JOBS.find(service, request)
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


def _summary(job: TuningJob) -> dict[str, Any]:
    told = describe_tuning(job)
    config = told["HyperParameterTuningJobConfig"]
    own = {"Strategy": config["Strategy"], "ResourceLimits": config["ResourceLimits"]}
    return {**{name: told[name] for name in _SUMMARY if name in told}, **own}


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
    refuse_if(wrong)
    for parent in request.get("WarmStartConfig", {}).get("ParentHyperParameterTuningJobs", []):
        if not service.jobs.get(TuningJob, parent["HyperParameterTuningJobName"]).ended:
            raise ApiError("ValidationException", "A parent tuning job must be in a terminal state")


_JOBS = JobOperations(
    TuningJob,
    _check,
    _summary,
    ended="The tuning job is in status {status} and cannot be stopped.",
    running="The tuning job is in status {status} and cannot be deleted.",
    running_code="ValidationException",
)
_JOBS.register()
