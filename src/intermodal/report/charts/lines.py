"""Line charts of several series, and sparklines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

from intermodal.report import wording
from intermodal.report.charts.axes import bottom_axis, value_axis
from intermodal.report.charts.legend import legend, series_colour
from intermodal.report.charts.scale import Linear, nice_ticks, tick_text
from intermodal.report.charts.svg import element, figure, label, mark, number, text_width

Points = Sequence[tuple[float, float]]
MOST_POINTS = 240  # of one series; more would be closer than two pixels


def line_chart(
    series: Mapping[str, Points], *, title: str, x_name: str = "", width: float = 328, height: float = 200,
    colours: Sequence[str] = (), from_zero: bool = False, x_ticks: Sequence[tuple[float, str]] = (), dots: bool = True,
) -> str:  # fmt: skip
    """Several series over one axis.

    Args:
        series: Name to (x, y) points by rising x; points that are not finite are left out.
        title: Accessible name.
        x_name: What x counts, below the axis.
        width: Width, px.
        height: Height, px.
        colours: One CSS colour a series.
        from_zero: Let the vertical axis begin at zero.
        x_ticks: (x, text) to write below instead of round numbers.
        dots: Mark the last point, and show the value of a point under the pointer.

    Returns:
        An SVG; series of over 240 points are thinned to the least and the greatest of each stretch.
    """
    clean = {name: [(x, y) for x, y in rows if isfinite(x) and isfinite(y)] for name, rows in series.items()}
    shades = [colours[i] if colours else series_colour(i) for i in range(len(clean))]
    head, top = legend(list(zip(clean, shades, strict=True)), width)
    xs, ys = (
        _span([x for rows in clean.values() for x, _ in rows]),
        _span([y for rows in clean.values() for _, y in rows]),
    )
    ticks = nice_ticks(0 if from_zero else ys[0], ys[1])
    left = max(text_width(tick_text(tick, ticks)) for tick in ticks) + 8
    y = Linear(ticks[0], ticks[-1], height - (36 if x_name else 22), top + 8)
    x = Linear(*xs, left + 4, width - 8)
    body = [head, value_axis(y, ticks, left, width), _below(x, y.start, x_ticks, xs)]
    body += [label((left + width) / 2, height - 4, x_name, "middle")] if x_name else []
    body += [_series(name, rows, x, y, shade, dots) for (name, rows), shade in zip(clean.items(), shades, strict=True)]
    return figure(width, height, body, title, "; ".join(_words(name, rows) for name, rows in clean.items()))


def sparkline(
    values: Sequence[float], *, title: str, width: float = 96, height: float = 24, colour: str = "var(--c1)"
) -> str:
    """A line without axes, its last value marked.

    Args:
        values: Values at equal distances.
        title: Accessible name.
        width: Width, px.
        height: Height, px.
        colour: CSS colour.

    Returns:
        An SVG.
    """
    rows = [(float(index), value) for index, value in enumerate(values) if isfinite(value)]
    xs, ys = _span([x for x, _ in rows]), _span([y for _, y in rows])
    x, y = Linear(*xs, 2, width - 4), Linear(*ys, height - 4, 4)
    body = [_path(rows, x, y, colour, 1.5)]
    body += [element("circle", cx=x(rows[-1][0]), cy=y(rows[-1][1]), r=2.5, fill=colour)] if rows else []
    return figure(width, height, body, title, _words("values", rows), class_="spark")


def thin(rows: Points, most: int = MOST_POINTS) -> list[tuple[float, float]]:
    """At most about `most` points: of each stretch the least and the greatest, so that no spike is lost."""
    if len(rows) <= most:
        return list(rows)
    size = 2 * len(rows) / most
    stretches = [rows[int(i * size) : int((i + 1) * size)] for i in range(most // 2)]
    kept = {index for stretch in stretches if stretch for index in (min(stretch, key=_y), max(stretch, key=_y))}
    return sorted({rows[0], rows[-1], *kept})


def _y(point: tuple[float, float]) -> float:
    return point[1]


def _span(values: Sequence[float]) -> tuple[float, float]:
    return (min(values), max(values)) if values else (0.0, 1.0)


def _below(x: Linear, bottom: float, named: Sequence[tuple[float, str]], span: tuple[float, float]) -> str:
    if named:
        return "".join(label(x(at), bottom + 15, text, "middle") for at, text in named)
    ticks = [tick for tick in nice_ticks(*span) if span[0] <= tick <= span[1]] or [span[0]]
    return bottom_axis(x, ticks, bottom, bottom, wording.compact)


def _series(name: str, rows: Points, x: Linear, y: Linear, colour: str, dotted: bool) -> str:
    if not dotted:
        return _path(rows, x, y, colour, 2)
    dots = thin(rows, 40)
    spots = [
        mark("circle", f"{name} at {at:,g}: {value:,.4g}", cx=x(at), cy=y(value), r=7, fill="transparent")
        for at, value in dots
    ]
    last = element("circle", cx=x(rows[-1][0]), cy=y(rows[-1][1]), r=3, fill=colour) if rows else ""
    return _path(rows, x, y, colour, 2) + last + "".join(spots)


def _path(rows: Points, x: Linear, y: Linear, colour: str, stroke: float) -> str:
    places = [f"{number(x(at))} {number(y(value))}" for at, value in thin(rows)]
    way = "M" + "L".join(places) if places else "M0 0"
    return element(
        "path", d=way, fill="none", stroke=colour, stroke_width=stroke, stroke_linejoin="round", stroke_linecap="round"
    )


def _words(name: str, rows: Points) -> str:
    if not rows:
        return f"{name}: no points"
    low, high = min(rows, key=_y), max(rows, key=_y)
    ends = f"from {rows[0][1]:,.4g} to {rows[-1][1]:,.4g}"
    extremes = f"least {low[1]:,.4g} at {low[0]:,g}, greatest {high[1]:,.4g} at {high[0]:,g}"
    return f"{name}: {len(rows)} points, {ends}, {extremes}"
