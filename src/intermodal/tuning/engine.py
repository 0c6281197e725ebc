"""Where a tuning is done: on this machine, or by SageMaker; the same outputs either way."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intermodal.core.tuning_plan import TuningPlan
from intermodal.tuning.local import LocalTuning
from intermodal.tuning.records import TrialRecord, best_of
from intermodal.tuning.search import Earlier


@dataclass(frozen=True)
class Tuned:
    """What came of a tuning.

    Attributes:
        trials: All trials, by number.
        best: The best of them.
        metadata: What its model says of itself.
        facts: What differs from run to run: seconds, names of jobs.
    """

    trials: list[TrialRecord]
    best: TrialRecord
    metadata: dict[str, Any]
    facts: dict[str, Any]


@dataclass(frozen=True)
class Given:
    """What a tuning works on.

    Attributes:
        features: The features' directory.
        metadata: Their metadata.
        earlier: The content of `trials.json` of an earlier tuning; empty without one.
        earlier_job: The tuning job on SageMaker that made it; empty when none did.
    """

    features: Path
    metadata: dict[str, Any]
    earlier: dict[str, Any]
    earlier_job: str = ""


def tune_locally(plan: TuningPlan, given: Given, model: Path, folder: Path) -> Tuned:
    """Tune on this machine.

    Args:
        plan: What to do.
        given: What to work on.
        model: Where the best model comes to lie.
        folder: Where trials work.

    Returns:
        What came of it.

    Raises:
        StepFailed: No trial came to a good end.
    """
    tuning = LocalTuning(plan, given.features, given.metadata, folder)
    if given.earlier:
        taken = tuning.learn(earlier_trials(plan, given.earlier))
        print(f"{taken} trials of an earlier tuning are known", flush=True)
    trials = tuning.run()
    best = best_of(plan, trials)
    metadata = tuning.metadata_of(best)
    shutil.copytree(tuning.model_of(best), model, dirs_exist_ok=True)
    return Tuned(trials, best, metadata, {"seconds": [trial.seconds for trial in trials]})


def earlier_trials(plan: TuningPlan, earlier: Mapping[str, Any]) -> list[Earlier]:
    """The finished trials of an earlier tuning by the same metric; another metric teaches nothing."""
    if earlier.get("metric") != plan.metric:
        return []
    return [
        Earlier(item["parameters"], float(item["objective"]))
        for item in earlier["trials"]
        if item["state"] == "COMPLETED" and item["objective"] is not None
    ]
