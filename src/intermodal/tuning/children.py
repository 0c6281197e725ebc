"""The trials of a tuning as runs in MLflow, nested under the run of the tuning's task."""

from __future__ import annotations

from collections.abc import Sequence

from intermodal.core.tuning_plan import TuningPlan
from intermodal.tracking.children import FAILED, FINISHED, KILLED, Child, record_children
from intermodal.tuning.records import COMPLETED, STOPPED, TrialRecord

_STATES = {COMPLETED: FINISHED, STOPPED: KILLED}


def tell_mlflow(plan: TuningPlan, trials: Sequence[TrialRecord]) -> int:
    """Record every trial: parameters, objective, metrics, true state.

    Args:
        plan: The tuning.
        trials: Its trials.

    Returns:
        How many were recorded; none without a run in MLflow.
    """
    return record_children([_child(plan, trial) for trial in trials])


def _child(plan: TuningPlan, trial: TrialRecord) -> Child:
    objective = {} if trial.objective is None else {plan.metric: trial.objective}
    tags = {
        "intermodal.trial": str(trial.number),
        "intermodal.state": trial.state,
        **({"intermodal.job": trial.name} if trial.name else {}),
        **({"intermodal.error": trial.reason} if trial.reason else {}),
    }
    return Child(
        name=trial.name or f"trial-{trial.number:04}",
        parameters={**plan.fixed, **trial.parameters},
        metrics={**trial.metrics, **objective},
        state=_STATES.get(trial.state, FAILED),
        tags=tags,
        seconds=trial.seconds,
    )
