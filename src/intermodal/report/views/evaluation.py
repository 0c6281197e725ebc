"""The evaluation section: all candidates side by side on the same test split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from markupsafe import Markup

from intermodal.report import wording
from intermodal.report.charts import Interval, calibration_plot, confusion_matrix, heatmap, interval_plot
from intermodal.report.charts.legend import series_colour
from intermodal.report.sections import Evaluation
from intermodal.report.views.errors import worst_errors
from intermodal.report.views.parts import Block, Blocks, Card, Cell, Column, Row, Section, Table, cells, chart

# (title, attribute, digits, whether less is better)
SCORES = (
    ("Macro F1", "macro_f1", 3, False),
    ("QWK", "qwk", 3, False),
    ("MAE", "mae", 3, True),
    ("ECE", "ece", 3, True),
)
SLICES = {"by_length": "Does length matter?", "by_category": "Does the category matter?"}


def evaluation_section(evaluations: Sequence[Evaluation]) -> Section | None:
    """The section on evaluation.

    Args:
        evaluations: One a candidate; the last is taken as the one the reader came for.

    Returns:
        The section, or None without candidates.
    """
    if not evaluations:
        return None
    cards = tuple(card for make in (_confusions, _classes, _calibrations, _slices) for card in make(evaluations))
    blocks = (Block(table=_scores(evaluations)), Block(cards=cards), *worst_errors(evaluations))
    rows = evaluations[0].rows
    lead = f"on {wording.count(rows)} held-out reviews" if rows else ""
    return Section("evaluation", "Evaluation", Blocks(blocks=blocks, warnings=tuple(_warnings(evaluations))), lead)


def accuracy_plot(
    evaluations: Sequence[Evaluation], chosen: str = "", champion: float | None = None, width: float = 328
) -> str:
    """Accuracy of all candidates with their intervals, the champion's as a line."""
    rows = [
        Interval(
            e.name or e.kind,
            e.accuracy.value,
            e.accuracy.low,
            e.accuracy.high,
            e.kind,
            candidate_colour(i),
            e.name == chosen,
        )
        for i, e in enumerate(evaluations)
        if e.accuracy.value is not None
    ]
    name = "champion before" if champion is not None else ""
    return interval_plot(rows, title="Accuracy of the candidates", reference=champion, reference_name=name, width=width)


def candidate_colour(index: int) -> str:
    """Colour of the n-th candidate, the same in every chart."""
    return series_colour(index)


def _warnings(evaluations: Sequence[Evaluation]) -> Iterator[str]:
    if len({e.test_digest for e in evaluations if e.test_digest}) > 1:
        yield "The candidates were not tested on the same rows: their scores do not compare."


def _scores(evaluations: Sequence[Evaluation]) -> Table:
    columns = [Column("Candidate"), Column("Kind"), Column("Accuracy", True), Column("95% interval", True)]
    columns += [Column(title, True) for title, *_ in SCORES]
    best = {name: _best([getattr(e, name) for e in evaluations], less) for _, name, _, less in SCORES}
    top = _best([e.accuracy.value for e in evaluations], False)
    rows = []
    for index, e in enumerate(evaluations):
        swatch = Markup('<span class="swatch" style="background:{}"></span>{}').format(candidate_colour(index), e.name)
        between = f"{wording.decimal(e.accuracy.low)} {wording.DASH} {wording.decimal(e.accuracy.high)}"
        scores = [_score(getattr(e, name), digits, best[name]) for _, name, digits, _ in SCORES]
        accuracy = _score(e.accuracy.value, 3, top)
        rows.append(Row(cells(Cell(swatch, e.name), e.kind, accuracy, Cell(between, e.accuracy.low), *scores)))
    return Table("Scores of the candidates", tuple(columns), tuple(rows), "sortable stack")


def _score(value: float | None, digits: int, best: float | None) -> Cell:
    text = wording.decimal(value, digits)
    return Cell(
        Markup('<span class="best">{}</span>').format(text) if value is not None and value == best else text, value
    )


def _best(values: Sequence[float | None], less: bool) -> float | None:
    known = [value for value in values if value is not None]
    return (min if less else max)(known) if len(known) > 1 else None


def _confusions(evaluations: Sequence[Evaluation]) -> Iterator[Card]:
    for e in evaluations:
        if e.confusion:
            drawing = confusion_matrix(e.class_names(), e.confusion, title=f"Confusion matrix of {e.name}")
            yield Card(f"What {e.name} confuses", chart(drawing), "Share of each true rating; rows sum to 100%.")


def _calibrations(evaluations: Sequence[Evaluation]) -> Iterator[Card]:
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


def _classes(evaluations: Sequence[Evaluation]) -> Iterator[Card]:
    known = [e for e in evaluations if e.per_class]
    if known:
        drawings = [chart(_by_class(known, score, name)) for score, name in (("f1", "F1"), ("precision", "Precision"))]
        note = "Darker is better; the share found of each rating (recall) is the diagonal of the confusion matrix."
        yield Card("Which ratings are hard?", Markup("").join(drawings), note)


def _by_class(known: Sequence[Evaluation], score: str, name: str) -> str:
    """One score of every class for every candidate."""
    labels = [item.label for item in known[0].per_class]
    values = [[getattr(item, score) or 0.0 for item in e.per_class] for e in known]
    texts = [[wording.decimal(getattr(item, score), 2) for item in e.per_class] for e in known]
    tips = [[_class_words(e.name, item) for item in e.per_class] for e in known]
    rows = [e.name for e in known]
    return heatmap(rows, labels, values, title=f"{name} by class", texts=texts, tips=tips, row_name=name, cell=36.0)


def _class_words(name: str, item: Any) -> str:
    scores = ", ".join(f"{score} {wording.decimal(getattr(item, score))}" for score in ("precision", "recall", "f1"))
    return f"{name}, {item.label}: {scores}, {wording.count(item.support)} reviews"


def _slices(evaluations: Sequence[Evaluation]) -> Iterator[Card]:
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
