"""Finding the rows that fail constraints: how many, the first few, and all of them for the quarantine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from intermodal.quality.checks import Constraint
from intermodal.quality.embedded.rows import failing, repeats
from intermodal.quality.embedded.source import FILE, ROW, Source
from intermodal.quality.embedded.spark_sql import identifier, literal, to_duckdb
from intermodal.quality.engine import FailingRows
from intermodal.quality.evaluation import analyzer_of
from intermodal.quality.wording import json_number

LONGEST_TEXT = 200  # characters of a sampled value; a review can have tens of thousands


def find_failing_rows(source: Source, constraints: Sequence[Constraint], samples: int) -> dict[Constraint, FailingRows]:
    """The rows that fail each constraint.

    Args:
        source: The data.
        constraints: Constraints that can be computed on it.
        samples: How many rows to show for each.

    Returns:
        Constraint → its failing rows; constraints that say nothing about a single row are absent.
    """
    with failing_conditions(source, constraints, keep_copies=False) as conditions:
        if not conditions:
            return {}
        counts = ", ".join(f"count(*) FILTER (WHERE fails_{place})" for place in range(len(conditions)))
        flags = ", ".join(f"{sql} AS fails_{place}" for place, sql in enumerate(conditions.values()))
        found = source.query(f"SELECT {counts} FROM (SELECT {flags} FROM {source.table} AS r)")[0]
        return {
            constraint: FailingRows(
                int(count), tuple(_sample(source, conditions[constraint], samples)) if count else ()
            )
            for constraint, count in zip(conditions, found, strict=True)
        }


@contextmanager
def failing_conditions(
    source: Source, constraints: Sequence[Constraint], keep_copies: bool
) -> Iterator[dict[Constraint, str]]:
    """SQL that is true for the failing rows of each constraint, on a table called r.

    Args:
        source: The data.
        constraints: Constraints that can be computed on it.
        keep_copies: Whether the first of rows that are equal in every column passes, though it is repeated; rows
            that share a key and disagree elsewhere fail all the same, for nothing says which of them is right.

    Yields:
        Constraint → SQL; those that say nothing about a single row are absent. Valid within the context.
    """
    conditions: dict[Constraint, str] = {}
    tables: list[str] = []
    for place, constraint in enumerate(dict.fromkeys(constraints)):
        if columns := repeats(constraint):
            tables.append(f"repeated_{place}")
            _collect_repeats(source, tables[-1], columns, analyzer_of(constraint).where, keep_copies)
            conditions[constraint] = _repeated(tables[-1], columns, analyzer_of(constraint).where)
        elif sql := failing(constraint):
            conditions[constraint] = sql
    try:
        yield conditions
    finally:
        for table in tables:
            source.connection.execute(f"DROP TABLE {table}")


def _collect_repeats(source: Source, table: str, columns: Sequence[str], where: str, keep_copies: bool) -> None:
    """A table of the keys that occur more than once, with the one row of each that may stay, if any."""
    keys = [f"{identifier(column)} AS key_{place}" for place, column in enumerate(columns)]
    every = ", ".join(identifier(column) for column in source.columns)
    stays = (
        f"CASE WHEN min(hash({every})) = max(hash({every})) THEN min(ROW({FILE}, {ROW})) END" if keep_copies else "NULL"
    )
    condition = f" WHERE {to_duckdb(where)}" if where else ""
    source.connection.execute(
        f"CREATE TEMP TABLE {table} AS SELECT {', '.join(keys)}, {stays} AS stays "
        f"FROM {source.table}{condition} GROUP BY {', '.join(f'key_{n}' for n in range(len(columns)))} "
        "HAVING count(*) > 1"
    )


def _repeated(table: str, columns: Sequence[str], where: str) -> str:
    same = [f"d.key_{place} IS NOT DISTINCT FROM r.{identifier(column)}" for place, column in enumerate(columns)]
    other = f"(d.stays IS NULL OR d.stays <> ROW(r.{FILE}, r.{ROW}))"
    inside = f"{to_duckdb(where)} AND " if where else ""
    return f"({inside}EXISTS (SELECT 1 FROM {table} AS d WHERE {' AND '.join([*same, other])}))"


def _sample(source: Source, condition: str, limit: int) -> Iterator[dict[str, Any]]:
    names = list(source.columns)
    columns = ", ".join(f"r.{identifier(name)}" for name in names)
    ordered = f"ORDER BY {FILE}, {ROW} LIMIT {limit}"
    sql = f"SELECT {FILE}, {ROW}, {columns} FROM {source.table} AS r WHERE {condition} {ordered}"
    for file, row, *values in source.query(sql):
        shown = {name: _shown(value) for name, value in zip(names, values, strict=True)}
        yield {"file": source.file_name(file), "row": int(row), "values": shown}


def _shown(value: Any) -> Any:
    """A value as the report shows it: numbers as they are, text cut, dates and the rest as text."""
    if value is None or isinstance(value, (bool, int, float)):
        return json_number(value)
    text = str(value)
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


def rejected_rows(source: Source, constraints: Sequence[Constraint]) -> Any:
    """Every row that fails a constraint and shall be quarantined.

    Args:
        source: The data.
        constraints: Constraints whose failing rows leave the clean data.

    Returns:
        A pyarrow Table by file and row: file_index, file_row_number, failed_checks (the constraints' titles).
    """
    with failing_conditions(source, constraints, keep_copies=True) as conditions:
        titles = [f"CASE WHEN {sql} THEN {literal(item.title)} END" for item, sql in conditions.items()]
        listed = f"list_distinct(list_filter([{', '.join(titles)}], lambda title: title IS NOT NULL))"
        inner = f"SELECT {FILE}, {ROW}, list_sort({listed}) AS failed_checks FROM {source.table} AS r"
        sql = f"SELECT * FROM ({inner}) WHERE len(failed_checks) > 0 ORDER BY {FILE}, {ROW}"
        return source.connection.sql(sql if conditions else f"{sql} LIMIT 0").to_arrow_table()
