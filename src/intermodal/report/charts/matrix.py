"""Heatmaps, and the confusion matrix as one."""

from __future__ import annotations

from collections.abc import Sequence

from intermodal.report import wording
from intermodal.report.charts.axes import label_column, left_labels
from intermodal.report.charts.svg import figure, label, mark, shorten

LIGHTEST, DEEPEST = 4, 68  # percent of the deep colour: ink on the deepest still has a contrast of 4.5


def heatmap(
    rows: Sequence[str], columns: Sequence[str], values: Sequence[Sequence[float]], *, title: str,
    texts: Sequence[Sequence[str]] = (), tips: Sequence[Sequence[str]] = (), row_name: str = "", column_name: str = "",
    width: float = 328, cell: float = 44.0,
) -> str:  # fmt: skip
    """A table of shaded cells.

    Args:
        rows: Names of the rows, top to bottom.
        columns: Names of the columns, left to right.
        values: Shades 0..1, shape (rows, columns).
        title: Accessible name.
        texts: What is written in each cell; the shade as a percentage by default.
        tips: Tooltip of each cell.
        row_name: What the rows are.
        column_name: What the columns are, above them.
        width: Width, px.
        cell: Height of a cell, px.

    Returns:
        An SVG.
    """
    left = label_column([*rows, row_name], width * 0.3) + 8
    top = 34.0 if column_name else 18.0
    size = (width - left) / max(1, len(columns))
    body = [label(left + (width - left) / 2, 11, column_name, "middle")] if column_name else []
    body += [label(left - 8, top - 5, row_name, "end")] if row_name else []
    body += [
        label(left + (i + 0.5) * size, top - 5, shorten(name, size), "middle", "k") for i, name in enumerate(columns)
    ]
    body.append(left_labels(rows, [top + (i + 0.5) * cell + 4 for i in range(len(rows))], left - 8))
    for i, shades in enumerate(values):
        for j, shade in enumerate(shades):
            text = texts[i][j] if texts else wording.share(shade, 0)
            tip = tips[i][j] if tips else f"{rows[i]}, {columns[j]}: {text}"
            body.append(_cell(left + j * size, top + i * cell, size - 2, cell - 2, shade, text, tip))
    return figure(width, top + len(rows) * cell, body, title, _words(rows, columns, values, row_name, column_name))


def confusion_matrix(labels: Sequence[str], matrix: Sequence[Sequence[int]], *, title: str, width: float = 328) -> str:
    """True classes against predicted ones; shaded by the share of the true class, so that rows compare.

    Args:
        labels: Class names, in the order of the matrix.
        matrix: Counts of shape (classes, classes): row = true class, column = predicted class.
        title: Accessible name.
        width: Width, px.

    Returns:
        An SVG.
    """
    shares = [[value / (sum(row) or 1) for value in row] for row in matrix]
    texts = [[f"{share:.0%}" for share in row] for row in shares]
    tips = [
        [
            f"true {labels[i]}, predicted {labels[j]}: {wording.count(n)} ({wording.share(shares[i][j])})"
            for j, n in enumerate(row)
        ]
        for i, row in enumerate(matrix)
    ]
    cell = 44.0 if len(labels) <= 6 else 28.0
    return heatmap(
        labels, labels, shares, title=title, texts=texts, tips=tips, row_name="true", column_name="predicted",
        width=width, cell=cell,
    )  # fmt: skip


def shade_style(shade: float) -> str:
    """Fill of a cell: from the surface to the deep series colour, in both themes."""
    strength = max(0.0, min(1.0, shade))
    percent = round(LIGHTEST + strength * (DEEPEST - LIGHTEST))
    return f"fill:color-mix(in oklab,var(--deep) {percent}%,var(--surface))"


def _cell(x: float, y: float, width: float, height: float, shade: float, text: str, tip: str) -> str:
    box = mark("rect", tip, x=x, y=y, width=max(width, 1), height=height, rx=3, style=shade_style(shade))
    return box + label(x + width / 2, y + height / 2 + 4, text, "middle", "v")


def _words(
    rows: Sequence[str], columns: Sequence[str], values: Sequence[Sequence[float]], row_name: str, column_name: str
) -> str:
    found = []
    for name, shades in zip(rows[:12], values, strict=False):
        pairs = zip(columns, shades, strict=False)
        cells = ", ".join(f"{column_name} {column} {wording.share(shade, 0)}".strip() for column, shade in pairs)
        found.append(f"{row_name} {name}: {cells}".strip())
    return "; ".join(found)
