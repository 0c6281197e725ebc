"""The operations on AutoML jobs of version 2."""

from __future__ import annotations

from typing import Any

from intermodal.aws.automl import OBJECTIVES
from intermodal.runtime.sagemaker_local.answers import page, present, select
from intermodal.runtime.sagemaker_local.automl_job import TABULAR, TEXT, AutoMLJob
from intermodal.runtime.sagemaker_local.operations import ApiError, operation
from intermodal.runtime.sagemaker_local.service import Service

_LISTED = 10
_ECHOED = (
    "AutoMLJobInputDataConfig", "OutputDataConfig", "RoleArn", "AutoMLJobObjective", "AutoMLProblemTypeConfig",
    "ModelDeployConfig", "DataSplitConfig", "SecurityConfig", "AutoMLComputeConfig",
)  # fmt: skip
_PROBLEMS = {TABULAR: "Tabular", TEXT: "TextClassification"}


@operation("CreateAutoMLJobV2")
def create_automl_job(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Start an AutoML job."""
    _check(request)
    return {"AutoMLJobArn": service.jobs.add(AutoMLJob, request["AutoMLJobName"], request).arn}


@operation("DescribeAutoMLJobV2")
def describe_automl_job(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Everything about an AutoML job."""
    return service.jobs.get(AutoMLJob, request["AutoMLJobName"]).describe()


@operation("StopAutoMLJob")
def stop_automl_job(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Stop an AutoML job."""
    job = service.jobs.get(AutoMLJob, request["AutoMLJobName"])
    if job.ended:
        raise ApiError("ValidationException", f"The AutoML job is in status {job.status} and cannot be stopped.")
    job.stop()
    return {}


@operation("ListAutoMLJobs")
def list_automl_jobs(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """AutoML jobs, as summaries."""
    members = (
        "AutoMLJobName", "AutoMLJobArn", "AutoMLJobStatus", "AutoMLJobSecondaryStatus", "CreationTime", "EndTime",
        "LastModifiedTime", "FailureReason",
    )  # fmt: skip
    told = [describe_automl(job) for job in service.jobs.all(AutoMLJob)]
    summaries = [{name: item[name] for name in members if name in item} for item in told]
    kept = select(summaries, request, "AutoMLJobName", "AutoMLJobStatus")
    return page(kept, request, "AutoMLJobSummaries", _LISTED)


@operation("ListCandidatesForAutoMLJob")
def list_candidates(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """The candidates of an AutoML job."""
    found = service.jobs.get(AutoMLJob, request["AutoMLJobName"]).candidates()
    wanted = request.get("CandidateNameEquals")
    found = [item for item in found if wanted in (None, item["CandidateName"])]
    if request.get("SortBy") == "FinalObjectiveMetricValue":
        status = request.get("StatusEquals")
        kept = [item for item in found if status in (None, item["CandidateStatus"])]
        kept.sort(key=_value, reverse=request.get("SortOrder") == "Descending")
    else:
        kept = select(found, request, "CandidateName", "CandidateStatus", order="Ascending")
    return page(kept, request, "Candidates", _LISTED)


def describe_automl(job: AutoMLJob) -> dict[str, Any]:
    """The answer of DescribeAutoMLJobV2.

    Args:
        job: The job.
    """
    record, best = job.record, job.best()
    return present(
        {
            **{name: record.request[name] for name in _ECHOED if name in record.request},
            "AutoMLJobName": record.name,
            "AutoMLJobArn": record.arn,
            "AutoMLProblemTypeConfigName": _PROBLEMS[job.problem],
            "CreationTime": record.created,
            "EndTime": record.ended or None,
            "LastModifiedTime": record.modified or record.created,
            "FailureReason": record.failure,
            "BestCandidate": best,
            "AutoMLJobStatus": record.status,
            "AutoMLJobSecondaryStatus": record.secondary or "Starting",
            **record.facts,
        }
    )


def _value(candidate: dict[str, Any]) -> float:
    return float(candidate["FinalAutoMLJobObjectiveMetric"]["Value"])


def _check(request: dict[str, Any]) -> None:
    """What AWS refuses though its model allows it, and what runs here."""
    given = list(request["AutoMLProblemTypeConfig"])
    if len(given) != 1 or given[0] not in _PROBLEMS:
        raise ApiError("ValidationException", f"Here run {' and '.join(_PROBLEMS)}; the request has {', '.join(given)}")
    settings = request["AutoMLProblemTypeConfig"][given[0]]
    objective = request.get("AutoMLJobObjective", {}).get("MetricName")
    channels = [item.get("ChannelType", "training") for item in request["AutoMLJobInputDataConfig"]]
    most = settings.get("CompletionCriteria", {}).get("MaxCandidates", 1)
    wrong = {
        "ProblemType and AutoMLJobObjective must be given together": bool(settings.get("ProblemType"))
        != bool(objective)
        and given[0] == TABULAR,
        "MaxCandidates must be 1 for text classification": given[0] == TEXT and most != 1,
        f"Here an objective is one of {', '.join(OBJECTIVES.values())}": objective not in (None, *OBJECTIVES.values()),
        "Here a regression does not run": settings.get("ProblemType") == "Regression",
        "A training channel is needed, and no channel twice": sorted(set(channels)) != sorted(channels)
        or "training" not in channels,
    }
    for message, holds in wrong.items():
        if holds:
            raise ApiError("ValidationException", message)
