"""Bars: columns and horizontal bars, single and stacked to 100 %."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from intermodal.report import wording
from intermodal.report.charts.axes import category_labels, label_column, left_labels, value_axis
from intermodal.report.charts.legend import legend, rating_colour
from intermodal.report.charts.scale import Linear, finite
from intermodal.report.charts.svg import figure, label, mark

Items = Sequence[tuple[str, float]]
Rows = Sequence[tuple[str, Sequence[float]]]
Writer = Callable[[float], str]


def columns(
    items: Items, *, title: str, width: float = 328, height: float = 190, colours: Sequence[str] = (),
    text: Writer = wording.count, shares: bool = False,
) -> str:  # fmt: skip
    """Vertical columns with their values on top.

    Args:
        items: (name, value ≥ 0) from left to right.
        title: Accessible name.
        width: Width, px.
        height: Height, px.
        colours: One CSS colour a column; the first series colour by default.
        text: How a value is written.
        shares: Write the share of the total above the columns instead of the value.

    Returns:
        An SVG.
    """
    values = [value for _, value in items]
    total, step = sum(finite(values)) or 1.0, width / max(1, len(items))
    scale = Linear(0, max([*finite(values), 1e-9]), height - 24, 20)
    centres = [(index + 0.5) * step for index in range(len(items))]
    body, bar = [], min(step * 0.72, 64)
    for index, ((name, value), x) in enumerate(zip(items, centres, strict=True)):
        y, colour = scale(value), colours[index] if colours else "var(--c1)"
        tip = f"{name}: {text(value)} ({wording.share(value / total)})" if shares else f"{name}: {text(value)}"
        body.append(mark("rect", tip, x=x - bar / 2, y=y, width=bar, height=max(scale(0) - y, 1), rx=3, fill=colour))
        body.append(label(x, y - 6, wording.share(value / total, 0) if shares else text(value), "middle", "v"))
    body.append(category_labels([name for name, _ in items], centres, height - 6, step))
    return figure(width, height, body, title, describe(items, text))


def horizontal_bars(
    items: Items, *, title: str, width: float = 328, most: float = 0.0, text: Writer = wording.count,
    colours: Sequence[str] = (), label_room: float = 0.4,
) -> str:  # fmt: skip
    """Horizontal bars: name, bar, value.

    Args:
        items: (name, value ≥ 0) from top to bottom.
        title: Accessible name.
        width: Width, px.
        most: Value of a full bar; the largest value by default.
        text: How a value is written.
        colours: One CSS colour a bar.
        label_room: Largest share of the width that names may take.

    Returns:
        An SVG, 24 px a row.
    """
    names = [name for name, _ in items]
    left = label_column(names, width * label_room)
    right = label_column([text(value) for _, value in items], width * 0.3)
    scale = Linear(
        0, most or max([*finite([value for _, value in items]), 1e-9]), 0, max(20, width - left - right - 18)
    )
    body = [left_labels(names, [row * 24 + 16 for row in range(len(items))], left)]
    for row, (name, value) in enumerate(items):
        size, colour = max(scale(value), 1), colours[row] if colours else "var(--c1)"
        body.append(
            mark("rect", f"{name}: {text(value)}", x=left + 8, y=row * 24 + 5, width=size, height=14, rx=3, fill=colour)
        )
        body.append(label(left + 14 + size, row * 24 + 16, text(value), "start", "v"))
    return figure(width, max(1, len(items)) * 24, body, title, describe(items, text))


def stacked_bars(
    rows: Rows, parts: Sequence[str], *, title: str, width: float = 328, colours: Sequence[str] = (),
    notes: Sequence[str] = (), note_name: str = "",
) -> str:  # fmt: skip
    """Horizontal bars of 100 %, divided into parts.

    Args:
        rows: (name, one value a part) from top to bottom.
        parts: Names of the parts.
        title: Accessible name.
        width: Width, px.
        colours: One CSS colour a part; the rating ramp by default.
        notes: A word at the right end of each row, such as its number of rows.
        note_name: What the notes are, for the description.

    Returns:
        An SVG, 24 px a row below the legend.
    """
    shades = list(colours) or [rating_colour(index, len(parts)) for index in range(len(parts))]
    head, top = legend(list(zip(parts, shades, strict=True)), width)
    names, ends = [name for name, _ in rows], list(notes) or [""] * len(rows)
    left, right = label_column(names, width * 0.36), label_column(ends, width * 0.25)
    room = width - left - right - 16
    body = [head, left_labels(names, [top + row * 24 + 16 for row in range(len(rows))], left)]
    for row, (name, values) in enumerate(rows):
        for x, size, tip, colour in _segments(name, values, parts, shades, room):
            body.append(mark("rect", tip, x=left + 8 + x, y=top + row * 24 + 5, width=size, height=14, fill=colour))
        body.append(label(width, top + row * 24 + 16, ends[row], "end", "v"))
    words = "; ".join(_row_words(name, values, parts) for name, values in rows[:30])
    return figure(width, top + max(1, len(rows)) * 24, body, title, f"{words}. {note_name}".strip())


def stacked_columns(
    rows: Rows, parts: Sequence[str], *, title: str, width: float = 328, height: float = 210,
    colours: Sequence[str] = (),
) -> str:  # fmt: skip
    """Vertical columns of 100 %, divided into parts from bottom to top; arguments as in `stacked_bars`."""
    shades = list(colours) or [rating_colour(index, len(parts)) for index in range(len(parts))]
    head, top = legend(list(zip(parts, shades, strict=True)), width)
    left, bottom, step = 40.0, height - 22, (width - 40) / max(1, len(rows))
    scale = Linear(0, 1, bottom, top + 6)
    body = [head, value_axis(scale, [0, 0.5, 1], left, width, lambda value: f"{value:.0%}")]
    centres = [left + (index + 0.5) * step for index in range(len(rows))]
    for x, (name, values) in zip(centres, rows, strict=True):
        for low, size, tip, colour in _segments(name, values, parts, shades, bottom - scale(1)):
            bar = step * 0.8
            body.append(mark("rect", tip, x=x - bar / 2, y=bottom - low - size, width=bar, height=size, fill=colour))
    body.append(category_labels([name for name, _ in rows], centres, height - 5, step))
    return figure(width, height, body, title, "; ".join(_row_words(name, values, parts) for name, values in rows[:30]))


def describe(items: Items, text: Writer) -> str:
    """The data of a chart in words, at most thirty values of it."""
    words = ", ".join(f"{name}: {text(value)}" for name, value in items[:30])
    return words + (f", and {len(items) - 30} more" if len(items) > 30 else "")


def _segments(
    name: str, values: Sequence[float], parts: Sequence[str], shades: Sequence[str], room: float
) -> list[tuple[float, float, str, str]]:
    """(start, size, tooltip, colour) of each part that is not empty, a hairline apart."""
    total, start, found = sum(values), 0.0, []
    for part, value, colour in zip(parts, values, shades, strict=False):
        size = room * value / total if total else 0.0
        if size > 0:
            tip = f"{name}, {part}: {wording.count(value)} ({wording.share(value / total)})"
            found.append((start, max(size - 1, 0.5), tip, colour))
        start += size
    return found


def _row_words(name: str, values: Sequence[float], parts: Sequence[str]) -> str:
    total = sum(values) or 1.0
    shares = ", ".join(f"{part} {wording.share(v / total, 0)}" for part, v in zip(parts, values, strict=False))
    return f"{name} ({wording.count(sum(values))}): {shares}"
