"""What a tuning leaves: its trials as values, as `trials.parquet` and `trials.json`, and the best of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from intermodal.core.tuning_plan import TuningPlan
from intermodal.errors import ArtifactCorrupt, StepFailed

COMPLETED, STOPPED, FAILED = "COMPLETED", "STOPPED", "FAILED"
TABLE, DOCUMENT = "trials.parquet", "trials.json"


@dataclass(frozen=True)
class TrialRecord:
    """One trial.

    Attributes:
        number: From 0.
        parameters: The values of what was varied.
        state: COMPLETED, STOPPED (early, since it fell behind) or FAILED.
        objective: The metric that counts; None when it failed before it was known.
        metrics: All metrics of the step.
        reason: Why it failed or was stopped.
        seconds: How long it took; not part of what is written, since it differs from run to run.
        name: Name of its job on SageMaker; empty elsewhere, and not written either.
    """

    number: int
    parameters: dict[str, Any]
    state: str
    objective: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    reason: str = ""
    seconds: float = 0.0
    name: str = ""

    def to_json(self) -> dict[str, Any]:
        """The trial as it is written."""
        return {
            "number": self.number,
            "parameters": self.parameters,
            "state": self.state,
            "objective": self.objective,
            "metrics": dict(sorted(self.metrics.items())),
            "reason": self.reason,
        }


def best_of(plan: TuningPlan, trials: Sequence[TrialRecord]) -> TrialRecord:
    """The best trial that ran to its end; of equals the first.

    Args:
        plan: What was better.
        trials: All trials.

    Raises:
        StepFailed: None came to a good end.
    """
    best: TrialRecord | None = None
    for trial in trials:
        if trial.state == COMPLETED and plan.better(trial.objective, best.objective if best else None):
            best = trial
    if best is None:
        reasons = list(dict.fromkeys(trial.reason for trial in trials if trial.reason))
        raise StepFailed(
            f"none of {len(trials)} trials of {plan.spec.name} gave {plan.metric}",
            seen="; ".join(reasons)[:600] or "no trial",
            expected=f"the metric {plan.metric} among those that the step logs",
            next_step="try the step alone with these parameters, or name another metric",
        )
    return best


def describe(plan: TuningPlan, trials: Sequence[TrialRecord], best: TrialRecord) -> dict[str, Any]:
    """The content of `trials.json`."""
    return {
        "step": plan.spec.name,
        "metric": plan.metric,
        "direction": plan.direction,
        "strategy": plan.strategy,
        "fixed": plan.fixed,
        "best": best.number,
        "trials": [trial.to_json() for trial in trials],
    }


def write_trials(directory: Path, described: dict[str, Any]) -> None:
    """Write `trials.json` and `trials.parquet`, with a column `parameter.NAME` for everything that was varied.

    Args:
        directory: Made.
        described: From `describe`.
    """
    import pyarrow as pa

    trials = described["trials"]
    columns: dict[str, Any] = {
        "number": pa.array([item["number"] for item in trials], pa.int64()),
        "state": pa.array([item["state"] for item in trials], pa.string()),
        "objective": pa.array([item["objective"] for item in trials], pa.float64()),
        "reason": pa.array([item["reason"] for item in trials], pa.string()),
    }
    for name in sorted({name for item in trials for name in item["parameters"]}):
        columns[f"parameter.{name}"] = _column([item["parameters"].get(name) for item in trials])
    write_results(directory / DOCUMENT, described, directory / TABLE, columns)


def write_results(document: Path, described: dict[str, Any], table: Path, columns: dict[str, Any]) -> None:
    """Write results as JSON and as Parquet, the same bytes for the same results.

    Args:
        document: The JSON file; its folder is made.
        described: Its content.
        table: The Parquet file, in the same folder.
        columns: Column → Arrow array.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    document.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(described, indent=1, sort_keys=True, ensure_ascii=False)
    document.write_text(text + "\n", encoding="utf-8")
    pq.write_table(pa.table(columns), table, compression="zstd")


def read_trials(directory: Path) -> dict[str, Any]:
    """Read `trials.json` of an earlier tuning.

    Raises:
        ArtifactCorrupt: It is not what `write_trials` writes.
    """
    expected = f"{DOCUMENT} as the step tune writes it"
    try:
        found = json.loads((directory / DOCUMENT).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactCorrupt("these are no trials", seen=error, expected=expected) from error
    if not isinstance(found, dict) or not {"metric", "direction", "trials"} <= found.keys():
        raise ArtifactCorrupt("these are no trials", seen=str(found)[:200], expected=expected)
    return found


def _column(values: Sequence[Any]) -> Any:
    """Numbers and truth values as such, all else as text."""
    import pyarrow as pa

    if all(isinstance(item, int | float | bool | None) for item in values):
        if len({type(item) for item in values} - {type(None)}) == 1:
            return pa.array(values)
        if not any(isinstance(item, bool) for item in values):
            return pa.array([None if item is None else float(item) for item in values], pa.float64())
    texts = [item if isinstance(item, str) or item is None else json.dumps(item) for item in values]
    return pa.array(texts, pa.string())
