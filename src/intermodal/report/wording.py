"""Numbers as people read them: counts, shares, durations, sizes."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any

DASH = "–"


def count(value: float | None) -> str:
    """A count with thousands separators: 102,084."""
    return DASH if value is None or not isfinite(value) else f"{value:,.0f}"


def compact(value: float) -> str:
    """A count that fits an axis: 950, 1.2k, 46k, 1.5M."""
    for limit, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            scaled = f"{value / limit:.1f}" if abs(value) < 10 * limit else f"{value / limit:.0f}"
            return scaled.removesuffix(".0") + unit
    return f"{value:g}"


def share(value: float | None, digits: int = 1) -> str:
    """A proportion 0..1 as a percentage; tiny ones do not become zero, nor near-whole ones 100%."""
    if value is None or not isfinite(value):
        return DASH
    smallest = 10.0**-digits / 100
    if 0 < value < smallest:
        return f"< {smallest * 100:g}%"
    if 1 - smallest < value < 1:
        return f"> {(1 - smallest) * 100:g}%"
    return f"{value:.{digits}%}".replace(f".{'0' * digits}%", "%")


def decimal(value: float | None, digits: int = 3) -> str:
    """A score with fixed digits: 0.529."""
    return DASH if value is None or not isfinite(value) else f"{value:.{digits}f}"


def points(value: float) -> str:
    """A difference of two proportions, in percentage points with its sign: +3.1."""
    return f"{value * 100:+.1f}".replace("-", "\N{MINUS SIGN}")


def seconds(value: float | None) -> str:
    """A duration: 0.3 s, 42 s, 4 min 12 s, 2 h 03 min."""
    if value is None or not isfinite(value):
        return DASH
    if value < 10:
        return f"{value:.2f} s" if value < 1 else f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def dollars(value: float | None) -> str:
    """An amount of USD: $12.34; four digits below a dollar, so that a short job does not cost nothing."""
    if value is None or not isfinite(value):
        return DASH
    return f"${value:,.2f}" if value >= 1 or value == 0 else f"${value:.4f}"


def size(value: float | None) -> str:
    """A number of bytes: 512 B, 12.4 MB (powers of ten)."""
    if value is None or not isfinite(value):
        return DASH
    for limit, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= limit:
            return f"{value / limit:.1f} {unit}"
    return f"{value:.0f} B"


def anything(value: Any) -> str:
    """A value of unknown type as a table cell shows it."""
    if value is None:
        return DASH
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, list | tuple):
        return ", ".join(anything(item) for item in value)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _float(value: float) -> str:
    """Six significant digits, so that 0.999951 does not read as 1; no exponent for large counts."""
    if not isfinite(value):
        return str(value)
    return f"{value:,.0f}" if 1e6 <= abs(value) < 1e15 else f"{value:,.6g}"
