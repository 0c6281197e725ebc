"""What an AutoML job tells while it runs, and leaves: candidates, two notebooks, the best candidate's containers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intermodal.aws.automl import OBJECTIVES
from intermodal.aws.calls import Calls
from intermodal.aws.job_kinds import AUTOML, FAILED
from intermodal.aws.objects import download_file, is_there
from intermodal.aws.settings import SageMakerSettings

NOTEBOOKS = {
    "DataExplorationNotebookLocation": "data_exploration.ipynb",
    "CandidateDefinitionNotebookLocation": "candidate_definition.ipynb",
}
# What each secondary status means, for people who wait.
STORIES = {
    "Starting": "starting",
    "PreTraining": "making ready to train",
    "AnalyzingData": "looking at the data",
    "FeatureEngineering": "making features",
    "CandidateDefinitionsGenerated": "candidates are defined",
    "ModelTuning": "tuning candidates",
    "TrainingModels": "training candidates",
    "MaxCandidatesReached": "all candidates are done",
    "MaxAutoMLJobRuntimeReached": "the time is over",
    "GeneratingExplainabilityReport": "explaining the best candidate",
    "ExplainabilityError": "the best candidate could not be explained; it is good all the same",
    "GeneratingModelInsightsReport": "judging the best candidate",
    "ModelInsightsError": "the best candidate could not be judged; it is good all the same",
    "DeployingModel": "deploying the best candidate",
    "ModelDeploymentError": "the best candidate could not be deployed",
    "Stopping": "stopping",
    "Stopped": "stopped",
    "Failed": "failed",
    "Completed": "completed",
}


@dataclass(frozen=True)
class AutoCandidate:
    """One candidate of an AutoML job.

    Attributes:
        name: Its name.
        status: Completed, Failed, …
        objective: The objective's value; None when it has none.
        metrics: Our names of metrics → values on the validation rows.
        reason: Why it failed.
        seconds: How long it took.
        containers: Its inference containers, in order: Image, ModelDataUrl, Environment.
    """

    name: str
    status: str
    objective: float | None
    metrics: dict[str, float]
    reason: str
    seconds: float
    containers: tuple[dict[str, Any], ...]


class AutomlProgress:
    """Says in which phase an AutoML job is, whenever that changes."""

    def __init__(self) -> None:
        self._told = ""

    def __call__(self, description: Mapping[str, Any]) -> None:
        """Take a description."""
        secondary = str(description.get("AutoMLJobSecondaryStatus", ""))
        best = description.get("BestCandidate") or {}
        value = (best.get("FinalAutoMLJobObjectiveMetric") or {}).get("Value")
        text = f"{secondary}: {STORIES.get(secondary, 'at work')}"
        text += "" if value is None else f"; best {value:.6g} by {best['CandidateName']}"
        if text != self._told:
            self._told = text
            print(text, flush=True)
            reasons = [item.get("PartialFailureMessage") for item in description.get("PartialFailureReasons") or ()]
            for reason in filter(None, reasons):
                print(f"warning: {reason}", flush=True)


def all_candidates(calls: Calls, name: str) -> list[AutoCandidate]:
    """Every candidate of a job, page after page, in the order of their making.

    Args:
        calls: SageMaker.
        name: The job.

    Raises:
        RuntimeFailed: AWS refused, or did not answer.
    """
    request = {**AUTOML.named(name), "SortBy": "CreationTime", "SortOrder": "Ascending", "MaxResults": 100}
    return [candidate_of(item) for item in calls.pages("ListCandidatesForAutoMLJob", "Candidates", **request)]


def candidate_of(fields: Mapping[str, Any]) -> AutoCandidate:
    """A candidate as SageMaker describes it."""
    ours = {theirs: name for name, theirs in OBJECTIVES.items()} | {"LogLoss": "log_loss"}
    listed = (fields.get("CandidateProperties") or {}).get("CandidateMetrics") or ()
    metrics = {
        ours[item["StandardMetricName"]]: float(item["Value"])
        for item in listed
        if item.get("StandardMetricName") in ours and item.get("Set", "Validation") == "Validation"
    }
    final = fields.get("FinalAutoMLJobObjectiveMetric") or {}
    began, ended = fields.get("CreationTime"), fields.get("EndTime")
    return AutoCandidate(
        name=fields["CandidateName"],
        status=fields.get("CandidateStatus", FAILED),
        objective=float(final["Value"]) if "Value" in final else None,
        metrics=metrics,
        reason=str(fields.get("FailureReason", "")),
        seconds=(ended - began).total_seconds() if began and ended else 0.0,
        containers=tuple(dict(item) for item in fields.get("InferenceContainers") or ()),
    )


def fetch_notebooks(description: Mapping[str, Any], target: Path, settings: SageMakerSettings) -> list[str]:
    """Bring the job's notebooks.

    Args:
        description: The job, at its end.
        target: Folder for them; made.
        settings: `[sagemaker]`.

    Returns:
        Names of the files that were brought; a text job has none.

    Raises:
        RuntimeFailed: S3 refused, or did not answer.
    """
    target.mkdir(parents=True, exist_ok=True)
    places = description.get("AutoMLJobArtifacts") or {}
    found = {name: places[member] for member, name in NOTEBOOKS.items() if places.get(member)}
    for name, uri in found.items():
        if is_there(uri, settings):
            download_file(uri, target / name, settings)
    return sorted(name for name in found if (target / name).is_file())


def fetch_containers(candidate: AutoCandidate, target: Path, settings: SageMakerSettings) -> list[Path]:
    """Bring what the containers of a candidate are given: one archive each.

    Args:
        candidate: The candidate.
        target: Folder for them; made.
        settings: `[sagemaker]`.

    Returns:
        The archives, in the order of the containers.

    Raises:
        RuntimeFailed: S3 refused, or did not answer.
    """
    target.mkdir(parents=True, exist_ok=True)
    paths = [target / f"{number}-model.tar.gz" for number in range(len(candidate.containers))]
    for path, container in zip(paths, candidate.containers, strict=True):
        download_file(container["ModelDataUrl"], path, settings)
    return paths
