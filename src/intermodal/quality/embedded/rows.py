"""What each constraint says about a single row."""

from __future__ import annotations

from intermodal.quality import analyzers as a
from intermodal.quality.assertion import Assertion
from intermodal.quality.checks import Constraint
from intermodal.quality.embedded.aggregates import length, matches
from intermodal.quality.embedded.moments import number
from intermodal.quality.embedded.spark_sql import identifier, to_duckdb
from intermodal.quality.evaluation import analyzer_of, assertion_of

_AT_LEAST, _AT_MOST = (">=", ">", "between"), ("<=", "<", "between")


def failing(constraint: Constraint) -> str:
    """SQL that is true for the rows that fail a constraint; "" if it says nothing about a single row.

    A row fails if it keeps the metric from the value that the assertion asks for: a row without a value under
    hasCompleteness(… >= 0.99), a row with a card number under containsCreditCardNumber(… == 0). A smallest or largest
    value speaks about rows only as a bound on that side: hasMax(… <= 5) does, hasMax(… >= 5) does not.

    Rows outside `where` never fail.
    """
    analyzer, assertion = analyzer_of(constraint), assertion_of(constraint)
    wrong = _wrong(analyzer, assertion)
    return f"({to_duckdb(analyzer.where)} AND {wrong})" if wrong and analyzer.where else wrong


def repeats(constraint: Constraint) -> tuple[str, ...]:
    """The columns that must not repeat, which one row cannot say of itself; () for other constraints."""
    analyzer, assertion = analyzer_of(constraint), assertion_of(constraint)
    match analyzer:
        case a.Uniqueness() | a.UniqueValueRatio() if assertion.holds(1.0):
            return analyzer.columns
        case a.DuplicateRowCount() if assertion.holds(0.0):
            return analyzer.columns
    return ()


def _wrong(analyzer: a.Analyzer, assertion: Assertion) -> str:
    match analyzer:
        case a.Completeness():
            return _share(f"({identifier(analyzer.column)} IS NOT NULL)", assertion)
        case a.Compliance():
            return _share(f"coalesce({to_duckdb(analyzer.predicate)}, false)", assertion)
        case a.PatternMatch():
            return _share(matches(analyzer.column, analyzer.pattern), assertion)
        case a.MinLength() | a.MaxLength():
            size = length(analyzer.column, analyzer.null_behavior, 0.0)
            return _bound(analyzer, size, assertion, null_fails=analyzer.null_behavior == "Fail")
        case a.Minimum() | a.Maximum():
            return _bound(analyzer, number(analyzer.column), assertion, null_fails=analyzer.null_behavior == "Fail")
    return ""


def _share(good: str, assertion: Assertion) -> str:
    if assertion.holds(1.0):
        return f"(NOT {good})"
    return f"({good})" if assertion.holds(0.0) else ""


def _bound(
    analyzer: a.Minimum | a.Maximum | a.MinLength | a.MaxLength, value: str, assertion: Assertion, null_fails: bool
) -> str:
    side = _AT_LEAST if isinstance(analyzer, (a.Minimum, a.MinLength)) else _AT_MOST
    if assertion.op not in side:
        return ""
    edge = Assertion(">=", assertion.value) if side is _AT_LEAST else Assertion("<=", assertion.upper)
    bound = edge if assertion.op == "between" else assertion
    out = f"coalesce(NOT {bound.sql(value)}, false)"
    # NaN is greater than every number in SQL, but no bound is meant to let it pass.
    out = f"({out} OR coalesce(isnan({value}), false))"
    return f"({out} OR {identifier(analyzer.column)} IS NULL)" if null_fails else out
