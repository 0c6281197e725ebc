"""The SQL predicates behind Deequ's methods, in the SQL that Spark and the embedded engine share."""

from __future__ import annotations

import re
from collections.abc import Sequence

from intermodal.quality.wording import java_double, plain

_PLAIN_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
# What DuckDB reserves; Spark reserves less.
_RESERVED = frozenset(
    """all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create default
    deferrable desc describe distinct do else end except false fetch for foreign from group having in initially
    intersect into lambda lateral leading limit not null offset on only or order pivot pivot_longer pivot_wider placing
    primary qualify references returning select show some summarize symmetric table then to trailing true union unique
    unpivot using variadic when where window with""".split()  # noqa: SIM905 - a list of words reads better as text
)


def escaped(column: str) -> str:
    """A column name as it may stand in a predicate: in backticks if it is no plain word, or a word of SQL."""
    plain_word = _PLAIN_NAME.match(column) and column.lower() not in _RESERVED
    return column if plain_word else f"`{column}`"


def each_not_null(columns: Sequence[str]) -> str:
    """Every column has a value."""
    return _joined(columns, "AND")


def any_not_null(columns: Sequence[str]) -> str:
    """At least one column has a value."""
    return _joined(columns, "OR")


def _joined(columns: Sequence[str], word: str) -> str:
    first, *rest = [f"({escaped(column)} IS NOT NULL)" for column in columns]
    for item in rest:
        first = f"({first} {word} {item})"
    return first


def compared_with_zero(column: str, operator: str) -> str:
    """The column is NULL, or a number (or text that holds one) that compares so with zero.

    Deequ coalesces what cannot be cast to a number that passes, so every text passes; here it fails.
    """
    name = escaped(column)
    return f"{name} IS NULL OR COALESCE(CAST({name} AS DOUBLE) {operator} 0, FALSE)"


def one_of(column: str, values: Sequence[str | float]) -> str:
    """The column is NULL or one of the values."""
    quoted = ",".join("'" + text(value).replace("'", "\\'") + "'" for value in values)
    return f"`{column}` IS NULL OR `{column}` IN ({quoted})"


def text(value: str | float) -> str:
    """A value of a list as text; 1.0 is 1."""
    return value if isinstance(value, str) else plain(value)


def within(column: str, lower: float, upper: float, include_lower: bool, include_upper: bool) -> str:
    """The column is NULL or lies between the bounds."""
    left, right = (">=" if include_lower else ">"), ("<=" if include_upper else "<")
    low, high = java_double(float(lower)), java_double(float(upper))
    return f"`{column}` IS NULL OR (`{column}` {left} {low} AND `{column}` {right} {high})"
