"""The review table in Athena's words: the TSV as it is, and the queries that type it, refuse rows and count.

The rules are those of `values.typed_rows`, so that both engines keep and refuse the same rows. The TSV table
has all columns as text and one more behind them: on a line with too many fields that one is not NULL, and on
a line with too few the last one is. See docs/data-on-aws.md for what differs from the local engine.
"""

from __future__ import annotations

from collections.abc import Sequence

from intermodal.aws.glue import PARQUET, RAW_TSV, Column, Table
from intermodal.aws.sql import trino_name, trino_text
from intermodal.reviews.schema import (
    COLUMN_COUNT,
    COLUMNS,
    DATE_COLUMN,
    DATE_NOT_ISO,
    HIGHEST_RATING,
    INTEGER_COLUMNS,
    LOWEST_RATING,
    PARTITION_COLUMN,
    RATING_COLUMN,
    RATING_NOT_INTEGER,
    RATING_OUT_OF_RANGE,
    RAW_CHARACTERS,
    VOTE_COLUMNS,
    VOTES_NOT_INTEGER,
)

SURPLUS = "intermodal_surplus"
_INTEGER = r"^[+-]?[0-9]+(\.0)?$"
_DATE = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"


def tsv_columns(header: Sequence[str]) -> tuple[Column, ...]:
    """Columns of the TSV table: the file's own in its order, those that are none of ours by number, and the surplus."""
    names = [name if name in COLUMNS else f"intermodal_extra_{index}" for index, name in enumerate(header)]
    return tuple(Column(name) for name in (*names, SURPLUS))


def tsv_table(database: str, name: str, location: str, header: Sequence[str]) -> Table:
    """The external table over raw TSV files, plain or gzipped, each with a header."""
    return Table(database, name, location, tsv_columns(header), RAW_TSV)


def parquet_table(database: str, name: str, location: str = "") -> Table:
    """The table of typed reviews, partitioned by category."""
    kinds = {**dict.fromkeys(INTEGER_COLUMNS, "int"), DATE_COLUMN: "date"}
    columns = tuple(Column(item, kinds.get(item, "string")) for item in COLUMNS if item != PARTITION_COLUMN)
    return Table(database, name, location, columns, PARQUET, (Column(PARTITION_COLUMN),))


def survey(table: Table) -> str:
    """Rows by file, category and reason; the reason is NULL for rows that are good."""
    return (
        "SELECT source, category, reason, count(*) AS number\nFROM (\n"
        f"  SELECT \"$path\" AS source, nullif({trino_name(PARTITION_COLUMN)}, '') AS category,\n"
        f"    {reason(table)} AS reason\n  FROM {_name(table)}\n) AS judged\n"
        "GROUP BY source, category, reason\nORDER BY source, category, reason"
    )


def good_rows(table: Table, categories: Sequence[str | None] | None = None) -> str:
    """The typed reviews, the category last.

    Args:
        table: The TSV table.
        categories: Only these; None among them stands for reviews without one. All by default.
    """
    columns = [f"{_value(name)} AS {trino_name(name)}" for name in COLUMNS if name != PARTITION_COLUMN]
    columns.append(f"{_value(PARTITION_COLUMN)} AS {trino_name(PARTITION_COLUMN)}")
    only = "" if categories is None else f"\n  AND ({_one_of(categories)})"
    listed = ",\n  ".join(columns)
    return f"SELECT\n  {listed}\nFROM {_name(table)}\nWHERE ({reason(table)}) IS NULL{only}"


def refused_rows(table: Table) -> str:
    """The rows that do not parse: source, reason, and the row as it stands in the file."""
    fields = ", ".join(trino_name(column.name) for column in table.columns)
    return (
        f'SELECT source, reason, raw\nFROM (\n  SELECT "$path" AS source, {reason(table)} AS reason,\n'
        f"    substr(concat_ws(chr(9), {fields}), 1, {RAW_CHARACTERS}) AS raw\n  FROM {_name(table)}\n) AS judged\n"
        "WHERE reason IS NOT NULL"
    )


def reason(table: Table) -> str:
    """The first reason against a row, or NULL, as one expression."""
    last, rating = trino_name(table.columns[-2].name), _integer(RATING_COLUMN)
    votes = " OR ".join(f"{_integer(name)} IS NULL" for name in VOTE_COLUMNS)
    rules = [
        (f"{last} IS NULL OR {trino_name(SURPLUS)} IS NOT NULL", COLUMN_COUNT),
        (f"{rating} IS NULL", RATING_NOT_INTEGER),
        (f"{rating} NOT BETWEEN {LOWEST_RATING} AND {HIGHEST_RATING}", RATING_OUT_OF_RANGE),
        (votes, VOTES_NOT_INTEGER),
        (f"{_date(DATE_COLUMN)} IS NULL", DATE_NOT_ISO),
    ]
    whens = " ".join(f"WHEN {test} THEN {trino_text(name)}" for test, name in rules)
    return f"CASE {whens} END"


def _value(name: str) -> str:
    if name in INTEGER_COLUMNS:
        return _integer(name)
    return _date(name) if name == DATE_COLUMN else f"nullif({trino_name(name)}, '')"


def _integer(name: str) -> str:
    column = trino_name(name)
    # the pattern first: engines disagree on what else is a number, such as ' 5' or '5.7'
    number = rf"try_cast(regexp_replace({column}, '\.0$', '') AS integer)"
    return f"CASE WHEN regexp_like({column}, {trino_text(_INTEGER)}) THEN {number} END"


def _date(name: str) -> str:
    column = trino_name(name)
    known = f"regexp_like({column}, {trino_text(_DATE)}) AND {column} >= '0001'"
    return f"CASE WHEN {known} THEN try_cast({column} AS date) END"


def _one_of(categories: Sequence[str | None]) -> str:
    column = trino_name(PARTITION_COLUMN)
    named = ", ".join(trino_text(item) for item in categories if item is not None)
    tests = [f"{column} IN ({named})"] if named else []
    tests += [f"nullif({column}, '') IS NULL"] if None in categories else []
    return " OR ".join(tests)


def _name(table: Table) -> str:
    return trino_name(table.database, table.name)
