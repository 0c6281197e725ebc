"""Deequ's check methods: which fields each one takes, which analyzer it asks, and how it is called in messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from intermodal.quality import analyzers as a
from intermodal.quality import predicates as p
from intermodal.quality.checks import Constraint
from intermodal.quality.patterns import CREDIT_CARD, EMAIL, SOCIAL_SECURITY_NUMBER_US, URL
from intermodal.quality.wording import java_double

Build = Callable[[Constraint], a.Analyzer]
Text = Callable[[Constraint], str]


@dataclass(frozen=True)
class Method:
    """How one method of Deequ's `Check` becomes an analyzer and an assertion.

    Attributes:
        build: The analyzer that a constraint of this method asks.
        label: Deequ's name of the constraint, before the analyzer in brackets; "" for a special one.
        columns: Fewest and most columns.
        requires: Fields that must be given, beyond the columns.
        takes: Fields that may be given.
        whole: Whether the metric is a count, asserted and printed as an integer.
    """

    build: Build
    label: str = ""
    columns: tuple[int, int] = (1, 1)
    requires: tuple[str, ...] = ("assertion",)
    takes: tuple[str, ...] = ("where",)
    whole: bool = False


SOME = (1, 1000)
NONE = (0, 0)
PAIR = (2, 2)
OPTIONAL = {"requires": (), "takes": ("where", "assertion")}


def _column(kind: Callable[..., a.Analyzer], whole: bool = False) -> Method:
    """A metric of one column."""
    return Method(lambda c: kind(c.columns[0], c.where), f"{_name(kind)}Constraint", whole=whole)


def _columns(kind: Callable[..., a.Analyzer], columns: tuple[int, int] = SOME, whole: bool = False) -> Method:
    """A metric of a group of columns."""
    return Method(lambda c: kind(c.columns, c.where), f"{_name(kind)}Constraint", columns, whole=whole)


def _bound(kind: Callable[..., a.Analyzer]) -> Method:
    """A smallest or largest number or length, with a choice of what NULL is."""
    build: Build = lambda c: kind(c.columns[0], c.where, c.null_behavior)  # noqa: E731
    return Method(build, f"{_name(kind)}Constraint", takes=("where", "null_behavior"))


def _quantile(kind: Callable[..., a.Analyzer]) -> Method:
    build: Build = lambda c: kind(c.columns[0], c.quantile, where=c.where)  # noqa: E731
    return Method(build, f"{_name(kind)}Constraint", requires=("assertion", "quantile"))


def _rule(name: Text, predicate: Text, columns: tuple[int, int] = (1, 1), **fields: tuple[str, ...]) -> Method:
    """A predicate on each row, all of which must satisfy it unless an assertion says otherwise."""
    build: Build = lambda c: a.Compliance(name(c), predicate(c), c.where, c.columns)  # noqa: E731
    return Method(build, "ComplianceConstraint", columns, **{**OPTIONAL, **fields})  # type: ignore[arg-type]


def _compared(operator: str, words: str) -> Method:
    return _rule(
        lambda c: f"{c.columns[0]} is {words} {c.columns[1]}",
        lambda c: f"{p.escaped(c.columns[0])} {operator} {p.escaped(c.columns[1])}",
        PAIR,
    )


def _contains(pattern: str) -> Method:
    return Method(lambda c: a.PatternMatch(c.columns[0], pattern, c.where), **OPTIONAL)  # type: ignore[arg-type]


def _exactly_one(method: Method) -> Method:
    """The same metric with Deequ's own assertion, == 1."""
    return replace(method, requires=())


def _name(kind: Callable[..., a.Analyzer]) -> str:
    return str(kind.__name__)


def _contained(c: Constraint) -> a.Analyzer:
    column = c.columns[0]
    if c.lower_bound is None or c.upper_bound is None:
        name = f"{column} contained in {','.join(p.text(value) for value in c.allowed_values)}"
        return a.Compliance(name, p.one_of(column, c.allowed_values), c.where, c.columns)
    predicate = p.within(column, c.lower_bound, c.upper_bound, c.include_lower_bound, c.include_upper_bound)
    low, high = java_double(float(c.lower_bound)), java_double(float(c.upper_bound))
    return a.Compliance(f"{column} between {low} and {high}", predicate, c.where, c.columns)


_COMPLETENESS = _column(a.Completeness)
_UNIQUENESS = _columns(a.Uniqueness)
_EACH = _rule(lambda c: "Combined Completeness", lambda c: p.each_not_null(c.columns), SOME, requires=("assertion",))
_ANY = _rule(lambda c: "Any Completeness", lambda c: p.any_not_null(c.columns), SOME, requires=("assertion",))
_HISTOGRAM = Method(lambda c: a.Histogram(c.columns[0], where=c.where), "HistogramConstraint")

METHODS: dict[str, Method] = {
    "hasSize": Method(lambda c: a.Size(c.where), "SizeConstraint", NONE, whole=True),
    "hasColumnCount": Method(lambda c: a.ColumnCount(), "ColumnCountConstraint", NONE, takes=(), whole=True),
    "hasColumn": Method(lambda c: a.ColumnExists(c.columns[0]), requires=(), takes=()),
    "isComplete": _exactly_one(_COMPLETENESS),
    "hasCompleteness": _COMPLETENESS,
    "areComplete": replace(_EACH, requires=(), takes=("where",)),
    "haveCompleteness": _EACH,
    "areAnyComplete": replace(_ANY, requires=(), takes=("where",)),
    "haveAnyCompleteness": _ANY,
    "isUnique": replace(_UNIQUENESS, columns=(1, 1), requires=()),
    "areUnique": _exactly_one(_UNIQUENESS),
    "isPrimaryKey": _exactly_one(_UNIQUENESS),
    "hasUniqueness": _UNIQUENESS,
    "hasDistinctness": _columns(a.Distinctness),
    "hasUniqueValueRatio": _columns(a.UniqueValueRatio),
    "hasDuplicateRowCount": _columns(a.DuplicateRowCount, whole=True),
    "hasNumberOfDistinctValues": Method(
        lambda c: a.Histogram(c.columns[0], where=c.where, ratios=False), "HistogramBinConstraint", whole=True
    ),
    "hasHistogramValues": replace(_HISTOGRAM, requires=("assertion", "value")),
    "hasEntropy": _column(a.Entropy),
    "hasMutualInformation": _columns(a.MutualInformation, PAIR),
    "hasApproxCountDistinct": _column(a.ApproxCountDistinct),
    "hasApproxQuantile": _quantile(a.ApproxQuantile),
    "hasExactQuantile": _quantile(a.ExactQuantile),
    "hasMinLength": _bound(a.MinLength),
    "hasMaxLength": _bound(a.MaxLength),
    "hasMin": _bound(a.Minimum),
    "hasMax": _bound(a.Maximum),
    "hasMean": _column(a.Mean),
    "hasSum": _column(a.Sum),
    "hasStandardDeviation": _column(a.StandardDeviation),
    "hasVariance": _column(a.Variance),
    "hasSkewness": _column(a.Skewness),
    "hasKurtosis": _column(a.Kurtosis),
    "hasRange": _column(a.Range),
    "hasInterquartileRange": _column(a.InterquartileRange),
    "hasZerosCount": _column(a.ZerosCount, whole=True),
    "hasCorrelation": Method(
        lambda c: a.Correlation(c.columns[0], c.columns[1], c.where), "CorrelationConstraint", PAIR
    ),
    "satisfies": _rule(lambda c: c.name, lambda c: c.predicate, (0, 1000), requires=("name", "predicate")),
    "hasPattern": Method(
        lambda c: a.PatternMatch(c.columns[0], c.pattern, c.where),
        requires=("pattern",),
        takes=("where", "assertion", "name"),
    ),
    "containsEmail": _contains(EMAIL),
    "containsURL": _contains(URL),
    "containsCreditCardNumber": _contains(CREDIT_CARD),
    "containsSocialSecurityNumber": _contains(SOCIAL_SECURITY_NUMBER_US),
    "hasDataType": Method(
        lambda c: a.DataType(c.columns[0], c.where), requires=("data_type",), takes=("where", "assertion")
    ),
    "isNonNegative": _rule(
        lambda c: f"{c.columns[0]} is non-negative", lambda c: p.compared_with_zero(c.columns[0], ">=")
    ),
    "isPositive": _rule(lambda c: f"{c.columns[0]} is positive", lambda c: p.compared_with_zero(c.columns[0], ">")),
    "isLessThan": _compared("<", "less than"),
    "isLessThanOrEqualTo": _compared("<=", "less than or equal to"),
    "isGreaterThan": _compared(">", "greater than"),
    "isGreaterThanOrEqualTo": _compared(">=", "greater than or equal to"),
    "isContainedIn": Method(
        _contained,
        "ComplianceConstraint",
        requires=(),
        takes=("where", "assertion", "allowed_values", "lower_bound", "upper_bound")
        + ("include_lower_bound", "include_upper_bound"),
    ),
}
