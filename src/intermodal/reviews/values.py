"""From text to typed values, refusing the rows whose values are not what the column says."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from intermodal.reviews.rows import Batch, Rejected, reject
from intermodal.reviews.schema import (
    DATE_COLUMN,
    DATE_NOT_ISO,
    HIGHEST_RATING,
    INTEGER_COLUMNS,
    LOWEST_RATING,
    RATING_COLUMN,
    RATING_NOT_INTEGER,
    RATING_OUT_OF_RANGE,
    VOTE_COLUMNS,
    VOTES_NOT_INTEGER,
)

if TYPE_CHECKING:
    import polars as pl


def typed_rows(batch: Batch) -> tuple[pl.DataFrame, list[Rejected]]:
    """Give a batch its types.

    Args:
        batch: Rows as text.

    Returns:
        The good rows with int32 ratings and votes and a date, in order; and every refused row of the batch,
        those refused by the reader included, in order of their lines. Negative votes, unknown codes and
        missing texts are data: judging them is the `validate` step's work.
    """
    typed = batch.frame.with_columns(*[_integer(name) for name in INTEGER_COLUMNS], _date(DATE_COLUMN))
    if not _sound(typed):
        typed = batch.frame.with_columns(*[_tolerant_integer(name) for name in INTEGER_COLUMNS], _date(DATE_COLUMN))
    if _sound(typed):
        return typed, batch.rejected
    reasons = typed.select(_reason()).to_series()
    refused = [
        reject(batch.lines[index], reasons[index], "\t".join(value or "" for value in batch.frame.row(index)))
        for index in reasons.is_not_null().arg_true()
    ]
    refused = sorted([*batch.rejected, *refused], key=lambda item: item.line)
    return typed.filter(reasons.is_null()), refused


def _integer(name: str) -> pl.Expr:
    import polars as pl

    return pl.col(name).cast(pl.Int32, strict=False)


def _tolerant_integer(name: str) -> pl.Expr:
    import polars as pl

    # "5.0" is what pandas writes for a column of integers that once had a gap.
    return pl.col(name).str.strip_suffix(".0").cast(pl.Int32, strict=False)


def _date(name: str) -> pl.Expr:
    import polars as pl

    day = pl.col(name).str.to_date("%Y-%m-%d", strict=False)
    return pl.when((pl.col(name).str.len_bytes() == 10) & (day.dt.year() >= 1)).then(day).alias(name)


def _sound(typed: pl.DataFrame) -> bool:
    """Whether no row has anything against it."""
    checked = (RATING_COLUMN, *VOTE_COLUMNS, DATE_COLUMN)
    if not typed.height:
        return True
    rating = typed[RATING_COLUMN]
    whole = not any(typed[name].null_count() for name in checked)
    return whole and cast(int, rating.min()) >= LOWEST_RATING and cast(int, rating.max()) <= HIGHEST_RATING


def _reason() -> pl.Expr:
    """The first reason against a row, or NULL."""
    import polars as pl

    rating = pl.col(RATING_COLUMN)
    return (
        pl.when(rating.is_null())
        .then(pl.lit(RATING_NOT_INTEGER))
        .when(~rating.is_between(LOWEST_RATING, HIGHEST_RATING))
        .then(pl.lit(RATING_OUT_OF_RANGE))
        .when(pl.any_horizontal(pl.col(VOTE_COLUMNS).is_null()))
        .then(pl.lit(VOTES_NOT_INTEGER))
        .when(pl.col(DATE_COLUMN).is_null())
        .then(pl.lit(DATE_NOT_ISO))
        .alias("reason")
    )
