"""The data section: the profile of the reviews as charts; also the whole page of the step `explore`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from intermodal.report import wording
from intermodal.report.charts import (
    NARROW,
    Quantiles,
    columns,
    histogram,
    horizontal_bars,
    line_chart,
    quantile_strips,
    stacked_bars,
    stacked_columns,
)
from intermodal.report.charts.legend import rating_colour
from intermodal.report.views.parts import Block, Blocks, Card, Cell, Column, Row, Section, Table, cells, chart

STARS = tuple(f"{star}★" for star in range(1, 6))
ENOUGH = 30  # reviews of a month from which its mean is shown
RATING_COLOURS = tuple(rating_colour(index) for index in range(5))


def data_section(profile: Mapping[str, Any]) -> Section | None:
    """The section on the data.

    Args:
        profile: `profile.json` of `explore`; parts of it may be missing.

    Returns:
        The section, or None when there is no profile.
    """
    if not profile.get("rows"):
        return None
    shown = tuple(card for make in (_ratings, _time, _texts, _people) for card in make(profile))
    blocks = tuple(Block(title=title, table=table) for title, table in _tables(profile) if table)
    dates = profile.get("dates") or {}
    lead = f"{wording.count(profile['rows'])} reviews"
    if dates.get("first"):
        lead += f", {dates['first']} to {dates['last']}"
    return Section("data", "Data", Blocks(shown, blocks), lead)


def _ratings(profile: Mapping[str, Any]) -> Iterator[Card]:
    rating, categories = profile.get("rating") or {}, profile.get("by_category") or []
    if rating.get("counts"):
        items = list(zip(STARS, rating["counts"].values(), strict=False))
        drawing = columns(items, title="Rating distribution", colours=RATING_COLOURS, shares=True)
        yield Card(
            "How are the ratings distributed?", chart(drawing), f"Mean {wording.decimal(rating.get('mean'), 2)} stars."
        )
    if len(categories) > 1:
        rows = [(group["name"].replace("_", " "), group["counts"]) for group in categories]
        notes = [wording.decimal(group["mean"], 2) for group in categories]
        drawing = stacked_bars(rows, STARS, title="Ratings by category", notes=notes, note_name="Right: mean rating")
        yield Card("How do categories differ?", chart(drawing), "At the right the mean rating.")


def _time(profile: Mapping[str, Any]) -> Iterator[Card]:
    years, months = profile.get("by_year") or [], profile.get("by_month") or []
    if len(years) > 1:
        drawing = stacked_columns([(group["name"], group["counts"]) for group in years], STARS, title="Ratings by year")
        yield Card("Do ratings change over the years?", chart(drawing), _drift(years))
    if len(months) > 1:
        yield Card("How many reviews are written a month?", chart(_over_time(months, "rows", "Reviews a month")))
    known = [month for month in months if month["rows"] >= ENOUGH and month["mean"] is not None]
    if len(known) >= 6:
        note = f"Months with at least {ENOUGH} reviews."
        yield Card("How does the mean rating move?", chart(_over_time(known, "mean", "Mean rating a month")), note)


def _texts(profile: Mapping[str, Any]) -> Iterator[Card]:
    length = profile.get("length") or {}
    for unit in ("words", "characters"):
        found = length.get(unit) or {}
        if found.get("histogram") and found.get("p50") is not None:
            marker = (f"median {found['p50']:,}", float(found["p50"]))
            drawing = histogram(**found["histogram"], title=f"Review length in {unit}", unit=unit, marker=marker)
            note = f"95% have at most {found['p95']:,}, the longest has {found['max']:,}. Bins double in width."
            yield Card(f"How long are reviews, in {unit}?", chart(drawing), note)
    split = (length.get("words") or {}).get("by_rating") or []
    rows = [_strip(row) for row in split if row.get("p50") is not None]
    if rows:
        drawing = quantile_strips(rows, title="Words by rating", unit="words")
        yield Card(
            "Which ratings come with more words?", chart(drawing), "Line 5–95%, bar the middle half, gap the median."
        )


def _people(profile: Mapping[str, Any]) -> Iterator[Card]:
    helpful, verified = profile.get("helpful") or {}, profile.get("verified") or {}
    if helpful.get("by_rating"):
        items = [(f"{row['rating']}★", row["mean"] or 0.0) for row in helpful["by_rating"]]
        drawing = columns(
            items, title="Helpful votes a review, by rating", colours=RATING_COLOURS, text=lambda v: f"{v:.2f}"
        )
        note = f"Mean votes a review; {wording.share(helpful.get('any'))} of all reviews have at least one."
        yield Card("Which reviews are found helpful?", chart(drawing), note)
    if (helpful.get("histogram") or {}).get("counts"):
        drawing = histogram(**helpful["histogram"], title="Helpful votes", unit="votes")
        yield Card(
            "How are helpful votes spread?", chart(drawing), f"{wording.count(helpful.get('votes'))} votes in all."
        )
    yield from _products(profile.get("products") or {})
    if verified.get("by_rating"):
        items = [(f"{row['rating']}★", row["share"] or 0.0) for row in verified["by_rating"]]
        drawing = columns(
            items, title="Verified purchases by rating", colours=RATING_COLOURS, text=lambda v: wording.share(v, 0)
        )
        yield Card(
            "Who bought what they reviewed?",
            chart(drawing),
            f"{wording.share(verified.get('share'))} of all reviews are of verified purchases.",
        )
    if profile.get("columns"):
        yield _gaps(profile["columns"])


def _products(products: Mapping[str, Any]) -> Iterator[Card]:
    if (products.get("histogram") or {}).get("counts"):
        drawing = histogram(**products["histogram"], title="Reviews a product", unit="reviews", skip_empty=True)
        note = f"{wording.count(products.get('distinct'))} products; bins double in width."
        yield Card("How many reviews does a product get?", chart(drawing), note)


def _gaps(found: Sequence[Mapping[str, Any]]) -> Card:
    """Columns with missing or blank values; the others are only counted."""
    gaps = [(row["name"], float(row["nulls"] + row["blank"])) for row in found if row["nulls"] + row["blank"]]
    gaps.sort(key=lambda item: -item[1])
    full = f"{len(found) - len(gaps)} of {len(found)} columns have a value in every row."
    drawing = horizontal_bars(gaps, title="Missing and blank values", label_room=0.44)
    body = chart(drawing) if gaps else Markup('<p class="empty">None: no value is missing or blank.</p>')
    return Card("Which columns have gaps?", body, f"Missing or blank values. {full}" if gaps else full)


def _tables(profile: Mapping[str, Any]) -> Iterator[tuple[str, Table | None]]:
    """The most reviewed products."""
    products = profile.get("products") or {}
    rows = tuple(
        Row(
            cells(
                str(row["title"] or row["product_id"]),
                Cell(wording.count(row["rows"]), row["rows"]),
                Cell(f"{row['mean']:.2f}"),
            )
        )
        for row in products.get("top") or []
    )
    names = (Column("Product"), Column("Reviews", numeric=True), Column("Mean rating", numeric=True))
    title = f"Most reviewed of {wording.count(products.get('distinct'))} products"
    yield title, Table("Most reviewed products", names, rows, "sortable") if rows else None


def _strip(row: Mapping[str, Any]) -> Quantiles:
    ends = {name: float(row[name]) for name in ("p05", "p25", "p50", "p75", "p95")}
    return Quantiles(f"{row['rating']}★", **ends, colour=rating_colour(row["rating"] - 1))


def _drift(years: list[Mapping[str, Any]]) -> str:
    """The means of the first and the last year with enough reviews to compare."""
    known = [group for group in years if group["rows"] >= 100 and group["mean"] is not None]
    if len(known) < 2:
        return ""
    first, last = known[0], known[-1]
    return f"Mean {first['mean']:.2f} in {first['name']}, {last['mean']:.2f} in {last['name']}."


def _over_time(months: Sequence[Mapping[str, Any]], key: str, title: str) -> str:
    """A quantity by month; months that are not listed have no reviews, so no mean either."""
    at = {int(month["month"][:4]) * 12 + int(month["month"][5:7]) - 1: month[key] for month in months}
    first, last = min(at), max(at)
    known = at if key == "mean" else dict.fromkeys(range(first, last + 1), 0) | at
    years = [index for index in range(first, last + 1) if index % 12 == 0]
    every = max(1, -(-len(years) * 44 // (NARROW - 50)))
    ticks = [(float(index), str(index // 12)) for index in years[::every]]
    points = [(float(index), float(value)) for index, value in sorted(known.items())]
    return line_chart({title: points}, title=title, from_zero=key != "mean", x_ticks=ticks)
