"""Charts as pure functions: data in, one SVG string out.

No script, no stylesheet of their own, no state. Colours are CSS custom properties (`--c1` … `--c6` for
series, `--r1` … `--r5` for ratings, `--ink`, `--muted`, `--line`, `--surface`), which the page defines for
light and dark. A chart is drawn for the width it will have (328 px in a card), so that its text is never scaled
below what can be read on a phone. Every mark says its value in a `<title>`, and every
chart says its content in words in its `<desc>`.
"""

from __future__ import annotations

from intermodal.report.charts.bars import columns, horizontal_bars, stacked_bars, stacked_columns
from intermodal.report.charts.calibration import calibration_plot
from intermodal.report.charts.coordinates import parallel_coordinates
from intermodal.report.charts.dag import DagNode, draw_dag
from intermodal.report.charts.histogram import histogram
from intermodal.report.charts.intervals import Interval, interval_plot
from intermodal.report.charts.lines import line_chart, sparkline
from intermodal.report.charts.matrix import confusion_matrix, heatmap
from intermodal.report.charts.quantiles import Quantiles, quantile_strips
from intermodal.report.charts.scatter import scatter

NARROW = 328  # width of a card's inside at 390 px of viewport, and of a third of the page on a desktop

__all__ = [
    "NARROW",
    "DagNode",
    "Interval",
    "Quantiles",
    "calibration_plot",
    "columns",
    "confusion_matrix",
    "draw_dag",
    "heatmap",
    "histogram",
    "horizontal_bars",
    "interval_plot",
    "line_chart",
    "parallel_coordinates",
    "quantile_strips",
    "scatter",
    "sparkline",
    "stacked_bars",
    "stacked_columns",
]
