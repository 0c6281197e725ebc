"""Rows that a model was most sure of, and wrong about: what a person reads to learn where it fails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from markupsafe import Markup

from intermodal.report import wording
from intermodal.report.scores import Evaluation
from intermodal.report.views.parts import Block, Cell, Column, Row, Table, cells

MOST_ERRORS = 12
MOST_TEXT = 1500  # characters of one review


def worst_errors(evaluations: Sequence[Evaluation]) -> Iterator[Block]:
    """The worst errors of the last candidate that has any.

    Args:
        evaluations: One a candidate.

    Yields:
        At most one block.
    """
    for e in evaluations[::-1]:
        if e.worst_errors:
            rows = tuple(Row(_error(error)) for error in e.worst_errors[:MOST_ERRORS])
            columns = (Column("Review"), Column("True"), Column("Predicted"), Column("Confidence", True))
            table = Table(f"Worst errors of {e.name}", columns, rows, "stack sortable")
            yield Block(title=f"Where {e.name} was most sure, and wrong", table=table)
            return


def _error(error: dict[str, Any]) -> tuple[Cell, ...]:
    text = str(error.get("text") or error.get("review_body") or error.get("review_id") or "")
    sure = error.get("confidence", error.get("probability"))
    shown = wording.share(sure, 0) if isinstance(sure, int | float) else ""
    true, predicted = (_star(error.get(name)) for name in ("label", "predicted"))
    return cells(Cell(text[:MOST_TEXT], long=len(text) > 160), true, predicted, Cell(shown, sure if shown else None))


def _star(value: Any) -> Cell:
    text = str(value if value is not None else "")
    return Cell(Markup('<span class="stars">{}★</span>').format(text) if text.isdigit() else text, text)
