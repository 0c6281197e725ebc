"""Calibration: how often a model is right when it says that it is p sure."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from intermodal.report import wording
from intermodal.report.charts.axes import bottom_axis, value_axis
from intermodal.report.charts.scale import Linear
from intermodal.report.charts.svg import element, figure, label, line, mark, number

Bins = Sequence[tuple[float, float, int]]
TICKS = [0.0, 0.25, 0.5, 0.75, 1.0]


def wilson(share: float, rows: float, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's score interval of a proportion.

    Args:
        share: Observed proportion, 0..1.
        rows: Number of rows it was observed on.
        z: Normal quantile; 95% by default.

    Returns:
        (low, high); (0, 1) for no rows. Wilson 1927, "Probable inference".
    """
    if rows <= 0:
        return 0.0, 1.0
    centre = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z * sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows)) / (1 + z * z / rows)
    return max(0.0, centre - half), min(1.0, centre + half)


def calibration_plot(bins: Bins, *, title: str, width: float = 328, colour: str = "var(--c1)") -> str:
    """Accuracy over confidence, with a 95% band and the number of rows in each bin below.

    Args:
        bins: (mean confidence, accuracy, rows) of each bin, by rising confidence; empty bins are left out.
        title: Accessible name.
        width: Width, px.
        colour: CSS colour.

    Returns:
        An SVG; on the diagonal the model is as sure as it should be.
    """
    rows = [(c, a, n) for c, a, n in bins if n > 0]
    left, top, side = 40.0, 8.0, width - 40 - 12
    height = side * 0.72
    x, y = Linear(0, 1, left, left + side), Linear(0, 1, top + height, top)
    body = [
        value_axis(y, TICKS, left, left + side, _percent),
        bottom_axis(x, TICKS, top + height, top + height, _percent),
    ]
    body.append(line(x(0), y(0), x(1), y(1), "reference"))
    body += [_band(rows, x, y, colour), _line(rows, x, y, colour)] if rows else []
    body += [mark("circle", _words(row), cx=x(row[0]), cy=y(row[1]), r=4, fill=colour) for row in rows]
    base = top + height + 56
    body += _counts(rows, x, base, side / max(len(bins), 10))
    body.append(label(left + side / 2, base + 14, "confidence, and rows at that confidence", "middle"))
    return figure(width, base + 18, body, title, "; ".join(_words(row) for row in rows))


def _band(rows: Bins, x: Linear, y: Linear, colour: str) -> str:
    ends = [(x(c), *wilson(a, n)) for c, a, n in rows]
    upper = [f"{number(at)} {number(y(high))}" for at, _, high in ends]
    lower = [f"{number(at)} {number(y(low))}" for at, low, _ in reversed(ends)]
    return element("path", d="M" + "L".join(upper + lower) + "Z", fill=colour, opacity="0.18")


def _line(rows: Bins, x: Linear, y: Linear, colour: str) -> str:
    way = "M" + "L".join(f"{number(x(c))} {number(y(a))}" for c, a, _ in rows)
    return element("path", d=way, fill="none", stroke=colour, stroke_width=2, stroke_linejoin="round")


def _counts(rows: Bins, x: Linear, base: float, size: float) -> list[str]:
    most = max((n for _, _, n in rows), default=1)
    bars = [(x(c), max(n / most * 28, 1), f"{wording.count(n)} rows") for c, _, n in rows]
    return [
        mark("rect", tip, x=at - size * 0.4, y=base - h, width=size * 0.8, height=h, rx=2, fill="var(--soft)")
        for at, h, tip in bars
    ]


def _words(row: tuple[float, float, int]) -> str:
    low, high = wilson(row[1], row[2])
    between = f"{wording.share(low)} to {wording.share(high)}"
    right = f"right in {wording.share(row[1])} of {wording.count(row[2])} rows"
    return f"{wording.share(row[0])} sure: {right} (95% interval {between})"


def _percent(value: float) -> str:
    return f"{value:.0%}"
