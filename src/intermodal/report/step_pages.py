"""The pages of the steps `drift`, `choose`, `batch_predict` and `register`, in the style of the run's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from intermodal.report import wording
from intermodal.report.charts import columns, histogram, stacked_bars
from intermodal.report.page import render
from intermodal.report.views.data import RATING_COLOURS, STARS
from intermodal.report.views.parts import Block, Blocks, Card, Cell, Column, Page, Row, Section, Table, cells, chart

_ALIKE = ("reference", "new")
_MANY = 12  # categories shown


def build_drift_page(
    shifts: Sequence[Mapping[str, Any]], reference: Mapping[str, Any], current: Mapping[str, Any], verdict: str
) -> str:
    """The page of `drift`.

    Args:
        shifts: `Shift.to_json` of each property; empty when there was nothing to compare with.
        reference: Counts of the training data; empty likewise.
        current: Counts of the new data.
        verdict: One sentence.

    Returns:
        A whole HTML document.
    """
    named = ("Property", "Measure", "Value", "Threshold", "Chance explains", "Moved")
    rows = tuple(Row(cells(*_shift_cells(shift))) for shift in shifts)
    table = Table("How far each property has moved", tuple(Column(name, name in named[2:5]) for name in named), rows)
    cards = tuple(_compared(name, reference, current) for name in ("rating", "length", "category") if reference)
    blocks = Blocks(cards, (Block(table=table),) if rows else ())
    return render(Page("Drift", (Section("drift", "Drift", blocks, verdict),), crumb="drift"))


def build_choice_page(ranking: Sequence[Mapping[str, Any]], metric: str) -> str:
    """The page of `choose`.

    Args:
        ranking: What `intermodal.text.choice.table` returned.
        metric: What was chosen by.

    Returns:
        A whole HTML document.
    """
    others = sorted({name for item in ranking for name in item["scores"]} - {metric, "rows"})
    heads = (Column("Place", True), Column("Model"), Column("Kind"), *(Column(n, True) for n in (metric, *others)))
    rows = tuple(
        Row(cells(str(item["place"]), item["name"], item["kind"], *(_score(item, n) for n in (metric, *others))))
        for item in ranking
    )
    table = Table("Models by their score", heads, rows, "sortable")
    lead = f"{ranking[0]['name']} is the best of {len(ranking)} by {metric}"
    section = Section("choice", "Choice", Blocks(blocks=(Block(table=table),)), lead)
    return render(Page("Choice", (section,), crumb="choose"))


def build_batch_page(
    ratings: Mapping[str, int], confidence: Sequence[int], categories: Mapping[str, Mapping[str, int]], lead: str
) -> str:
    """The page of `batch_predict`.

    Args:
        ratings: Predicted rating → reviews.
        confidence: Reviews in equal bins of confidence from 0 to 1.
        categories: Category → predicted rating → reviews.
        lead: One sentence.

    Returns:
        A whole HTML document.
    """
    items = list(zip(STARS, _by_star(ratings), strict=True))
    cards = [Card("Predicted ratings", chart(columns(items, title="Ratings", colours=RATING_COLOURS, shares=True)))]
    edges = [number / len(confidence) for number in range(len(confidence) + 1)]
    cards.append(Card("How sure is the model?", chart(histogram(edges, confidence, title="Confidence"))))
    largest = sorted(categories.items(), key=lambda item: (-sum(item[1].values()), item[0]))[:_MANY]
    if len(largest) > 1:
        rows = [(name.replace("_", " "), _by_star(found)) for name, found in largest]
        cards.append(Card("Predicted ratings by category", chart(stacked_bars(rows, STARS, title="By category"))))
    section = Section("predictions", "Predictions", Blocks(tuple(cards)), lead)
    return render(Page("Batch prediction", (section,), crumb="batch_predict"))


def build_registration_page(facts: Mapping[str, Any]) -> str:
    """The page of `register`.

    Args:
        facts: What `decision_facts` returned.

    Returns:
        A whole HTML document.
    """
    rows = tuple(
        Row(cells(name, _number(pair.get("candidate")), _number(pair.get("champion"))))
        for name, pair in {"accuracy": _accuracies(facts), **facts["compared"]}.items()
    )
    heads = (Column("Score"), Column("Candidate", True), Column("Champion", True))
    table = Table("Candidate and champion on the same test split", heads, rows)
    lead = f"{facts['decision']}: {'; '.join(facts['reasons'])}"
    section = Section("gate", "Champion gate", Blocks(blocks=(Block(table=table),)), lead)
    return render(Page(f"{facts['registered_model']}@{facts['alias']}", (section,), crumb="register"))


def _by_star(found: Mapping[str, int]) -> list[float]:
    return [float(found.get(str(star), 0)) for star in range(1, 6)]


def _accuracies(facts: Mapping[str, Any]) -> dict[str, float | None]:
    champion = facts.get("champion") or {}
    return {"candidate": facts["accuracy"]["value"], "champion": champion.get("value")}


def _number(value: float | None) -> Cell:
    return Cell("") if value is None else Cell(wording.decimal(value, 4), value)


def _score(item: Mapping[str, Any], name: str) -> Cell:
    return _number(item["scores"].get(name))


def _shift_cells(shift: Mapping[str, Any]) -> tuple[str | Cell, ...]:
    figures = (Cell(wording.decimal(shift[name], 4), shift[name]) for name in ("value", "threshold", "chance"))
    return (shift["name"], shift["measure"], *figures, "yes" if shift["drifted"] else "no")


def _compared(name: str, reference: Mapping[str, Any], current: Mapping[str, Any]) -> Card:
    """Shares of a property's cells, in the training data and in the new data."""
    found = list(dict.fromkeys([*reference[name], *current[name]]))
    largest = sorted(found, key=lambda cell: -(reference[name].get(cell, 0) + current[name].get(cell, 0)))[:_MANY]
    parts = [cell for cell in found if cell in largest]
    sides = zip(_ALIKE, (reference, current), strict=True)
    rows = [(side, [float(counts[name].get(cell, 0)) for cell in parts]) for side, counts in sides]
    return Card(f"How is {name} distributed?", chart(stacked_bars(rows, parts, title=f"Shares of {name}")))
