"""What a running step says: progress, metrics over time, messages.

A step calls these from anywhere; outside a task they do nothing, so a step stays callable as a plain
function. Inside a task each call appends one JSON line to the task's journal, from which the terminal
shows progress and the tracking layer logs metrics in batches.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

JOURNAL_VARIABLE = "INTERMODAL_JOURNAL"
_MINIMUM_INTERVAL = 0.1  # seconds between two progress lines: a tight loop must not flood the journal
_last_progress = 0.0


def log_progress(done: float, total: float, unit: str = "rows", note: str = "") -> None:
    """Say how far the step is.

    Args:
        done: Units finished so far.
        total: Units in all; 0 when unknown.
        unit: What is counted ("rows", "batches", "bytes").
        note: A few words on what is being done now.
    """
    global _last_progress
    now = time.monotonic()
    if now - _last_progress < _MINIMUM_INTERVAL and done != total:
        return
    _last_progress = now
    _append({"event": "progress", "done": done, "total": total, "unit": unit, "note": note})


def log_metric(name: str, value: float, step: int = 0) -> None:
    """Record one point of a curve, such as the training loss.

    Args:
        name: Metric name, for MLflow ("train_loss").
        value: Its value.
        step: Position on the curve: batches, epochs, as the name says.
    """
    _append({"event": "metric", "name": name, "value": float(value), "step": int(step)})


def log_bill(bill: dict[str, float | str]) -> None:
    """Record what a job of a service was charged with, for steps whose work a service does.

    Args:
        bill: As a task's record keeps it; the last one counts.
    """
    _append({"event": "bill", "bill": bill})


def _append(event: dict[str, Any]) -> None:
    path = os.environ.get(JOURNAL_VARIABLE)
    if not path:
        return
    line = json.dumps({"time": round(time.time(), 3), **event}) + "\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)
