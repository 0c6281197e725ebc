"""Analyzers of frequencies: each group of columns is counted once, for all analyzers that need it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from intermodal.quality import analyzers as a
from intermodal.quality.embedded.source import Source
from intermodal.quality.embedded.spark_sql import identifier, to_duckdb
from intermodal.quality.metric import Bin, Distribution

GROUPED = (
    a.Uniqueness,
    a.Distinctness,
    a.UniqueValueRatio,
    a.DuplicateRowCount,
    a.CountDistinct,
    a.Entropy,
    a.MutualInformation,
    a.Histogram,
)


@dataclass(frozen=True)
class Frequencies:
    """How often how many groups occur: all that the metrics of one group of columns need.

    Attributes:
        groups: (rows in a group, number of such groups), by rising number of rows.
    """

    groups: tuple[tuple[int, int], ...]

    @property
    def rows(self) -> int:
        """Rows counted."""
        return sum(size * many for size, many in self.groups)

    @property
    def distinct(self) -> int:
        """Groups."""
        return sum(many for _, many in self.groups)

    @property
    def single(self) -> int:
        """Groups of one row."""
        return sum(many for size, many in self.groups if size == 1)

    @property
    def entropy(self) -> float:
        """Entropy of the groups in nats, summed exactly: the same however the rows are ordered."""
        shares = ((size / self.rows, many) for size, many in self.groups)
        return max(0.0, -math.fsum(many * share * math.log(share) for share, many in shares))


def count_groups(source: Source, columns: Sequence[str], where: str) -> Frequencies:
    """Count the groups of rows that agree in some columns, without rows that have none of them."""
    grouped = f"SELECT count(*) AS n FROM {source.table} WHERE {_present(columns, where)} GROUP BY {_names(columns)}"
    found = source.query(f"SELECT n, count(*) FROM ({grouped}) GROUP BY n ORDER BY n")
    return Frequencies(tuple((int(size), int(many)) for size, many in found))


def measure_groups(analyzer: a.Analyzer, counted: Frequencies) -> float | None:
    """An analyzer of frequencies; None if it had no rows to work on.

    Args:
        analyzer: One of `GROUPED` but Histogram and MutualInformation.
        counted: Its columns' frequencies.
    """
    rows, distinct, single = counted.rows, counted.distinct, counted.single
    match analyzer:
        case a.CountDistinct():
            return float(distinct)
        case a.DuplicateRowCount():
            return float(rows - single)
        case _ if not rows:
            return None
        case a.Uniqueness():
            return single / rows
        case a.Distinctness():
            return distinct / rows
        case a.UniqueValueRatio():
            return single / distinct
        case _:
            return counted.entropy


def mutual_information(source: Source, analyzer: a.MutualInformation) -> float | None:
    """Mutual information of two columns in nats; pairs with a NULL count in the margins only."""
    first, second = (identifier(column) for column in analyzer.columns)
    rows = f"SELECT {first} AS x, {second} AS y FROM {source.table} WHERE {_present(analyzer.columns, analyzer.where)}"
    sql = f"""
        WITH pairs AS (SELECT x, y, count(*) AS n FROM ({rows}) GROUP BY x, y),
             one AS (SELECT x, sum(n) AS n FROM pairs GROUP BY x),
             two AS (SELECT y, sum(n) AS n FROM pairs GROUP BY y)
        SELECT pairs.n, one.n, two.n, count(*), (SELECT sum(n) FROM pairs)
        FROM pairs JOIN one USING (x) JOIN two USING (y) GROUP BY ALL ORDER BY ALL"""
    found = [tuple(int(value) for value in row) for row in source.query(sql)]
    if not found:
        return None
    return math.fsum(many * (n / all_) * math.log(n * all_ / (nx * ny)) for n, nx, ny, many, all_ in found)


def histogram(source: Source, analyzer: a.Histogram) -> Distribution:
    """The distribution of a column's values as text."""
    condition = f" WHERE {to_duckdb(analyzer.where)}" if analyzer.where else ""
    text = f"coalesce(CAST({identifier(analyzer.column)} AS VARCHAR), 'NullValue')"
    grouped = f"SELECT {text} AS value, count(*) AS n FROM {source.table}{condition} GROUP BY value"
    sql = f"SELECT value, n, sum(n) OVER (), count(*) OVER () FROM ({grouped}) ORDER BY n DESC, value"
    found = source.query(f"{sql} LIMIT {analyzer.max_detail_bins}")
    total, number = (int(found[0][2]), int(found[0][3])) if found else (0, 0)
    divisor = total if analyzer.ratios else 1
    bins = tuple(Bin(value, int(n), int(n) / divisor) for value, n, _, _ in found)
    return Distribution(bins, number, total - sum(item.absolute for item in bins))


def _names(columns: Sequence[str]) -> str:
    return ", ".join(identifier(column) for column in columns)


def _present(columns: Sequence[str], where: str) -> str:
    present = " OR ".join(f"{identifier(column)} IS NOT NULL" for column in columns)
    return f"({present})" + (f" AND {to_duckdb(where)}" if where else "")
