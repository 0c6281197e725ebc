"""Aggregates of numeric columns; importing this module registers them."""

from __future__ import annotations

import math
from typing import Any

from intermodal.quality import analyzers as a
from intermodal.quality.embedded.aggregates import Aggregate, Table, aggregate, only
from intermodal.quality.embedded.spark_sql import identifier


def number(column: str) -> str:
    """A column as DOUBLE."""
    return f"CAST({identifier(column)} AS DOUBLE)"


def _nans(column: str, where: str, table: Table) -> str:
    """SQL for how many NaN a column has; constant 0 where it cannot have any."""
    return f"count(*){only(where, f'isnan({number(column)})')}" if table.is_float(column) else "0"


def _bound(function: str, column: str, where: str, table: Table) -> str:
    condition = f"NOT isnan({number(column)})" if table.is_float(column) else ""
    return f"CAST({function}({identifier(column)}){only(where, condition)} AS DOUBLE)"


def _least(bound: float | None, nans: int) -> float | None:
    return (math.nan if nans else None) if bound is None else bound


def _greatest(bound: float | None, nans: int) -> float | None:
    return math.nan if nans else bound


@aggregate.register
def _(analyzer: a.Minimum, table: Table) -> Aggregate:
    column, where = analyzer.column, analyzer.where
    return Aggregate((_bound("min", column, where, table), _nans(column, where, table)), _least)


@aggregate.register
def _(analyzer: a.Maximum, table: Table) -> Aggregate:
    column, where = analyzer.column, analyzer.where
    return Aggregate((_bound("max", column, where, table), _nans(column, where, table)), _greatest)


@aggregate.register
def _(analyzer: a.Range, table: Table) -> Aggregate:
    column, where = analyzer.column, analyzer.where
    bounds = (_bound("min", column, where, table), _bound("max", column, where, table))
    return Aggregate((*bounds, _nans(column, where, table)), _range)


def _range(low: float | None, high: float | None, nans: int) -> float | None:
    if nans:
        return math.nan
    return None if low is None or high is None else high - low


def _total(column: str, where: str, table: Table) -> str:
    """The sum: exact for whole numbers, in which the order of the rows cannot matter."""
    return f"sum({number(column) if table.is_float(column) else identifier(column)}){only(where)}"


@aggregate.register
def _(analyzer: a.Sum, table: Table) -> Aggregate:
    total = _total(analyzer.column, analyzer.where, table)
    return Aggregate((total,), lambda value: None if value is None else float(value), table.is_float(analyzer.column))


@aggregate.register
def _(analyzer: a.Mean, table: Table) -> Aggregate:
    counted = f"count({identifier(analyzer.column)}){only(analyzer.where)}"
    total = _total(analyzer.column, analyzer.where, table)
    ordered = table.is_float(analyzer.column)
    return Aggregate((total, counted), lambda value, n: float(value) / n if n else None, ordered)


@aggregate.register
def _(analyzer: a.RatioOfSums, table: Table) -> Aggregate:
    sums = [_total(column, analyzer.where, table) for column in analyzer.columns_read()]
    ordered = any(table.is_float(column) for column in analyzer.columns_read())
    return Aggregate(tuple(sums), _ratio, ordered)


def _ratio(above: Any, below: Any) -> float | None:
    if above is None or below is None:
        return None
    if float(below) == 0:
        return math.nan if float(above) == 0 else math.copysign(math.inf, float(above))
    return float(above) / float(below)


def _finite(function: str, analyzer: a.Analyzer, columns: tuple[str, ...]) -> tuple[str, str, str]:
    """A statistic over finite numbers, the rows it has to use, and how many of these are not finite.

    DuckDB raises where NaN or infinity would make a moment undefined; here it is just NaN.
    """
    numbers = [number(column) for column in columns]
    present = " AND ".join(f"{value} IS NOT NULL" for value in numbers)
    finite = " AND ".join(f"isfinite({value})" for value in numbers)
    return (
        f"{function}({', '.join(numbers)}){only(analyzer.where, finite)}",
        f"count(*){only(analyzer.where, present)}",
        f"count(*){only(analyzer.where, f'{present} AND NOT ({finite})')}",
    )


def _statistic(value: float | None, used: int, broken: int, constant: float = math.nan) -> float | None:
    if not used:
        return None
    return math.nan if broken else constant if value is None or math.isnan(value) else value


@aggregate.register
def _(analyzer: a.StandardDeviation, table: Table) -> Aggregate:
    return Aggregate(_finite("stddev_pop", analyzer, analyzer.columns_read()), _statistic, True)


@aggregate.register
def _(analyzer: a.Variance, table: Table) -> Aggregate:
    return Aggregate(_finite("var_pop", analyzer, analyzer.columns_read()), _statistic, True)


@aggregate.register
def _(analyzer: a.Correlation, table: Table) -> Aggregate:
    return Aggregate(_finite("corr", analyzer, analyzer.columns_read()), _statistic, True)


@aggregate.register
def _(analyzer: a.Kurtosis, table: Table) -> Aggregate:
    finish = lambda value, used, broken: _statistic(value, used, broken, constant=0.0)  # noqa: E731
    return Aggregate(_finite("kurtosis_pop", analyzer, analyzer.columns_read()), finish, True)


@aggregate.register
def _(analyzer: a.Skewness, table: Table) -> Aggregate:
    return Aggregate(_finite("skewness", analyzer, analyzer.columns_read()), _skewness, True)


def _skewness(value: float | None, used: int, broken: int) -> float | None:
    """DuckDB corrects for the size of a sample, Deequ does not; up to two rows are symmetric."""
    corrected = _statistic(value, used, broken, constant=0.0)
    if corrected is None or used <= 2:
        return corrected
    return corrected * (used - 2) / math.sqrt(used * (used - 1))


@aggregate.register
def _(analyzer: a.ZerosCount, table: Table) -> Aggregate:
    zeros = f"count(*){only(analyzer.where, f'{identifier(analyzer.column)} = 0')}"
    return Aggregate(("count(*)", zeros), lambda total, found: float(found) if total else None)


@aggregate.register
def _(analyzer: a.ExactQuantile, table: Table) -> Aggregate:
    sql = f"quantile_cont({number(analyzer.column)}, {analyzer.quantile!r}){only(analyzer.where)}"
    return Aggregate((sql,), lambda value: value)


@aggregate.register
def _(analyzer: a.ApproxQuantile, table: Table) -> Aggregate:
    sql = f"quantile_disc({number(analyzer.column)}, {analyzer.quantile!r}){only(analyzer.where)}"
    return Aggregate((sql,), lambda value: value)


@aggregate.register
def _(analyzer: a.InterquartileRange, table: Table) -> Aggregate:
    sql = f"quantile_cont({number(analyzer.column)}, [0.25, 0.75]){only(analyzer.where)}"
    return Aggregate((sql,), lambda ends: None if ends is None else ends[1] - ends[0])
