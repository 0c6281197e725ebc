"""Axes: gridlines with round ticks, category labels that never collide."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from intermodal.report.charts.scale import Linear, tick_text
from intermodal.report.charts.svg import label, line, shorten, text_width


def value_axis(
    scale: Linear, ticks: list[float], left: float, right: float, text: Callable[[float], str] | None = None
) -> str:
    """Horizontal gridlines with their values at the left.

    Args:
        scale: Maps values to vertical pixels.
        ticks: Where the lines are drawn.
        left: First pixel of the lines; the values end 6 px before it.
        right: Last pixel of the lines.
        text: How a value is written; plain decimals by default.

    Returns:
        Markup.
    """
    write = text or (lambda value: tick_text(value, ticks))
    rows = []
    for tick in ticks:
        y = scale(tick)
        rows.append(line(left, y, right, y, "axis" if tick == 0 else "rule"))
        rows.append(label(left - 6, y + 4, write(tick), "end"))
    return "".join(rows)


def bottom_axis(
    scale: Linear, ticks: list[float], top: float, bottom: float, text: Callable[[float], str] | None = None
) -> str:
    """Vertical gridlines with their values below; every second value is left out where they would touch."""
    write = text or (lambda value: tick_text(value, ticks))
    room = abs(scale.end - scale.start) / max(1, len(ticks) - 1)
    every = 1 if room >= max(text_width(write(tick)) for tick in ticks) + 8 else 2
    rows = []
    for index, tick in enumerate(ticks):
        x = scale(tick)
        rows.append(line(x, top, x, bottom, "axis" if tick == 0 else "rule"))
        if index % every == 0:
            rows.append(label(x, bottom + 15, write(tick), "middle"))
    return "".join(rows)


def category_labels(names: Sequence[str], centres: Sequence[float], y: float, room: float) -> str:
    """Names centred below their columns, thinned out evenly until none touches its neighbour.

    Args:
        names: One name a column.
        centres: Their horizontal centres, px.
        y: Baseline, px.
        room: Distance of two neighbouring centres, px.

    Returns:
        Markup.
    """
    widest = max((text_width(name) for name in names), default=0) + 6
    every = 1
    while every * room < min(widest, 90) and every < len(names):
        every += 1
    pairs = list(zip(names, centres, strict=True))[::every]
    return "".join(label(x, y, shorten(name, every * room - 2), "middle", tip=name) for name, x in pairs)


def left_labels(names: Sequence[str], baselines: Sequence[float], width: float) -> str:
    """Names that end at `width`, cut where they are longer; the whole name is the tooltip."""
    rows = zip(names, baselines, strict=True)
    return "".join(label(width, y, shorten(name, width), "end", "k", tip=name) for name, y in rows)


def label_column(names: Sequence[str], most: float) -> float:
    """Width of a column of names: what they need, but not over `most` px."""
    return min(most, max((text_width(name) for name in names), default=0) + 2)
