"""Journal events as lines of a log, and back: where a log is all that leaves a job, its curves leave with it.

A metric is `metric NAME=VALUE step=N`, progress is `progress: DONE/TOTAL UNIT: NOTE`. A line stands alone, begins at
the line's start, and says every number as Python's `repr` does, so that what is read back is what was written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_NUMBER = r"(?:[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:inf|nan))"
# A name may hold anything but a line break, "=" too: the value is what follows the last one before " step=".
_METRIC = re.compile(rf"metric (?P<name>\S(?:.*\S)?)=(?P<value>{_NUMBER}) step=(?P<step>[-+]?\d+)")
_PROGRESS = re.compile(rf"progress: (?P<done>{_NUMBER})/(?P<total>{_NUMBER})(?: (?P<unit>[^:]*))?(?:: (?P<note>.*))?")


def metric_line(event: Mapping[str, Any]) -> str:
    """A journal event as one line.

    Args:
        event: As `intermodal.core.events` writes it; its time is left to the log.

    Returns:
        The line, without its end; empty for an event that is neither a metric nor progress.
    """
    kind = event.get("event")
    if kind == "metric":
        return f"metric {_one_line(event['name'])}={float(event['value'])!r} step={int(event['step'])}"
    if kind == "progress":
        # The unit ends at the first colon, so it has none of its own.
        unit, note = _one_line(event.get("unit", "")).replace(":", " ").strip(), _one_line(event.get("note", ""))
        line = f"progress: {event['done']!r}/{event['total']!r}"
        return f"{line} {unit}".rstrip() + (f": {note}" if note else "")
    return ""


def parse_metric_line(text: str) -> dict[str, Any] | None:
    """A line of a log as the journal event that it tells.

    Args:
        text: One line, with or without its end.

    Returns:
        The event as `intermodal.core.events` writes it, without a time; None for any other line.
    """
    line = text.rstrip("\r\n")
    if found := _METRIC.fullmatch(line):
        return {
            "event": "metric",
            "name": found["name"],
            "value": float(found["value"]),
            "step": int(found["step"]),
        }
    if found := _PROGRESS.fullmatch(line):
        return {
            "event": "progress",
            "done": _number(found["done"]),
            "total": _number(found["total"]),
            "unit": found["unit"] or "",
            "note": found["note"] or "",
        }
    return None


def metric_pattern(name: str) -> str:
    """The regular expression that finds one metric's values in lines of `metric_line`.

    It is anchored at the line's start and holds the whole name, so that `loss` is never found in `val_loss`. Written
    with what Java, Python and SageMaker's metric definitions have in common.

    Args:
        name: The metric's name.

    Returns:
        The expression; its only group is the value.
    """
    # Not re.escape: it also escapes characters that other engines do not let one escape.
    escaped = re.sub(r"([\\.^$*+?()\[\]{}|])", r"\\\1", _one_line(name))
    return f"^metric {escaped}=([-+.0-9eEinfa]+) step="


def _one_line(text: object) -> str:
    return " ".join(str(text).splitlines()).strip()


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)
