"""A tuning done by SageMaker: features brought to S3, the tuning job followed, the best model brought back."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from intermodal.aws.calls import Calls
from intermodal.aws.job_kinds import STOPPED, TUNING
from intermodal.aws.objects import is_there
from intermodal.aws.service_job import ServiceJob
from intermodal.aws.surroundings import current_plan
from intermodal.aws.tuning import FEATURES, render
from intermodal.aws.tuning_job import STATES, ChildJob, TuningProgress, child_jobs, fetch_model, unpack
from intermodal.core.manifest import MANIFEST_NAME, Manifest, Origin, describe_files
from intermodal.core.registry import load_spec
from intermodal.core.tuning_plan import TuningPlan, read_tuning_plan
from intermodal.errors import IntermodalError
from intermodal.store.locate import open_store
from intermodal.store.ownership import ownership_of
from intermodal.tuning.children import tell_mlflow
from intermodal.tuning.engine import Given, Tuned
from intermodal.tuning.records import FAILED, TrialRecord, best_of

_SHIPPED = "artifacts/shipped"


def tune_on_sagemaker(parameters: dict[str, Any], given: Given, model: Path, folder: Path) -> Tuned:
    """Tune by a HyperParameterTuningJob.

    Args:
        parameters: The parameters of the step `tune`.
        given: What to work on.
        model: Where the best model comes to lie.
        folder: A folder for files that come and go.

    Returns:
        What came of it.

    Raises:
        UsageError: A parameter or a setting cannot be sent to SageMaker.
        RuntimeFailed: AWS refused, or did not answer.
        StepFailed: The tuning job, or every one of its training jobs, failed.
        StoreFailed: Whose the job is could not be read or noted.
        Interrupted: We were told to stop; so was the tuning job, with its training jobs, unless it is another run's.
    """
    known = [*parameters["warm_start"], *([given.earlier_job] if given.earlier_job else [])]
    complete = {**parameters, "warm_start": list(dict.fromkeys(known))}
    tuning = read_tuning_plan(complete)
    plan = current_plan(load_spec("tune"), complete, {FEATURES: ("s3://unknown/features",)})
    plan = replace(plan, inputs={FEATURES: (ship_features(given, plan.place.store, folder),)})
    calls = Calls("sagemaker", plan.settings)
    job = ServiceJob(
        calls,
        TUNING,
        lambda attempt: render(replace(plan, attempt=attempt))[0],
        plan.place.region,
        ownership_of(plan),
        lambda description: is_time_over(tuning, description),
    )
    try:
        described = job.run(TuningProgress(tuning.trials, tuning.metric))
    except BaseException:
        _tell_of_remains(calls.ending(), job.name, tuning)
        raise
    children = child_jobs(calls, job.name, tuning)
    trials = [_record(number, child) for number, child in enumerate(children)]
    best = _best(tuning, trials, described)
    facts = {
        "tuning_job": job.name,
        "jobs": [child.name for child in children],
        "seconds": [child.seconds for child in children],
    }
    told = _collect(calls, best, model, folder)
    best = replace(best, metrics=told["metrics"])
    trials = [best if trial.number == best.number else trial for trial in trials]
    return Tuned(trials, best, told["model"], facts)


def ship_features(given: Given, store: str, folder: Path) -> str:
    """Bring features to where training jobs read them: once, by content, with a manifest that says what they are.

    Args:
        given: What to work on.
        store: Root of the jobs' store, s3://….
        folder: A folder for files that come and go.

    Returns:
        Their URI; the same content always has the same.

    Raises:
        StoreFailed: The store did not answer.
    """
    layout, files = describe_files(given.features)
    metadata = dict(given.metadata)
    splits = metadata.pop("splits", None) or {}
    manifest = Manifest("system.Dataset", layout, files, Origin("tune"), splits=splits, metadata=metadata)
    key = f"{_SHIPPED}/{manifest.digest}"
    target = open_store(store)
    if target.read(f"{key}/{MANIFEST_NAME}") is None:
        staging = folder / "features"
        for item in files:
            link = staging / item.path
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to((given.features / item.path).resolve())
        (staging / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")
        target.publish(staging, key, MANIFEST_NAME)
    return target.uri(key)


def is_time_over(tuning: TuningPlan, description: dict[str, Any]) -> bool:
    """Whether a tuning job was stopped because its time was over, with something to show for it.

    Args:
        tuning: What was asked.
        description: The job, at its end.
    """
    began, ended = description.get("CreationTime"), description.get("HyperParameterTuningEndTime")
    took = (ended - began).total_seconds() if began and ended else 0.0
    over = bool(tuning.max_seconds) and took >= tuning.max_seconds
    return over and TUNING.status(description) == STOPPED and bool(description.get("BestTrainingJob"))


def _tell_of_remains(calls: Calls, name: str, tuning: TuningPlan) -> None:
    """Record in MLflow what the training jobs of a tuning came to that was stopped, or failed."""
    with contextlib.suppress(IntermodalError):
        children = child_jobs(calls, name, tuning) if name else []
        tell_mlflow(tuning, [_record(number, child) for number, child in enumerate(children)])


def _record(number: int, child: ChildJob) -> TrialRecord:
    state = STATES.get(child.status, FAILED)
    return TrialRecord(
        number, child.parameters, state, child.objective, {}, child.reason, round(child.seconds, 3), child.name
    )


def _best(tuning: TuningPlan, trials: list[TrialRecord], described: dict[str, Any]) -> TrialRecord:
    """The best by SageMaker's own word, else by ours."""
    named = (described.get("BestTrainingJob") or {}).get("TrainingJobName", "")
    return next((trial for trial in trials if trial.name == named), None) or best_of(tuning, trials)


def _collect(calls: Calls, best: TrialRecord, model: Path, folder: Path) -> dict[str, Any]:
    """Bring the best model, and what its training said of it."""
    place = fetch_model(calls, best.name, model)
    told: dict[str, Any] = {"model": {}, "metrics": {}}
    if is_there(f"{place}/output.tar.gz", calls.settings):
        unpack(f"{place}/output.tar.gz", folder / "output", calls.settings)
        path = folder / "output" / "metadata.json"
        path = path if path.is_file() else folder / "output" / "data" / "metadata.json"
        if path.is_file() and not os.path.islink(path):
            told |= json.loads(path.read_text(encoding="utf-8"))
    return told
