"""The validation section: every constraint with its outcome, and the rows that were set apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from intermodal.report import wording
from intermodal.report.charts.dag import state_icon
from intermodal.report.sections import ConstraintRow, Quarantine, Validation
from intermodal.report.views.parts import Block, Blocks, Cell, Column, Row, Section, Table, cells

# Columns of a quarantined row that say most, first; a phone shows no more than these few.
PREFERRED = ("line", "reason", "failed_checks", "star_rating", "review_headline", "review_body", "raw", "source")
MOST_COLUMNS = 5
MOST_TEXT = 1200  # characters of one cell


def validation_section(validation: Validation | None, quarantines: Sequence[Quarantine]) -> Section | None:
    """The section on validation.

    Args:
        validation: What `validate` found; None when it did not run.
        quarantines: Rows set apart, by task.

    Returns:
        The section, or None when there is nothing to say.
    """
    apart = [item for item in quarantines if item.rows or item.samples]
    if not (validation and validation.constraints) and not apart:
        return None
    failed = [row for row in validation.constraints if not row.passed] if validation else []
    blocks = ([_constraints(validation)] if validation and validation.constraints else []) + [
        _quarantine(item) for item in apart
    ]
    return Section(
        "validation", "Validation", Blocks(blocks=tuple(blocks)), _lead(validation, failed), str(len(failed) or "")
    )


def _lead(validation: Validation | None, failed: Sequence[ConstraintRow]) -> str:
    if not validation or not validation.constraints:
        return "rows set apart"
    passed = len(validation.constraints) - len(failed)
    errors = sum(row.level.lower() == "error" for row in failed)
    words = f"{passed} of {len(validation.constraints)} constraints hold"
    if failed:
        words += f"; {errors} of level Error and {len(failed) - errors} of level Warning do not"
    return words


def _constraints(validation: Validation) -> Block:
    ordered = sorted(validation.constraints, key=lambda row: (row.passed, row.level.lower() != "error"))
    rows = tuple(_constraint(row) for row in ordered)
    names = ("Outcome", "Check", "Constraint", "Seen", "Expected", "Rows failed")
    columns = tuple(Column(name, name == "Rows failed", name == "Constraint") for name in names)
    table = Table("Constraints and their outcome", columns, rows, "sortable stack", "constraints")
    failed = sum(row.kind == "failed" for row in rows)
    filters = (("", f"All {len(rows)}"), ("failed", f"Failed {failed}"), ("passed", f"Passed {len(rows) - failed}"))
    return Block(table=table, filters=filters if failed else ())


def _constraint(row: ConstraintRow) -> Row:
    word = "holds" if row.passed else f"fails ({row.level})" if row.level else "fails"
    icon = state_icon("SUCCEEDED" if row.passed else "WARNING" if row.level.lower() == "warning" else "FAILED")
    outcome = Cell(Markup('<span class="state">{}{}</span>').format(Markup(icon), word), word)  # noqa: S704
    small = (_about(row), *(() if row.passed else (row.message, row.hint)))
    what = _stack(row.title or row.constraint, *(part for part in small if part))
    seen = _stack(
        wording.anything(row.value), *([f"such as {_samples(row.samples)}"] if row.samples and not row.passed else [])
    )
    expected = wording.anything(row.expected) if row.expected is not None else ""
    failed = Cell(wording.count(row.rows_failed), row.rows_failed) if row.rows_failed is not None else Cell("")
    return Row(cells(outcome, row.check, what, seen, expected, failed), "passed" if row.passed else "failed")


def _about(row: ConstraintRow) -> str:
    named = f"{row.title} {row.constraint} {row.rule}"
    column = f"column {row.column}" if row.column and row.column not in named else ""
    return ", ".join(part for part in (column, row.rule, f"where {row.where}" if row.where else "") if part)


def _samples(values: Sequence[Any]) -> str:
    shown = [_sample(value) for value in values[:5]]
    return "; ".join(text if len(text) <= 80 else text[:79] + "…" for text in shown)


def _sample(value: Any) -> str:
    """A failed value; texts in quotes, since blanks are what fails most."""
    if isinstance(value, Mapping):
        return wording.anything(list(value.values()))
    return f'"{value}"' if isinstance(value, str) else wording.anything(value)


def _stack(first: str, *more: str) -> Markup:
    """A text with small lines below it."""
    lines = Markup("").join(Markup('<div class="muted small">{}</div>').format(text) for text in more)
    return Markup("{}{}").format(first, lines)


def _quarantine(item: Quarantine) -> Block:
    total = f" of {wording.count(item.rows_in)}" if item.rows_in else ""
    title = f"{wording.count(item.rows)}{total} rows set apart by {item.task}"
    lead = f"The first {len(item.samples)}; all of them are in the artifact." if len(item.samples) < item.rows else ""
    return Block(
        title=title,
        lead=lead,
        table=records_table(item.samples, f"Rows set apart by {item.task}") if item.samples else None,
    )


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
