"""The validation section: every constraint with its outcome, and the rows that were set apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from intermodal.report import wording
from intermodal.report.charts.dag import state_icon
from intermodal.report.sections import ConstraintRow, Quarantine, Validation
from intermodal.report.views.parts import Block, Blocks, Cell, Column, Row, Section, Table, cells
from intermodal.report.views.records import records_table

MANY = 12  # constraints from which the whole list is folded away


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
    checked = _constraints(validation) if validation and validation.constraints else []
    blocks = Blocks(blocks=(*checked, *(_quarantine(item) for item in apart)))
    return Section("validation", "Validation", blocks, _lead(validation, failed), str(len(failed) or ""))


def _lead(validation: Validation | None, failed: Sequence[ConstraintRow]) -> str:
    if not validation or not validation.constraints:
        return "rows set apart"
    passed = len(validation.constraints) - len(failed)
    errors = sum(row.level.lower() == "error" for row in failed)
    words = f"{passed} of {len(validation.constraints)} constraints hold"
    if failed:
        words += f"; {errors} of level Error and {len(failed) - errors} of level Warning do not"
    return words


def _constraints(validation: Validation) -> list[Block]:
    """All constraints; where they are many, those that fail, a line a check, and the rest folded away."""
    ordered = sorted(validation.constraints, key=lambda row: (row.passed, row.level.lower() != "error"))
    title = f"All {len(ordered)} constraints"
    if len(ordered) <= MANY:
        return [Block(table=_table(ordered, title))]
    failed = [row for row in ordered if not row.passed]
    first = [Block(table=_table(failed, "Constraints that do not hold"))] if failed else []
    return [*first, Block(table=_checks(validation)), Block(table=_table(ordered, title), folded=title)]


def _table(rows: Sequence[ConstraintRow], caption: str) -> Table:
    names = ("Outcome", "Check", "Constraint", "Seen", "Expected", "Rows failed")
    columns = tuple(Column(name, name == "Rows failed", name == "Constraint") for name in names)
    return Table(caption, columns, tuple(_constraint(row) for row in rows), "sortable stack")


def _checks(validation: Validation) -> Table:
    """A line a check: how many of its constraints hold."""
    groups: dict[tuple[str, str], list[ConstraintRow]] = {}
    for row in validation.constraints:
        groups.setdefault((row.check, row.level), []).append(row)
    rows = []
    for (check, level), members in groups.items():
        held = sum(row.passed for row in members)
        outcome = _outcome(held == len(members), level, "holds" if held == len(members) else "fails")
        rows.append(Row(cells(check, outcome, level, Cell(f"{held} of {len(members)}", held))))
    columns = (Column("Check"), Column("Outcome"), Column("Level"), Column("Constraints that hold", numeric=True))
    return Table("Checks and their outcome", columns, tuple(rows), "sortable stack")


def _outcome(passed: bool, level: str, word: str) -> Cell:
    icon = state_icon("SUCCEEDED" if passed else "WARNING" if level.lower() == "warning" else "FAILED")
    return Cell(Markup('<span class="state">{}{}</span>').format(Markup(icon), word), word)  # noqa: S704


def _constraint(row: ConstraintRow) -> Row:
    word = "holds" if row.passed else f"fails ({row.level})" if row.level else "fails"
    outcome = _outcome(row.passed, row.level, word)
    small = (_about(row), *(() if row.passed else (row.message, row.hint)))
    what = _stack(row.title or row.constraint, *(part for part in small if part))
    seen = _stack(
        wording.anything(row.value), *([f"such as {_samples(row.samples)}"] if row.samples and not row.passed else [])
    )
    expected = wording.anything(row.expected) if row.expected is not None else ""
    failed = Cell(wording.count(row.rows_failed), row.rows_failed) if row.rows_failed is not None else Cell("")
    return Row(cells(outcome, row.check, what, seen, expected, failed))


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
