"""What a HyperParameterTuningJob tells while it runs, and leaves: its training jobs, the best one's model."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intermodal.aws.calls import Calls
from intermodal.aws.job_kinds import TRAINING, TUNING
from intermodal.aws.objects import download_file
from intermodal.aws.settings import SageMakerSettings
from intermodal.core.events import log_progress
from intermodal.core.search_space import Range
from intermodal.core.step import StepSpec
from intermodal.core.tuning_plan import TuningPlan
from intermodal.core.values import from_text
from intermodal.errors import ArtifactCorrupt, StepFailed

STATES = {"Completed": "COMPLETED", "Stopped": "STOPPED"}
_COUNTED = ("Completed", "Stopped", "NonRetryableError")


@dataclass(frozen=True)
class ChildJob:
    """One training job of a tuning.

    Attributes:
        name: Its name.
        status: Completed, Failed, Stopped, …
        parameters: What was tried, as the step's parameters.
        objective: The objective's value; None when it gave none.
        reason: Why it failed.
        seconds: How long it trained.
    """

    name: str
    status: str
    parameters: dict[str, Any]
    objective: float | None
    reason: str
    seconds: float


class TuningProgress:
    """Says how far a tuning job is, whenever that changes.

    Args:
        wanted: How many training jobs there will be.
        metric: The objective.
    """

    def __init__(self, wanted: int, metric: str) -> None:
        self._wanted, self._metric, self._told = wanted, metric, ""

    def __call__(self, description: Mapping[str, Any]) -> None:
        """Take a description."""
        counters = description.get("TrainingJobStatusCounters", {})
        done = sum(counters.get(name, 0) for name in _COUNTED)
        parts = [f"{value} {name}" for name, value in counters.items() if value]
        best = description.get("BestTrainingJob") or {}
        value = (best.get("FinalHyperParameterTuningJobObjectiveMetric") or {}).get("Value")
        text = f"{TUNING.status(dict(description))}: {', '.join(parts) or 'nothing yet'}"
        text += "" if value is None else f"; best {self._metric} {value:.6g} by {best['TrainingJobName']}"
        if text != self._told:
            self._told = text
            print(text, flush=True)
            log_progress(done, self._wanted, "trials")


def child_jobs(calls: Calls, name: str, tuning: TuningPlan) -> list[ChildJob]:
    """All training jobs of a tuning, the oldest first, page after page.

    Args:
        calls: SageMaker.
        name: The tuning job.
        tuning: What it was asked.

    Raises:
        RuntimeFailed: AWS refused, or did not answer.
    """
    request = {**TUNING.named(name), "SortBy": "CreationTime", "SortOrder": "Ascending", "MaxResults": 100}
    pages = calls.pages("ListTrainingJobsForHyperParameterTuningJob", "TrainingJobSummaries", **request)
    return [_child(item, tuning) for item in pages]


def fetch_model(calls: Calls, job: str, target: Path) -> str:
    """Bring the model of a training job, byte for byte as it was made.

    Args:
        calls: SageMaker.
        job: The training job.
        target: The model's directory; made.

    Returns:
        The job's `S3OutputPath` folder, where its other outputs lie.

    Raises:
        StepFailed: The job left no model.
        ArtifactCorrupt: What it left is no archive of one.
        RuntimeFailed: AWS refused, or did not answer.
    """
    described = calls(TRAINING.describe, **TRAINING.named(job))
    uri = (described.get("ModelArtifacts") or {}).get("S3ModelArtifacts", "")
    if not uri:
        raise StepFailed(f"the training job {job} left no model", seen=described.get("TrainingJobStatus", ""))
    unpack(uri, target, calls.settings)
    return str(uri).rpartition("/")[0]


def unpack(uri: str, target: Path, settings: SageMakerSettings) -> None:
    """Download a .tar.gz and unpack it; members that would leave the folder are refused.

    Raises:
        ArtifactCorrupt: It is no such archive.
        RuntimeFailed: S3 refused it, or did not answer.
    """
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "archive.tar.gz"
        download_file(uri, path, settings)
        try:
            with tarfile.open(path) as archive:
                archive.extractall(target, filter="data")
        except (tarfile.TarError, EOFError, OSError) as error:
            raise ArtifactCorrupt("this is no archive of a model", seen=f"{uri}: {error}") from error


def tuned_values(spec: StepSpec, space: tuple[Range, ...], texts: Mapping[str, str]) -> dict[str, Any]:
    """Tuned hyperparameters, which are text, as the step's parameters; SageMaker may quote a text.

    Args:
        spec: The training step.
        space: What was varied.
        texts: `TunedHyperParameters`.
    """
    found = {}
    for item in space:
        if item.name in texts:
            kind, text = spec.parameter(item.name).type, texts[item.name]
            quoted = kind is str and len(text) > 1 and text[0] == text[-1] == '"'
            found[item.name] = text[1:-1] if quoted else from_text(item.name, kind, _number(text, kind))
    return found


def _child(summary: Mapping[str, Any], tuning: TuningPlan) -> ChildJob:
    metric = summary.get("FinalHyperParameterTuningJobObjectiveMetric") or {}
    began, ended = summary.get("TrainingStartTime"), summary.get("TrainingEndTime")
    return ChildJob(
        name=summary["TrainingJobName"],
        status=summary["TrainingJobStatus"],
        parameters=tuned_values(tuning.spec, tuning.space, summary.get("TunedHyperParameters", {})),
        objective=float(metric["Value"]) if "Value" in metric else None,
        reason=str(summary.get("FailureReason", "")),
        seconds=(ended - began).total_seconds() if began and ended else 0.0,
    )


def _number(text: str, kind: type) -> str:
    """A whole number may come as "3.0"."""
    return str(int(float(text))) if kind is int else text
