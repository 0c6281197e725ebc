"""Histograms over bins that the caller has counted."""

from __future__ import annotations

from collections.abc import Sequence

from intermodal.report import wording
from intermodal.report.charts.axes import category_labels
from intermodal.report.charts.scale import Linear
from intermodal.report.charts.svg import figure, label, line, mark


def histogram(
    edges: Sequence[float], counts: Sequence[float], *, title: str, unit: str = "", width: float = 328,
    height: float = 170, marker: tuple[str, float] | None = None, skip_empty: bool = False,
) -> str:  # fmt: skip
    """Adjacent columns, each as wide as the next, with the lower edge of every bin below its left side.

    Bins may grow (1, 2, 4, 8 …): equal columns then show a long tail that a linear axis would hide, and the
    edges below say so.

    Args:
        edges: Lower edges of the bins and the upper edge of the last, shape (bins + 1,); rising.
        counts: Rows a bin, shape (bins,).
        title: Accessible name.
        unit: What the edges count, for the tooltips.
        width: Width, px.
        height: Height, px.
        marker: (name, value) of a vertical reference line, such as the median.
        skip_empty: Leave out empty bins before the first that is not.

    Returns:
        An SVG.
    """
    while skip_empty and len(counts) > 1 and not counts[0]:
        edges, counts = edges[1:], counts[1:]
    bottom, total = height - 22, sum(counts) or 1
    step = width / max(1, len(counts))
    scale = Linear(0, max([*counts, 1]), bottom, 22)
    body, words = [line(0, bottom, width, bottom, "axis")], []
    for index, value in enumerate(counts):
        span = _span(edges[index], edges[index + 1], index == len(counts) - 1, unit)
        words.append(f"{span}: {wording.share(value / total)}")
        tip, y = f"{span}: {wording.count(value)} ({wording.share(value / total)})", scale(value)
        body.append(
            mark("rect", tip, x=index * step + 0.5, y=y, width=max(step - 1, 1), height=bottom - y, fill="var(--c1)")
        )
    names = [wording.compact(edge) for edge in edges[:-1]]
    body.append(category_labels(names, [(index + 0.5) * step for index in range(len(counts))], height - 6, step))
    if marker:
        body += _marker(marker, edges, step, bottom, width)
    elif counts:
        top = max(range(len(counts)), key=lambda index: counts[index])
        place = min(max((top + 0.5) * step, 14), width - 14)
        body.append(label(place, 16, wording.share(counts[top] / total, 0), "middle", "v"))
    return figure(width, height, body, title, "; ".join(words))


def _marker(marker: tuple[str, float], edges: Sequence[float], step: float, bottom: float, width: float) -> list[str]:
    """A dashed line at a value, placed inside its bin in proportion."""
    name, value = marker
    index = max((i for i in range(len(edges) - 1) if edges[i] <= value), default=0)
    inside = min(1.0, (value - edges[index]) / ((edges[index + 1] - edges[index]) or 1))
    x = min(max((index + inside) * step, 0), width)
    anchor = "end" if x > width / 2 else "start"
    return [line(x, 6, x, bottom, "reference"), label(x + (-5 if anchor == "end" else 5), 14, name, anchor, "v")]


def _span(low: float, high: float, last: bool, unit: str) -> str:
    """A bin in words; bins of whole numbers that hold one value name just that."""
    if last:
        text = f"{low:,g} or more"
    elif float(low).is_integer() and float(high).is_integer():
        text = f"{low:,g}" if high - low == 1 else f"{low:,g}{wording.DASH}{high - 1:,g}"
    else:
        text = f"{low:,g}{wording.DASH}{high:,g}"
    return f"{text} {unit}".strip()
