"""Charts of the evaluation, each for all candidates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from markupsafe import Markup

from intermodal.report import wording
from intermodal.report.charts import (
    Interval,
    calibration_plot,
    confusion_matrix,
    heatmap,
    interval_plot,
    line_chart,
)
from intermodal.report.charts.legend import rating_colour, series_colour
from intermodal.report.scores import Evaluation
from intermodal.report.views.parts import Card, chart

SLICES = {"by_length": "Does length matter?", "by_category": "Does the category matter?"}


def candidate_colour(index: int) -> str:
    """Colour of the n-th candidate, the same in every chart."""
    return series_colour(index)


def confusions(evaluations: Sequence[Evaluation]) -> Iterator[Card]:
    """The confusion matrix of every candidate."""
    for e in evaluations:
        if e.confusion:
            drawing = confusion_matrix(e.class_names(), e.confusion, title=f"Confusion matrix of {e.name}")
            yield Card(f"What {e.name} confuses", chart(drawing), f"Share of each true rating.{_near(e)}")


def calibrations(evaluations: Sequence[Evaluation]) -> Iterator[Card]:
    """How sure every candidate is, and how sure it should be."""
    for index, e in enumerate(evaluations):
        bins = [
            (b.confidence, b.accuracy, b.count)
            for b in e.calibration
            if b.confidence is not None and b.accuracy is not None
        ]
        if bins:
            drawing = calibration_plot(bins, title=f"Calibration of {e.name}", colour=candidate_colour(index))
            error = f"; mean gap {wording.decimal(e.ece)}" if e.ece is not None else ""
            yield Card(f"Is {e.name} as sure as it should be?", chart(drawing), f"Band: 95% interval{error}.")


def _near(e: Evaluation) -> str:
    return (
        f" {wording.share(e.within_one.value, 0)} are at most one star off." if e.within_one.value is not None else ""
    )


def classes(evaluations: Sequence[Evaluation]) -> Iterator[Card]:
    """F1 and precision of each class, candidates below one another."""
    known = [e for e in evaluations if e.per_class]
    if known:
        drawings = [chart(_by_class(known, score, name)) for score, name in (("f1", "F1"), ("precision", "Precision"))]
        note = "The stronger the colour, the better. Recall is the diagonal of the confusion matrix."
        yield Card("Which ratings are hard?", Markup("").join(drawings), note)


def _by_class(known: Sequence[Evaluation], score: str, name: str) -> str:
    """One score of every class for every candidate."""
    labels = [item.label for item in known[0].per_class]
    values = [[getattr(item, score) or 0.0 for item in e.per_class] for e in known]
    texts = [[wording.decimal(getattr(item, score), 2) for item in e.per_class] for e in known]
    tips = [[_class_words(e.name, item) for item in e.per_class] for e in known]
    rows = [e.name for e in known]
    return heatmap(rows, labels, values, title=f"{name} by class", texts=texts, tips=tips, row_name=name, cell=36.0)


def rocs(evaluations: Sequence[Evaluation]) -> Iterator[Card]:
    """ROC curves of every candidate, one a rating."""
    for e in evaluations:
        curves = {curve.label: list(curve.points) for curve in e.roc if curve.points}
        if curves:
            shades = [rating_colour(index, len(curves)) for index in range(len(curves))]
            drawing = line_chart(
                curves,
                title=f"ROC curves of {e.name}",
                x_name="false positive rate",
                colours=shades,
                height=250,
                dots=False,
            )
            note = f"Each rating against the rest; mean area {wording.decimal(e.macro_auc)}."
            yield Card(f"How {e.name} tells ratings apart", chart(drawing), note)


def _class_words(name: str, item: Any) -> str:
    scores = ", ".join(f"{score} {wording.decimal(getattr(item, score))}" for score in ("precision", "recall", "f1"))
    return f"{name}, {item.label}: {scores}, {wording.count(item.support)} reviews"


def slices(evaluations: Sequence[Evaluation]) -> Iterator[Card]:
    """Accuracy on parts of the test split, candidates side by side."""
    for group in dict.fromkeys(name for e in evaluations for name in e.slices):
        rows = [
            Interval(
                part.name.replace("_", " ") if first else "",
                part.accuracy,
                part.low,
                part.high,
                note,
                candidate_colour(index),
            )
            for name in dict.fromkeys(part.name for e in evaluations for part in e.slices.get(group, ()))
            for first, index, part, note in _parts(evaluations, group, name)
        ]
        if len(rows) > len(evaluations):
            title = SLICES.get(group, group.replace("_", " ").capitalize())
            names = [(e.name, candidate_colour(i)) for i, e in enumerate(evaluations)]
            drawing = interval_plot(rows, title=f"Accuracy {group.replace('_', ' ')}", names=names)
            yield Card(title, chart(drawing), "Accuracy with its 95% interval.")


def _parts(evaluations: Sequence[Evaluation], group: str, name: str) -> Iterator[tuple[bool, int, Any, str]]:
    """One part of the test split for every candidate: (is the first, candidate, part, tooltip)."""
    found = [
        (i, e, p)
        for i, e in enumerate(evaluations)
        for p in e.slices.get(group, ())
        if p.name == name and p.accuracy is not None
    ]
    for place, (index, e, part) in enumerate(found):
        yield place == 0, index, part, f"{e.name}, {part.name}, {wording.count(part.rows)} reviews"
