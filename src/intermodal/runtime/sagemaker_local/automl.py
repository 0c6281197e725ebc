"""The operations on AutoML jobs of version 2."""

from __future__ import annotations

from typing import Any

from intermodal.aws.automl import OBJECTIVES
from intermodal.runtime.sagemaker_local.answers import page, present, refuse_if, select
from intermodal.runtime.sagemaker_local.automl_job import TABULAR, TEXT, AutoMLJob
from intermodal.runtime.sagemaker_local.job_operations import JobOperations
from intermodal.runtime.sagemaker_local.operations import ApiError, operation
from intermodal.runtime.sagemaker_local.service import Service

_LISTED = 10
_SUMMARY = (
    "AutoMLJobName", "AutoMLJobArn", "AutoMLJobStatus", "AutoMLJobSecondaryStatus", "CreationTime", "EndTime",
    "LastModifiedTime", "FailureReason",
)  # fmt: skip
_ECHOED = (
    "AutoMLJobInputDataConfig", "OutputDataConfig", "RoleArn", "AutoMLJobObjective", "AutoMLProblemTypeConfig",
    "ModelDeployConfig", "DataSplitConfig", "SecurityConfig", "AutoMLComputeConfig",
)  # fmt: skip
_PROBLEMS = {TABULAR: "Tabular", TEXT: "TextClassification"}


@operation("ListCandidatesForAutoMLJob")
def list_candidates(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """The candidates of an AutoML job."""
    found = _JOBS.find(service, request).candidates()
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


def _summary(job: AutoMLJob) -> dict[str, Any]:
    told = describe_automl(job)
    return {name: told[name] for name in _SUMMARY if name in told}


def _value(candidate: dict[str, Any]) -> float:
    return float(candidate["FinalAutoMLJobObjectiveMetric"]["Value"])


def _check(_service: Service, request: dict[str, Any]) -> None:
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
    refuse_if(wrong)


_JOBS = JobOperations(
    AutoMLJob,
    _check,
    _summary,
    ended="The AutoML job is in status {status} and cannot be stopped.",
    version="V2",
)
_JOBS.register("Delete")
