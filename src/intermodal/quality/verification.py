"""Running a suite: metrics, outcomes, and the rows behind every failure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from intermodal.errors import DataRejected, UsageError
from intermodal.quality.analyzers import Analyzer, Size
from intermodal.quality.checks import Check, Constraint, Level, Status
from intermodal.quality.engine import Engine, FailingRows
from intermodal.quality.evaluation import CheckOutcome, Outcome, analyzer_of, assertion_of, evaluate, status_of
from intermodal.quality.metric import Metric
from intermodal.quality.spelling import unknown
from intermodal.quality.wording import plain

SAMPLES = 5
_NAMED_AT_MOST = 8


@dataclass(frozen=True)
class Verification:
    """The answer to a suite.

    Attributes:
        rows: Rows of the data.
        columns: Column name → Spark's name of its type.
        checks: What became of each check, in order.
        metrics: Every metric computed.
        failing: The rows that fail a constraint, for the constraints that speak about single rows.
    """

    rows: int
    columns: Mapping[str, str] = field(hash=False)
    checks: tuple[CheckOutcome, ...]
    metrics: Mapping[Analyzer, Metric] = field(hash=False)
    failing: Mapping[Constraint, FailingRows] = field(hash=False)

    @property
    def status(self) -> Status:
        """The status of the worst check."""
        return status_of(self.checks)

    def failures(self, level: Level) -> list[Outcome]:
        """The failed constraints of checks of one level, in order."""
        failed = [item for item in self.checks if item.check.level is level]
        return [outcome for item in failed for outcome in item.outcomes if not outcome.success]

    def rejecting(self, level: Level) -> list[Constraint]:
        """The constraints whose failing rows leave the clean data.

        Args:
            level: Lowest level that counts: Error leaves rows that only a Warning check minds.
        """
        counted = [item for item in self.checks if level is Level.WARNING or item.check.level is Level.ERROR]
        constraints = [outcome.constraint for item in counted for outcome in item.outcomes]
        return [item for item in constraints if item.quarantine and item in self.failing and self.failing[item].count]


def verify(engine: Engine, checks: Sequence[Check], samples: int = SAMPLES) -> Verification:
    """Run a suite on a data set.

    Args:
        engine: The engine, which holds the data.
        checks: The suite.
        samples: Failing rows shown for each constraint, at most.

    Returns:
        The outcome of every check; nothing is raised for data that fails.
    """
    constraints = [constraint for check in checks for constraint in check.constraints]
    size = Size()
    metrics = engine.measure([size, *(analyzer_of(constraint) for constraint in constraints)])
    outcomes = evaluate(checks, metrics)
    sound = [item.constraint for check in outcomes for item in check.outcomes if _computable(item.metric)]
    failing = engine.failing_rows(list(dict.fromkeys(sound)), samples)
    rows = metrics[size].value
    return Verification(int(rows) if isinstance(rows, float) else 0, engine.columns(), outcomes, metrics, failing)


def _computable(metric: Metric) -> bool:
    return metric.success or metric.empty


def check_names(engine: Engine, checks: Sequence[Check]) -> None:
    """Refuse a suite that names what the data does not have, before anything is computed.

    Args:
        engine: The engine, which holds the data.
        checks: The suite.

    Raises:
        UsageError: A column does not exist, or SQL or a pattern cannot be read; the nearest names are listed.
    """
    known = {name.lower() for name in engine.columns()}
    for constraint in (constraint for check in checks for constraint in check.constraints):
        for column in constraint.columns:
            if column.lower() not in known and constraint.method != "hasColumn":
                raise unknown("column", column, engine.columns(), constraint.method)
        if fault := engine.fault(constraint):
            expected = "columns: " + ", ".join(engine.columns())
            raise UsageError(f"{constraint.title} cannot be computed", seen=fault, expected=expected)


def rejection(verification: Verification) -> DataRejected | None:
    """The error for data that fails a check of level Error; None if there is no such check."""
    failures = verification.failures(Level.ERROR)
    if not failures:
        return None
    checks = sum(item.status is Status.ERROR for item in verification.checks)
    one = f"{len(failures)} constraint{'s' * (len(failures) != 1)} of {checks} Error check{'s' * (checks != 1)} failed"
    named = failures[:_NAMED_AT_MOST]
    more = [f"and {len(failures) - len(named)} more"] * (len(failures) > len(named))
    return DataRejected(
        f"the data is rejected: {one}",
        seen="; ".join([*(seen(item) for item in named), *more]),
        expected="; ".join(f"{item.constraint.title} {expected(item.constraint)}" for item in named),
        next_step="look at the failing rows in the validation report; mend the data, or loosen the checks",
    )


def nothing_left(document: dict[str, Any]) -> DataRejected | None:
    """The error for data of which every row is quarantined; None if some are left."""
    if document["clean_rows"] > 0:
        return None
    worst = "; ".join(f"{title}: {rows:,} rows" for title, rows in document["quarantined_by"].items())
    return DataRejected(
        "the data is rejected: no row is clean",
        seen=worst or f"{document['rows']} rows",
        expected="at least one row that passes every check",
        next_step='put "quarantine": false into a constraint whose failing rows shall stay',
    )


def seen(outcome: Outcome) -> str:
    """A constraint and the value it found, in one line."""
    if outcome.value is None:
        return f"{outcome.constraint.title}: {outcome.message}"
    return f"{outcome.constraint.title} = {plain(round(outcome.value, 6))}"


def expected(constraint: Constraint) -> str:
    """What the constraint wants of its metric: ">= 0.95"."""
    return str(assertion_of(constraint))
