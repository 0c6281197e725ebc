"""Points over one parameter: what each value gave."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, log10
from typing import Any

from intermodal.report import wording
from intermodal.report.charts.axes import bottom_axis, value_axis
from intermodal.report.charts.scale import Linear, nice_ticks, tick_text
from intermodal.report.charts.svg import figure, label, mark, shorten, text_width

_WIDE = 10.0


def scatter(
    points: Sequence[tuple[Any, float]], *, title: str, x_name: str, best: int = -1, width: float = 328,
    height: float = 200,
) -> str:  # fmt: skip
    """A dot for every (value, score).

    Args:
        points: Value of the parameter, a number or anything else, and the score.
        title: Accessible name.
        x_name: Name of the parameter, below the axis.
        best: Position of the point to mark.
        width: Width, px.
        height: Height, px.

    Returns:
        An SVG; positive numbers over a wide range stand by their magnitude, other values at equal distances.
    """
    scores = [score for _, score in points if isfinite(score)]
    ticks = nice_ticks(min(scores, default=0.0), max(scores, default=1.0))
    left = max(text_width(tick_text(tick, ticks)) for tick in ticks) + 8
    y = Linear(ticks[0], ticks[-1], height - 36, 8)
    places, below = _across([value for value, _ in points], Linear(0, 1, left + 10, width - 12), y.start)
    body = [value_axis(y, ticks, left, width), below, label((left + width) / 2, height - 4, x_name, "middle")]
    order = [index for index in range(len(points)) if index != best] + ([best] if 0 <= best < len(points) else [])
    for index in order:
        value, score = points[index]
        if isfinite(score):
            tip = f"{x_name} {wording.anything(value)}: {score:,.4g}"
            colour = "var(--c2)" if index == best else "var(--c1)"
            body.append(mark("circle", tip, cx=places[index], cy=y(score), r=6 if index == best else 4, fill=colour))
    words = "; ".join(f"{wording.anything(value)}: {score:,.4g}" for value, score in points[:40])
    return figure(width, height, body, title, words)


def _across(values: Sequence[Any], span: Linear, bottom: float) -> tuple[list[float], str]:
    """Where each value stands, and the axis below."""
    if values and all(isinstance(item, int | float) and not isinstance(item, bool) for item in values):
        low, high = min(values), max(values)
        if low > 0 and high >= _WIDE * low:
            x = Linear(log10(low), log10(high), span.start, span.end)
            marks = [10.0**power for power in range(-12, 13) if low <= 10.0**power <= high] or [low, high]
            return [x(log10(item)) for item in values], "".join(
                label(x(log10(item)), bottom + 15, f"{item:g}", "middle") for item in marks
            )
        ticks = nice_ticks(low, high)
        x = Linear(ticks[0], ticks[-1], span.start, span.end)
        return [x(item) for item in values], bottom_axis(x, ticks, bottom, bottom)
    names = sorted({wording.anything(item) for item in values})
    x = Linear(0, max(1, len(names) - 1), span.start + 20, span.end - 20)
    place = {name: x(index) for index, name in enumerate(names)}
    room = (span.end - span.start) / max(1, len(names))
    row = "".join(label(place[name], bottom + 15, shorten(name, room - 4), "middle", tip=name) for name in names)
    return [place[wording.anything(item)] for item in values], row
