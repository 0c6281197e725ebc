"""Numbers, times and values, as a person reads them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

_UNITS = ("B", "kB", "MB", "GB", "TB")


def bytes_text(size: float) -> str:
    """A number of bytes: "512 B", "83.5 MB"."""
    for unit in _UNITS:
        if size < 1000 or unit == _UNITS[-1]:
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def count_text(count: int, noun: str) -> str:
    """A count with its noun: "1 file", "1,200 files"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def seconds_text(seconds: float) -> str:
    """A duration: "0.7 s", "2 min 05 s", "1 h 04 min"."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def time_text(moment: str) -> str:
    """A UTC time, ISO 8601, as local time to the minute; "–" when there is none."""
    try:
        return f"{datetime.fromisoformat(moment).astimezone():%Y-%m-%d %H:%M}"
    except ValueError:
        return "–"


def value_text(value: Any, limit: int = 60) -> str:
    """A parameter's value as JSON, shortened."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def facts_text(kind: str, rows: int | None, size: int | None) -> str:
    """What an artifact is: "Dataset, 102,084 rows, 9.1 MB"."""
    parts = [kind.removeprefix("system.")]
    parts += [count_text(rows, "row")] if rows is not None else []
    parts += [bytes_text(size)] if size is not None else []
    return ", ".join(part for part in parts if part)
