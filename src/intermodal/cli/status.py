"""`intermodal status`: list runs, or show one."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intermodal.cli.main import new_parser
from intermodal.cli.run_page import run_page
from intermodal.cli.wording import seconds_text, time_text
from intermodal.errors import EXIT_INTERRUPTED

if TYPE_CHECKING:
    from intermodal.core.config import Settings
    from intermodal.runtime.record import RunRecord

_WIDE = 100  # columns from which the pipeline's name, with which every run id starts, has room of its own
_NO_TERMINAL = 120


def main(arguments: Sequence[str]) -> int:
    """Show how runs stand.

    Args:
        arguments: The words after the verb.

    Returns:
        0, whatever the runs' states are.
    """
    parser = new_parser("status")
    parser.add_argument("run", nargs="?", default="", help="a run, or the start of its name; all runs by default")
    parser.add_argument("-n", "--last", type=int, default=20, metavar="N", help="list at most N runs (default: 20)")
    options = parser.parse_args(arguments)
    from intermodal.core.config import load_settings
    from intermodal.runtime.record import find_record, list_records

    settings = load_settings()
    if options.run:
        record = as_found(refreshed(find_record(settings.runs, options.run), settings), settings.runs)
        print(json.dumps(_page_json(record), indent=1, default=str) if options.json else run_page(record, settings))
        return 0
    every = list_records(settings.runs)
    records = [as_found(record, settings.runs) for record in every[: max(options.last, 0)]]
    if options.json:
        print(json.dumps({"home": str(settings.home), "runs": [_row_json(item) for item in records]}, indent=1))
    elif not records:
        print(f"no runs under {settings.runs}\n  intermodal run PIPELINE starts one")
    else:
        print("\n".join(_table(records, len(every))))
    return 0


def refreshed(record: RunRecord, settings: Settings) -> RunRecord:
    """A run that lives elsewhere, as it stands there now; as it was saved where nobody answers.

    Args:
        record: As it was read.
        settings: Where things live.
    """
    from intermodal.errors import IntermodalError
    from intermodal.runtime.base import open_runtime
    from intermodal.runtime.record import RUNNING

    if record.state != RUNNING or not record.remote:
        return record
    try:
        return open_runtime(record.runtime, settings).refresh(record)
    except IntermodalError as error:
        print(f"warning: this is how it stood when last seen: {error.headline}", file=sys.stderr)
        return record


def as_found(record: RunRecord, runs: Path) -> RunRecord:
    """The record in its true state, for whoever looks from outside.

    A run whose process is gone is INTERRUPTED, and so are the tasks that it left running. While a run
    is unfinished its record has no duration: it lasts until now, or lasted until its last sign of life.

    Args:
        record: As it was read.
        runs: Directory with one folder a run.
    """
    from intermodal.runtime.record import INTERRUPTED, RUNNING

    if record.state != RUNNING:
        return record
    if not record.abandoned:
        return replace(record, seconds=_since(record.started, datetime.now(UTC).timestamp()))
    last_sign = (runs / record.run_id / "run.json").stat().st_mtime
    tasks = tuple(replace(task, state=INTERRUPTED) if task.state == RUNNING else task for task in record.tasks)
    return replace(record, state=INTERRUPTED, tasks=tasks, seconds=_since(record.started, last_sign))


def counts_of(record: RunRecord) -> dict[str, int]:
    """How many tasks ran well, were cached, and failed."""
    states = [task.state for task in record.tasks]
    return {"ok": states.count("SUCCEEDED"), "cached": states.count("CACHED"), "failed": states.count("FAILED")}


def _since(started: str, until: float) -> float:
    try:
        return max(0.0, round(until - datetime.fromisoformat(started).timestamp(), 3))
    except ValueError:
        return 0.0


def _row_json(record: RunRecord) -> dict[str, Any]:
    names = ("run_id", "pipeline", "state", "started", "seconds")
    row = {name: getattr(record, name) for name in names}
    return {**row, "tasks": counts_of(record), "mlflow_run_id": record.mlflow.get("run_id", "")}


def _page_json(record: RunRecord) -> dict[str, Any]:
    from intermodal.cli.present import run_json
    from intermodal.core.config import load_settings

    page = run_json(record, load_settings())
    # A run that has not ended has no exit code yet, and one that was killed never gave one.
    unfinished = {"RUNNING": None, "INTERRUPTED": EXIT_INTERRUPTED}
    return {**page, "exit_code": unfinished.get(record.state, page["exit_code"])}


def _table(records: list[RunRecord], total: int) -> list[str]:
    wide = shutil.get_terminal_size((_NO_TERMINAL, 24)).columns >= _WIDE
    head = ["run", "pipeline", "state", "started", "time", "ok", "cached", "failed"]
    rows = [head, *(_cells(record) for record in records)]
    rows = rows if wide else [_narrow(row) for row in rows]
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    lines = ["  ".join(_aligned(cell, widths, index) for index, cell in enumerate(row)).rstrip() for row in rows]
    if total > len(records):
        lines.append(f"… and {total - len(records)} older; --last {total} lists all")
    stopped = next((record for record in records if record.state == "INTERRUPTED"), None)
    return [*lines, f"continue with: intermodal resume {stopped.run_id}"] if stopped else lines


def _narrow(row: list[str]) -> list[str]:
    """A row that fits into 80 columns: no pipeline, no year, marks for words."""
    marks = {"ok": "✔", "cached": "≡", "failed": "✘"}
    year = len("2026-") if row[3][:1].isdigit() else 0
    return [marks.get(cell, cell) for cell in [row[0], row[2], row[3][year:], *row[4:]]]


def _cells(record: RunRecord) -> list[str]:
    counts = [str(number) for number in counts_of(record).values()]
    when = time_text(record.started)
    return [record.run_id, record.pipeline, record.state, when, seconds_text(record.seconds), *counts]


def _aligned(cell: str, widths: list[int], index: int) -> str:
    numbers = len(widths) - index <= 4  # time and the three counts
    return cell.rjust(widths[index]) if numbers else cell.ljust(widths[index])
