"""The evaluation section: all candidates side by side on the same test split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from intermodal.report import wording
from intermodal.report.charts import Interval, interval_plot
from intermodal.report.scores import Evaluation
from intermodal.report.views.errors import worst_errors
from intermodal.report.views.parts import Block, Blocks, Cell, Column, Row, Section, Table, cells
from intermodal.report.views.score_charts import calibrations, candidate_colour, classes, confusions, rocs, slices

# (title, attribute, digits, whether less is better)
SCORES = (
    ("Macro F1", "macro_f1", 3, False),
    ("QWK", "qwk", 3, False),
    ("MAE", "mae", 3, True),
    ("ECE", "ece", 3, True),
    ("AUC", "macro_auc", 3, False),
)


def evaluation_section(evaluations: Sequence[Evaluation]) -> Section | None:
    """The section on evaluation.

    Args:
        evaluations: One a candidate; the last is taken as the one the reader came for.

    Returns:
        The section, or None without candidates.
    """
    if not evaluations:
        return None
    cards = tuple(card for make in (confusions, classes, calibrations, slices, rocs) for card in make(evaluations))
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
        swatch = Markup('<span class="named"><span class="swatch" style="background:{}"></span>{}</span>').format(
            candidate_colour(index), e.name
        )
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
