"""The report of a run."""

from __future__ import annotations

from pathlib import Path

from intermodal.core.config import Settings
from intermodal.runtime.record import RunRecord


def write_report(record: RunRecord, settings: Settings) -> Path | None:
    return None
