"""What the record of a run says, as it lies in the home."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def record_of(home: Path) -> dict[str, Any]:
    """The record of the only run, or of the newest."""
    paths = sorted((home / "runs").glob("*/run.json"), key=lambda path: path.stat().st_mtime_ns)
    return dict(json.loads(paths[-1].read_text()))


def states(record: dict[str, Any]) -> dict[str, str]:
    """Task → state."""
    return {task["name"]: task["state"] for task in record["tasks"]}
