"""Values with their intervals side by side: candidates, slices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from intermodal.report import wording
from intermodal.report.charts.axes import bottom_axis, label_column, left_labels
from intermodal.report.charts.legend import legend
from intermodal.report.charts.scale import Linear, finite, nice_ticks
from intermodal.report.charts.svg import element, figure, label, line, plain

ROW, NEXT = 32, 20  # px to a new row, and to a further row of the same name


@dataclass(frozen=True)
class Interval:
    """One row of the plot.

    Attributes:
        name: Its name, at the left.
        value: The estimate.
        low: Lower end of its interval; None for none.
        high: Upper end of its interval; None for none.
        note: More for the tooltip, such as the number of rows.
        colour: CSS colour.
        strong: True for the row that the reader came for.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    note: str = ""
    colour: str = "var(--c1)"
    strong: bool = False


def interval_plot(
    rows: Sequence[Interval], *, title: str, width: float = 328, reference: float | None = None,
    reference_name: str = "", text: Callable[[float], str] = wording.decimal, label_room: float = 0.36,
    names: Sequence[tuple[str, str]] = (),
) -> str:  # fmt: skip
    """A dot with its interval a row, over a common axis that need not begin at zero.

    Args:
        rows: From top to bottom; a row without a name stands closer to the one before.
        title: Accessible name.
        width: Width, px.
        reference: Value of a dashed line through all rows, such as the champion's.
        reference_name: Its name, above it.
        text: How a value is written.
        label_room: Largest share of the width that names may take.
        names: (name, CSS colour) for a legend.

    Returns:
        An SVG.
    """
    ends = finite([v for row in rows for v in (row.value, row.low, row.high) if v is not None])
    ends += [reference] if reference is not None else []
    ticks = nice_ticks(min(ends, default=0.0), max(ends, default=1.0))
    left = label_column([row.name for row in rows], width * label_room)
    right = label_column([text(row.value) for row in rows], 80) + 8
    head, above = legend(names, width)
    top = above + (18.0 if reference_name else 2.0)
    centres = _centres(rows, top)
    bottom = max(centres, default=top) + 16
    x = Linear(ticks[0], ticks[-1], left + 16, width - right - 8)
    body = [head, bottom_axis(x, ticks, top, bottom)]
    body.append(left_labels([row.name for row in rows], [y + 4 for y in centres], left))
    body += _reference(x(reference), top, bottom, reference_name) if reference is not None else []
    body += [_row(row, y, x, width, text) for row, y in zip(rows, centres, strict=True)]
    return figure(width, bottom + 22, body, title, "; ".join(_words(row, text) for row in rows))


def _centres(rows: Sequence[Interval], top: float) -> list[float]:
    centres: list[float] = []
    for row in rows:
        step = ROW if row.name else NEXT
        centres.append(centres[-1] + step if centres else top + 16)
    return centres


def _reference(x: float, top: float, bottom: float, name: str) -> list[str]:
    return [line(x, top - 4, x, bottom, "reference"), label(x, top - 7, name, "middle")]


def _row(row: Interval, y: float, x: Linear, width: float, text: Callable[[float], str]) -> str:
    marks = [element("title", plain(_words(row, text)))]
    if row.low is not None and row.high is not None:
        low, high = x(row.low), x(row.high)
        marks.append(
            element("rect", x=low, y=y - 5, width=max(high - low, 1), height=10, rx=5, fill=row.colour, opacity="0.28")
        )
        marks.append(line(low, y, high, y, "whisker", stroke=row.colour))
    marks.append(element("circle", cx=x(row.value), cy=y, r=6 if row.strong else 4.5, fill=row.colour, class_="dot"))
    value = label(width, y + 4, text(row.value), "end", "v")
    return element("g", *marks, class_="m") + value


def _words(row: Interval, text: Callable[[float], str]) -> str:
    known = row.low is not None and row.high is not None
    between = f" (95% interval {text(row.low or 0.0)} to {text(row.high or 0.0)})" if known else ""
    return f"{row.name}: {text(row.value)}{between}" + (f", {row.note}" if row.note else "")
