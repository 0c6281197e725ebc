"""What Autopilot leaves: its candidates as values, the leaderboard as JSON and Parquet."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from intermodal.autopilot.scores import METRICS
from intermodal.errors import StepFailed
from intermodal.tuning.records import write_results

COMPLETED, FAILED = "COMPLETED", "FAILED"
DOCUMENT, TABLE = "leaderboard.json", "leaderboard.parquet"


@dataclass(frozen=True)
class CandidateRecord:
    """One candidate.

    Attributes:
        name: Its name, unique.
        algorithm: Its algorithm.
        parameters: The values that were tried.
        state: COMPLETED or FAILED.
        objective: The metric that counts; None when it failed.
        metrics: All metrics on the validation rows.
        reason: Why it failed.
        seconds: How long it took; not written, since it differs from run to run.
    """

    name: str
    algorithm: str
    parameters: dict[str, Any]
    state: str
    objective: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    reason: str = ""
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The candidate as it is written."""
        return {
            "name": self.name,
            "algorithm": self.algorithm,
            "parameters": self.parameters,
            "state": self.state,
            "objective": self.objective,
            "metrics": dict(sorted(self.metrics.items())),
            "reason": self.reason,
        }


def leaderboard(records: Sequence[CandidateRecord], metric: str) -> list[CandidateRecord]:
    """Candidates from the best to the worst, failed ones last; of equals the first.

    Args:
        records: Candidates, in the order of their making.
        metric: What counts.
    """
    sign = -1.0 if METRICS.get(metric, True) else 1.0
    done = [item for item in records if item.objective is not None]
    failed = [item for item in records if item.objective is None]
    return [*sorted(done, key=lambda item: sign * (item.objective or 0.0)), *failed]


def describe(
    board: Sequence[CandidateRecord], metric: str, classes: dict[str, int], warnings: Sequence[str]
) -> dict[str, Any]:
    """The content of `leaderboard.json`.

    Args:
        board: From the best to the worst.
        metric: What counted.
        classes: Class → training rows.
        warnings: What people should know.

    Raises:
        StepFailed: No candidate came to a good end.
    """
    if not board or board[0].objective is None:
        reasons = list(dict.fromkeys(item.reason for item in board))
        raise StepFailed(f"none of {len(board)} candidates came to a good end", seen="; ".join(reasons)[:600])
    return {
        "metric": metric,
        "best": board[0].name,
        "classes": classes,
        "warnings": list(warnings),
        "candidates": [item.to_json() for item in board],
    }


def write_leaderboard(directory: Path, described: dict[str, Any]) -> None:
    """Write `leaderboard.json` and `leaderboard.parquet`.

    Args:
        directory: Made.
        described: From `describe`.
    """
    import pyarrow as pa

    rows = described["candidates"]
    columns: dict[str, Any] = {
        "place": pa.array(range(1, len(rows) + 1), pa.int64()),
        **{name: pa.array([item[name] for item in rows], pa.string()) for name in ("name", "algorithm", "state")},
        "objective": pa.array([item["objective"] for item in rows], pa.float64()),
        "parameters": pa.array([json.dumps(item["parameters"], sort_keys=True) for item in rows], pa.string()),
    }
    for name in sorted({name for item in rows for name in item["metrics"]}):
        columns[f"metric.{name}"] = pa.array([item["metrics"].get(name) for item in rows], pa.float64())
    write_results(directory / DOCUMENT, described, directory / TABLE, columns)
