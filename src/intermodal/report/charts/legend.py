"""A legend above a chart, wrapped to its width."""

from __future__ import annotations

from collections.abc import Sequence

from intermodal.report.charts.svg import element, label, text_width

ROW = 18  # px from one line of the legend to the next


def legend(entries: Sequence[tuple[str, str]], width: float) -> tuple[str, float]:
    """Draw swatches with names.

    Args:
        entries: (name, CSS colour), in reading order.
        width: Room, px; entries wrap to a further line.

    Returns:
        (markup, height in px); ("", 0) for fewer than two entries, which need no legend.
    """
    if len(entries) < 2:
        return "", 0
    marks, x, y = [], 0.0, 0
    for name, colour in entries:
        room = text_width(name) + 30
        if x and x + room > width:
            x, y = 0.0, y + ROW
        marks.append(element("rect", x=x, y=y + 1, width=10, height=10, rx=2, fill=colour))
        marks.append(label(x + 15, y + 10, name))
        x += room
    return "".join(marks), y + ROW + 4


def series_colour(index: int) -> str:
    """Colour of the n-th series; six differ, also for readers who do not tell red from green."""
    return f"var(--c{index % 6 + 1})"


def rating_colour(index: int, classes: int = 5) -> str:
    """Colour of the n-th class of an ordered scale, from poor (warm) to good (cool)."""
    if classes <= 1:
        return "var(--c1)"
    return f"var(--r{round(index * 4 / (classes - 1)) + 1})"
