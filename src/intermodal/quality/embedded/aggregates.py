"""Analyzers as SQL aggregates, so that one scan of the data answers all of them together.

NaN is handled here by name and never left to DuckDB, whose answer depends on the plan: as in Spark it is greater
than every number, and a sum with it is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

from intermodal.quality import analyzers as a
from intermodal.quality.embedded.regex import to_re2
from intermodal.quality.embedded.spark_sql import identifier, literal, to_duckdb
from intermodal.quality.metric import Bin, Distribution

Value = float | Distribution | None


@dataclass(frozen=True)
class Aggregate:
    """What a scan computes for one analyzer.

    Attributes:
        columns: SQL aggregate expressions.
        finish: From their values to the metric; None means that there was nothing to work on.
        ordered: Whether the last digit depends on the order of the rows, as in a sum of doubles. These are scanned
            by one thread, so that equal data gives equal bytes.
    """

    columns: tuple[str, ...]
    finish: Callable[..., Value]
    ordered: bool = False


@dataclass(frozen=True)
class Table:
    """What compiling needs to know of the data: column name → Spark's name of its type."""

    columns: Mapping[str, str]

    def is_float(self, column: str) -> bool:
        """Whether a column can hold NaN."""
        types = {name.lower(): kind for name, kind in self.columns.items()}
        return types.get(column.lower()) in ("FloatType", "DoubleType")


def only(where: str, condition: str = "") -> str:
    """The FILTER clause of an aggregate."""
    parts = [to_duckdb(where) if where else "", condition]
    joined = " AND ".join(part for part in parts if part)
    return f" FILTER (WHERE {joined})" if joined else ""


def rows(where: str) -> str:
    """Number of rows where a condition is true; NULL, as in Spark, if it never is true or false."""
    return f"sum(CAST({to_duckdb(where)} AS BIGINT))" if where else "count(*)"


@singledispatch
def aggregate(analyzer: a.Analyzer, table: Table) -> Aggregate:
    """The aggregate that computes an analyzer; analyzers of frequencies have none."""
    raise TypeError(f"{type(analyzer).__name__} is no aggregate")


def _as_float(value: Any) -> float | None:
    return None if value is None else float(value)


def _share(matches: Any, total: Any) -> float | None:
    return None if matches is None or total is None else int(matches) / int(total) if total else math.nan


def _matching(predicate: str, where: str) -> Aggregate:
    return Aggregate((f"sum(CAST({predicate} AS BIGINT)){only(where)}", rows(where)), _share)


@aggregate.register
def _(analyzer: a.Size, table: Table) -> Aggregate:
    # On no rows Spark's count is 0, but its conditional sum is NULL.
    return Aggregate((rows(analyzer.where),), _as_float)


@aggregate.register
def _(analyzer: a.ColumnCount, table: Table) -> Aggregate:
    return Aggregate((), lambda: float(len(table.columns)))


@aggregate.register
def _(analyzer: a.ColumnExists, table: Table) -> Aggregate:
    return Aggregate((), lambda: float(analyzer.column in table.columns))


@aggregate.register
def _(analyzer: a.Completeness, table: Table) -> Aggregate:
    return _matching(f"({identifier(analyzer.column)} IS NOT NULL)", analyzer.where)


@aggregate.register
def _(analyzer: a.Compliance, table: Table) -> Aggregate:
    return _matching(to_duckdb(analyzer.predicate), analyzer.where)


@aggregate.register
def _(analyzer: a.PatternMatch, table: Table) -> Aggregate:
    return _matching(matches(analyzer.column, analyzer.pattern), analyzer.where)


def matches(column: str, pattern: str) -> str:
    """SQL for: the pattern finds something that is not empty."""
    found = f"regexp_extract({identifier(column)}, {literal(to_re2(pattern))}, 0)"
    return f"coalesce({found} <> '', false)"


@aggregate.register
def _(analyzer: a.ApproxCountDistinct, table: Table) -> Aggregate:
    return Aggregate((f"approx_count_distinct({identifier(analyzer.column)}){only(analyzer.where)}",), _as_float)


def length(column: str, null_behavior: str, null_length: float) -> str:
    """SQL for the number of characters, with what NULL stands for."""
    size = f"CAST(length({identifier(column)}) AS DOUBLE)"
    if null_behavior == "Ignore":
        return size
    return f"coalesce({size}, {0.0 if null_behavior == 'EmptyString' else null_length!r})"


@aggregate.register
def _(analyzer: a.MinLength, table: Table) -> Aggregate:
    size = length(analyzer.column, analyzer.null_behavior, -_LARGEST)
    return Aggregate((f"min({size}){only(analyzer.where)}",), _as_float)


@aggregate.register
def _(analyzer: a.MaxLength, table: Table) -> Aggregate:
    size = length(analyzer.column, analyzer.null_behavior, _LARGEST)
    return Aggregate((f"max({size}){only(analyzer.where)}",), _as_float)


_LARGEST = 1.7976931348623157e308  # what Deequ takes for the length of a NULL that must fail
_LOOKS_LIKE = {
    "Fractional": r"(-|\+)? ?\d+((\.\d+)|((?:\.\d+)?[Ee][-+]?\d+))",
    "Integral": r"(-|\+)? ?\d+",
    "Boolean": "(true|false)",
}


@aggregate.register
def _(analyzer: a.DataType, table: Table) -> Aggregate:
    text = f"CAST({identifier(analyzer.column)} AS VARCHAR)"
    looks = [f"regexp_full_match({text}, {literal(pattern)})" for pattern in _LOOKS_LIKE.values()]
    counts = [f"count(*){only(analyzer.where, condition)}" for condition in looks]
    present = f"count({identifier(analyzer.column)}){only(analyzer.where)}"
    return Aggregate((f"count(*){only(analyzer.where)}", present, *counts), _types)


def _types(total: int, present: int, *looks: int) -> Distribution:
    counts = dict(zip(_LOOKS_LIKE, looks, strict=True))
    counts |= {"String": present - sum(looks), "Unknown": total - present}
    listed = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return Distribution(tuple(Bin(name, n, n / total if total else math.nan) for name, n in listed), len(counts))
