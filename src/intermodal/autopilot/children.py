"""The candidates of Autopilot as runs in MLflow, nested under the run of its task; its notebooks as artifacts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from intermodal.autopilot.records import COMPLETED, CandidateRecord
from intermodal.tracking.children import FAILED, FINISHED, Child, record_children


def tell_mlflow(records: Sequence[CandidateRecord], artifacts: Sequence[Path]) -> int:
    """Record every candidate, and hand over the notebooks.

    Args:
        records: The candidates.
        artifacts: Files or folders for the task's own run.

    Returns:
        How many were recorded; none without a run in MLflow.
    """
    return record_children([_child(record) for record in records], artifacts, "autopilot")


def _child(record: CandidateRecord) -> Child:
    tags = {"intermodal.candidate": record.name, "intermodal.algorithm": record.algorithm}
    tags |= {"intermodal.error": record.reason} if record.reason else {}
    state = FINISHED if record.state == COMPLETED else FAILED
    return Child(record.name, record.parameters, dict(record.metrics), state, tags, record.seconds)
