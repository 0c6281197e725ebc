"""Defects that synthetic reviews can be given on purpose, each of a named kind at a chosen rate.

A row gets at most one defect, so that what a check finds can be compared with what was put in. Some kinds make
a row that does not parse (`ingest` quarantines it, for the reason in `QUARANTINED_FOR`); the others are valid
rows whose content is wrong, or merely awkward, which `validate` is there to judge.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from intermodal.errors import UsageError
from intermodal.reviews import schema
from intermodal.reviews.synthetic import Chunk

if TYPE_CHECKING:
    import numpy as np

_ID, _STARS, _HELPFUL, _TOTAL = (
    schema.COLUMNS.index(name) for name in ("review_id", "star_rating", "helpful_votes", "total_votes")
)
_HEADLINE, _BODY, _DATE = (schema.COLUMNS.index(name) for name in ("review_headline", "review_body", "review_date"))
_CODES = [schema.COLUMNS.index(name) for name in ("marketplace", "product_id", "product_category")]
_CODES += [schema.COLUMNS.index(name) for name in ("vine", "verified_purchase", "review_id")]
_WORDS = ("zero", "one", "two", "three", "four", "five")

Row = list[str]
Spoil = Callable[[Row, Row], Row]  # (the row, a sound row before it) -> the spoiled row


def _put(column: int, value: Callable[[Row, Row], str]) -> Spoil:
    def spoil(row: Row, before: Row) -> Row:
        return [*row[:column], value(row, before), *row[column + 1 :]]

    return spoil


def _with_entities(row: Row, _: Row) -> str:
    first, stop, rest = row[_BODY].partition(". ")
    quoted = re.sub(r"(\w{5,})", r"&#34;\1&#34;", first, count=1)
    return f"{quoted}.<br /><br />{rest}" if stop else f"{quoted} &amp; more"


def _with_stray_quote(row: Row, _: Row) -> str:
    return f'"{row[_BODY]}' if len(row[_BODY]) % 2 else row[_BODY].replace(" ", ' 5" ', 1)


def _lower_codes(row: Row, _: Row) -> Row:
    return [value.lower() if index in _CODES else value for index, value in enumerate(row)]


DEFECTS: dict[str, Spoil] = {
    "missing_column": lambda row, _: row[:_STARS] + row[_STARS + 1 :],
    "extra_column": lambda row, _: [*row[:_BODY], "extra", *row[_BODY:]],
    "bad_rating_word": _put(_STARS, lambda row, _: _WORDS[int(row[_STARS])]),
    "rating_out_of_range": _put(_STARS, lambda row, _: str(int(row[_STARS]) + 5)),
    "missing_rating": _put(_STARS, lambda row, _: ""),
    "bad_votes": _put(_TOTAL, lambda row, _: "many"),
    "bad_date": _put(_DATE, lambda row, _: row[_DATE][:5] + "13-45"),
    # A lone 0xFF byte, which Python spells as a surrogate until the row is encoded.
    "invalid_utf8": _put(_BODY, lambda row, _: row[_BODY] + " caf\udcff"),
    "negative_votes": _put(_HELPFUL, lambda row, _: "-1"),
    "helpful_above_total": _put(_HELPFUL, lambda row, _: str(int(row[_TOTAL]) + 3)),
    "duplicate_id": _put(_ID, lambda _, before: before[_ID]),
    "duplicate_body": _put(_BODY, lambda _, before: before[_BODY]),
    "missing_body": _put(_BODY, lambda row, _: ""),
    "missing_headline": _put(_HEADLINE, lambda row, _: ""),
    "html_entities": _put(_BODY, _with_entities),
    "stray_quote": _put(_BODY, _with_stray_quote),
    "carriage_return": _put(_BODY, lambda row, _: row[_BODY].replace(" ", "\r", 1)),
    "non_english": _put(_BODY, lambda row, _: f"Très déçu 😞 – {row[_BODY]}"),
    "lower_case_codes": lambda row, _: [value.lower() if index in _CODES else value for index, value in enumerate(row)],
    "future_date": _put(_DATE, lambda row, _: f"21{row[_DATE][2:]}"),
}

QUARANTINED_FOR = {
    "missing_column": schema.COLUMN_COUNT,
    "extra_column": schema.COLUMN_COUNT,
    "bad_rating_word": schema.RATING_NOT_INTEGER,
    "rating_out_of_range": schema.RATING_OUT_OF_RANGE,
    "missing_rating": schema.RATING_NOT_INTEGER,
    "bad_votes": schema.VOTES_NOT_INTEGER,
    "bad_date": schema.DATE_NOT_ISO,
    "invalid_utf8": schema.INVALID_UTF8,
}


def check_rates(defects: dict[str, float]) -> dict[str, float]:
    """The rates of a `defects` parameter, checked.

    Args:
        defects: Kind to the share of rows that get it.

    Returns:
        The same, as floats, without those of rate 0.

    Raises:
        UsageError: A kind is unknown, a rate is no number in 0..1, or the rates add up to more than 1.
    """
    unknown = sorted(set(defects) - set(DEFECTS))
    if unknown:
        raise UsageError("unknown kind of defect", seen=", ".join(unknown), expected=", ".join(DEFECTS))
    wrong = [name for name, rate in defects.items() if isinstance(rate, bool) or not _is_share(rate)]
    if wrong or sum(map(float, defects.values())) > 1 + 1e-9:
        raise UsageError(
            "defect rates must be shares of all rows",
            seen=", ".join(f"{name}={rate}" for name, rate in defects.items()),
            expected="numbers from 0 to 1 that add up to at most 1: a row gets one defect at most",
        )
    return {name: float(rate) for name, rate in defects.items() if rate}


def _is_share(rate: object) -> bool:
    return isinstance(rate, int | float) and 0 <= rate <= 1


def spoil(chunk: Chunk, rates: dict[str, float], seed: int) -> tuple[list[str], Counter[str]]:
    """Turn a chunk into lines of text, some of them with a defect.

    Args:
        chunk: Sound reviews.
        rates: What `check_rates` returned.
        seed: The seed of the data set; the same rows are chosen whatever the number of rows asked for.

    Returns:
        Tab-separated lines without line ends, bytes that are not UTF-8 in them as lone surrogates; and how many
        rows got each kind. The first row of a chunk gets none: it has no row before it.
    """
    lines = list(map("\t".join, zip(*chunk.columns, strict=True)))
    counts: Counter[str] = Counter()
    last, sound = -1, 0
    for index, name in _chosen(chunk, rates, seed):
        # What is copied comes from a sound row: a copy of a copy would leave its original alone.
        sound = sound if index - 1 == last else index - 1
        row, before = ([column[at] for column in chunk.columns] for at in (index, sound))
        lines[index] = "\t".join(DEFECTS[name](row, before))
        counts[name] += 1
        last = index
    return lines, counts


def _chosen(chunk: Chunk, rates: dict[str, float], seed: int) -> list[tuple[int, str]]:
    """Row indices and the kind each gets; one draw a row decides, so kinds exclude each other."""
    import numpy as np

    if not rates:
        return []
    names = sorted(rates)
    bounds: np.ndarray = np.cumsum([rates[name] for name in names])
    draws = np.random.default_rng([seed, chunk.first, 1]).random(chunk.rows)
    kinds = np.asarray(np.searchsorted(bounds, draws, side="right"))
    hit = np.flatnonzero(kinds < len(names))
    return [(index, names[kinds[index]]) for index in hit.tolist() if index]
