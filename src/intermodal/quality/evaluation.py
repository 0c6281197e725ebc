"""From metrics to outcomes: which constraints and checks hold, with Deequ's messages."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from intermodal.quality.analyzers import Analyzer
from intermodal.quality.assertion import IS_ONE, Assertion
from intermodal.quality.checks import Check, Constraint, Level, Status
from intermodal.quality.methods import METHODS
from intermodal.quality.metric import Distribution, Metric
from intermodal.quality.wording import java_double


@dataclass(frozen=True)
class Outcome:
    """What became of one constraint.

    Attributes:
        constraint: The constraint.
        analyzer: The analyzer it asked.
        metric: The answer.
        success: Whether the constraint holds.
        value: The number that the assertion was put to; None if there was none.
        message: "" on success, else Deequ's message.
    """

    constraint: Constraint
    analyzer: Analyzer
    metric: Metric
    success: bool
    value: float | None
    message: str


@dataclass(frozen=True)
class CheckOutcome:
    """What became of one check: its status and the outcome of each constraint, in order."""

    check: Check
    status: Status
    outcomes: tuple[Outcome, ...]


def analyzer_of(constraint: Constraint) -> Analyzer:
    """The analyzer that a constraint asks."""
    return METHODS[constraint.method].build(constraint)


def assertion_of(constraint: Constraint) -> Assertion:
    """The condition that the constraint's metric must satisfy."""
    return constraint.assertion or IS_ONE


def label_of(constraint: Constraint) -> str:
    """The constraint as Deequ calls it."""
    analyzer, column = analyzer_of(constraint), ",".join(constraint.columns)
    if constraint.method == "hasColumn":
        return f"ColumnExistsConstraint({column})"
    if constraint.method == "hasDataType":
        return f"AnalysisBasedConstraint({analyzer},<function1>,Some(<function1>),None)"
    if constraint.method == "hasPattern":
        return constraint.name or f"PatternMatchConstraint({column}, {constraint.pattern})"
    label = METHODS[constraint.method].label
    return f"{label}({analyzer})" if label else f"{constraint.method}({column})"


def evaluate(checks: Iterable[Check], metrics: Mapping[Analyzer, Metric]) -> tuple[CheckOutcome, ...]:
    """Put the assertions to the metrics.

    Args:
        checks: The suite.
        metrics: A metric for each analyzer of the suite.

    Returns:
        One outcome a check, in order.
    """
    return tuple(_check(check, metrics) for check in checks)


def status_of(outcomes: Iterable[CheckOutcome]) -> Status:
    """The status of a whole suite: that of its worst check; Success for no checks."""
    order = list(Status)
    return max((item.status for item in outcomes), key=order.index, default=Status.SUCCESS)


def _check(check: Check, metrics: Mapping[Analyzer, Metric]) -> CheckOutcome:
    outcomes = tuple(_constraint(item, metrics[analyzer_of(item)]) for item in check.constraints)
    failed = Status.ERROR if check.level is Level.ERROR else Status.WARNING
    return CheckOutcome(check, Status.SUCCESS if all(item.success for item in outcomes) else failed, outcomes)


def _constraint(constraint: Constraint, metric: Metric) -> Outcome:
    if metric.problem is not None:
        # A condition that selects no row cannot be violated by one: Deequ counts it as success.
        vacuous = metric.empty and bool(metric.analyzer.where)
        message = "" if vacuous else metric.problem.message
        return Outcome(constraint, metric.analyzer, metric, vacuous, None, message)
    value = picked(constraint, metric)
    if value is None:
        message = f"Can't execute the assertion: key not found: {constraint.value}!"
        return Outcome(constraint, metric.analyzer, metric, False, None, message)
    success = assertion_of(constraint).holds(value)
    return Outcome(constraint, metric.analyzer, metric, success, value, "" if success else _message(constraint, value))


def _message(constraint: Constraint, value: float) -> str:
    number = str(int(value)) if METHODS[constraint.method].whole else java_double(value)
    text = f"Value: {number} does not meet the constraint requirement!"
    return f"{text} {constraint.hint}" if constraint.hint else text


def picked(constraint: Constraint, metric: Metric) -> float | None:
    """The number that a constraint asserts on; None if a histogram lacks the value asked for."""
    if not isinstance(metric.value, Distribution):
        return metric.value
    if constraint.method == "hasNumberOfDistinctValues":
        return float(metric.value.number_of_bins)
    if constraint.method == "hasHistogramValues":
        found = metric.value.find(constraint.value)
        return None if found is None else found.ratio
    return _type_ratio(constraint.data_type, metric.value)


def _type_ratio(data_type: str, types: Distribution) -> float:
    """Share of a type among the values that are not NULL; for "Null", among all values."""
    counts = {item.value: item.absolute for item in types.bins}
    if data_type == "Null":
        found = types.find("Unknown")
        return math.nan if found is None else found.ratio
    wanted = ("Fractional", "Integral") if data_type == "Numeric" else (data_type,)
    known = sum(counts.values()) - counts.get("Unknown", 0)
    return sum(counts[name] for name in wanted) / known if known else 0.0
