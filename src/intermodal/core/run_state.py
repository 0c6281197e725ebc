"""Whether a run goes on, by what its record says and by its process; for layers that do not know the whole record."""

from __future__ import annotations

import json
from pathlib import Path

from intermodal.core.attempt import process_alive

RECORD_NAME = "run.json"
RUNNING = "RUNNING"


def goes_on(runs: Path, run_id: str) -> bool | None:
    """Whether a run of this machine goes on.

    Args:
        runs: Where this machine's runs are recorded.
        run_id: The run.

    Returns:
        None where no such run is recorded.
    """
    try:
        fields = json.loads((runs / run_id / RECORD_NAME).read_text()) if run_id else None
        alive = fields and process_alive(int(fields["process"]), str(fields.get("process_started", "")))
        return fields and fields["state"] == RUNNING and alive
    except (OSError, ValueError, KeyError, TypeError):
        return None
