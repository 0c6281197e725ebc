"""Distributions as strips: median, middle half, middle ninety percent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from intermodal.report.charts.axes import bottom_axis, label_column, left_labels
from intermodal.report.charts.scale import Linear, nice_ticks
from intermodal.report.charts.svg import element, figure, label, line, plain

ROW = 30


@dataclass(frozen=True)
class Quantiles:
    """One distribution.

    Attributes:
        name: Its name, at the left.
        p05: 5th percentile.
        p25: Lower quartile.
        p50: Median.
        p75: Upper quartile.
        p95: 95th percentile.
        colour: CSS colour.
    """

    name: str
    p05: float
    p25: float
    p50: float
    p75: float
    p95: float
    colour: str = "var(--c1)"


def quantile_strips(rows: Sequence[Quantiles], *, title: str, unit: str = "", width: float = 328) -> str:
    """One strip a distribution over a common axis from zero.

    Args:
        rows: From top to bottom.
        title: Accessible name.
        unit: What is measured, for tooltips.
        width: Width, px.

    Returns:
        An SVG: thin line = 5% to 95%, bar = quartiles, tick and number = median.
    """
    ticks = nice_ticks(0, max((row.p95 for row in rows), default=1.0))
    names = [row.name for row in rows]
    left, bottom = label_column(names, width * 0.36), len(rows) * ROW + 2
    x = Linear(ticks[0], ticks[-1], left + 14, width - 14)
    body = [bottom_axis(x, ticks, 2, bottom), left_labels(names, [i * ROW + 20 for i in range(len(rows))], left)]
    body += [_strip(row, i * ROW + 16, x, unit) for i, row in enumerate(rows)]
    return figure(width, bottom + 20, body, title, "; ".join(_words(row, unit) for row in rows))


def _strip(row: Quantiles, y: float, x: Linear, unit: str) -> str:
    box = element(
        "rect", x=x(row.p25), y=y - 7, width=max(x(row.p75) - x(row.p25), 1), height=14, rx=3, fill=row.colour
    )
    middle = line(x(row.p50), y - 9, x(row.p50), y + 9, "median")
    whole = element("line", x1=x(row.p05), y1=y, x2=x(row.p95), y2=y, stroke=row.colour, stroke_width=2)
    value = label(x(row.p95) + 5, y + 4, f"{row.p50:,g}", "start", "v") if x(row.p95) < x.end - 30 else ""
    return element("g", element("title", plain(_words(row, unit))), whole, box, middle, class_="m") + value


def _words(row: Quantiles, unit: str) -> str:
    middle = f"median {row.p50:,g} {unit}".strip()
    return (
        f"{row.name}: {middle}, half between {row.p25:,g} and {row.p75:,g}, 90% between {row.p05:,g} and {row.p95:,g}"
    )
