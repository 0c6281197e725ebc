"""Trials of a search: parallel coordinates, one upright axis a parameter, the score on the last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log10
from typing import Any

from intermodal.report import wording
from intermodal.report.charts.scale import Linear
from intermodal.report.charts.svg import element, figure, label, line, number, plain, shorten

_TOP, _BOTTOM, _SIDE = 40.0, 24.0, 76.0
_WIDE = 10.0  # a positive axis whose ends differ by this factor is drawn by magnitude


@dataclass(frozen=True)
class Axis:
    """One upright axis.

    Attributes:
        name: Its name, above it.
        places: Height of each trial's value, 0 (bottom) to 1; None where a trial has none.
        low: What stands at the bottom.
        high: What stands at the top.
    """

    name: str
    places: tuple[float | None, ...]
    low: str
    high: str


def axis_of(name: str, values: Sequence[Any]) -> Axis:
    """An axis for the values of one parameter: numbers by size or magnitude, others at equal distances."""
    known = [item for item in values if item is not None]
    if known and all(isinstance(item, int | float) and not isinstance(item, bool) for item in known):
        low, high = min(known), max(known)
        raised = low > 0 and high >= _WIDE * low
        scale = Linear(log10(low) if raised else low, log10(high) if raised else high, 0.0, 1.0)
        places = tuple(None if item is None else scale(log10(item) if raised else item) for item in values)
        return Axis(name, places, wording.anything(low), wording.anything(high))
    texts = sorted({wording.anything(item) for item in known})
    share = {text: index / max(1, len(texts) - 1) for index, text in enumerate(texts)}
    places = tuple(None if item is None else share[wording.anything(item)] for item in values)
    return Axis(name, places, texts[0] if texts else "", texts[-1] if texts else "")


def parallel_coordinates(
    parameters: Mapping[str, Sequence[Any]], scores: Sequence[float | None], *, title: str, score_name: str,
    best: int, width: float = 328, height: float = 220,
) -> str:  # fmt: skip
    """A line a trial through its values and its score.

    Args:
        parameters: Name → the value of every trial; None where it has none.
        scores: The score of every trial; those without one are not drawn.
        title: Accessible name.
        score_name: Name of the last axis.
        best: Position of the best trial, which is drawn strongly and last.
        width: Width, px.
        height: Height, px.

    Returns:
        An SVG.
    """
    axes = [*(axis_of(name, values) for name, values in parameters.items()), axis_of(score_name, scores)]
    across = Linear(0, max(1, len(axes) - 1), _SIDE, width - _SIDE)
    up = Linear(0, 1, height - _BOTTOM, _TOP)
    order = [index for index in range(len(scores)) if scores[index] is not None and index != best]
    drawn = [*order, *([best] if 0 <= best < len(scores) and scores[best] is not None else [])]
    body = [_axis(axis, across(index), up, width / max(1, len(axes))) for index, axis in enumerate(axes)]
    body += [_trial(axes, index, across, up, index == best) for index in drawn]
    best_words = (
        f"best: trial {best}, {score_name} {wording.anything(scores[best])}" if drawn else "no trial has a score"
    )
    return figure(width, height, body, title, f"{len(drawn)} trials over {', '.join(parameters)}; {best_words}")


def _axis(axis: Axis, x: float, up: Linear, room: float) -> str:
    marks = [line(x, up.start, x, up.end, "axis")]
    marks.append(label(x, up.end - 24, shorten(axis.name, room - 4), "middle", "v", tip=axis.name))
    marks.append(label(x, up.end - 7, shorten(axis.high, room - 4), "middle"))
    marks.append(label(x, up.start + 13, shorten(axis.low, room - 4), "middle"))
    return "".join(marks)


def _trial(axes: Sequence[Axis], index: int, across: Linear, up: Linear, best: bool) -> str:
    points = [(across(at), axis.places[index]) for at, axis in enumerate(axes)]
    way = "L".join(f"{number(x)} {number(up(y))}" for x, y in points if y is not None)
    colour = "var(--c2)" if best else "var(--c1)"
    tip = element("title", plain(f"trial {index}{', the best' if best else ''}"))
    return element(
        "path", tip, d=f"M{way}", fill="none", stroke=colour, stroke_width=3 if best else 1.25,
        opacity=1 if best else "0.45", stroke_linejoin="round", class_="m",
    )  # fmt: skip
