"""Rows whose columns are not known beforehand, as a table: quarantined rows of any step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from intermodal.report import wording
from intermodal.report.views.parts import Cell, Column, Row, Table

# Columns of a quarantined row that say most, first; a phone shows no more than these few.
PREFERRED = ("line", "reason", "failed_checks", "star_rating", "review_headline", "review_body", "raw", "source")
MOST_COLUMNS = 5
MOST_TEXT = 1200  # characters of one cell


def records_table(records: Sequence[Mapping[str, Any]], caption: str) -> Table:
    """A table of rows whose columns are not known beforehand; long texts fold.

    Args:
        records: Rows as column to value.
        caption: What they are.

    Returns:
        The table, with the most telling columns that hold anything.
    """
    names = _columns(records)
    rows = tuple(Row(tuple(_value(record.get(name)) for name in names)) for record in records)
    columns = tuple(Column(name.replace("_", " ").capitalize(), _numeric(records, name)) for name in names)
    return Table(caption, columns, rows, "stack")


def _numeric(records: Iterable[Mapping[str, Any]], name: str) -> bool:
    values = [record[name] for record in records if record.get(name) is not None]
    return bool(values) and all(isinstance(value, int | float) or str(value).isdecimal() for value in values)


def _columns(records: Iterable[Mapping[str, Any]]) -> list[str]:
    filled = dict.fromkeys(name for record in records for name, value in record.items() if value not in (None, "", []))
    first = [name for name in PREFERRED if name in filled]
    return [*first, *(name for name in filled if name not in first)][:MOST_COLUMNS]


def _value(value: Any) -> Cell:
    text = "" if value is None else str(value) if isinstance(value, int) else wording.anything(value)
    return Cell(text if len(text) <= MOST_TEXT else text[:MOST_TEXT] + "…", long=len(text) > 120)
