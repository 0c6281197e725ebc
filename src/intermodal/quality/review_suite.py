"""The suite that reviews in the 15-column schema must pass when the user gives none.

Thresholds of level Error leave room for single bad rows, which go to the quarantine; what breaks them is wrong as a
whole: another file, a shifted column, half of the export missing. Warnings have no room: they tell of the first row.
"""

from __future__ import annotations

from intermodal.quality.assertion import Assertion
from intermodal.quality.checks import Check, Constraint, Level

REVIEW_COLUMNS = (
    "marketplace",
    "customer_id",
    "review_id",
    "product_id",
    "product_parent",
    "product_title",
    "product_category",
    "star_rating",
    "helpful_votes",
    "total_votes",
    "vine",
    "verified_purchase",
    "review_headline",
    "review_body",
    "review_date",
)
MOST = Assertion(">=", 0.95)  # of the rows; one in twenty may be quarantined
RATINGS = ("1", "2", "3", "4", "5")
MARKETPLACES = ("US", "UK", "DE", "FR", "JP")


def review_suite() -> tuple[Check, ...]:
    """The default suite: what later steps rely on as Error, what a person should know as Warning."""
    return (
        Check(Level.ERROR, "The data has the columns of a review", _schema()),
        Check(Level.ERROR, "Each review can be told apart and has its label", _usable()),
        Check(Level.WARNING, "Codes are the ones that are known", _codes()),
        Check(Level.WARNING, "Votes agree with each other", _votes()),
        Check(Level.WARNING, "Texts and dates are there", _texts()),
    )


def _one(method: str, column: str, assertion: Assertion | None = None, hint: str = "") -> Constraint:
    return Constraint(method, (column,), assertion, hint=hint)


def _schema() -> tuple[Constraint, ...]:
    columns = tuple(_one("hasColumn", column) for column in REVIEW_COLUMNS)
    return (Constraint("hasSize", assertion=Assertion(">=", 1)), *columns)


def _usable() -> tuple[Constraint, ...]:
    ratings = Constraint("isContainedIn", ("star_rating",), MOST, allowed_values=RATINGS)
    return (
        _one("hasCompleteness", "review_id", MOST),
        _one("hasUniqueness", "review_id", MOST, "the same review arrives more than once"),
        _one("hasCompleteness", "star_rating", MOST),
        ratings,
        _one("hasCompleteness", "product_category", MOST),
    )


def _codes() -> tuple[Constraint, ...]:
    return (
        Constraint("isContainedIn", ("marketplace",), allowed_values=MARKETPLACES),
        Constraint("isContainedIn", ("vine",), allowed_values=("Y", "N")),
        Constraint("isContainedIn", ("verified_purchase",), allowed_values=("Y", "N")),
        Constraint("hasPattern", ("review_id",), pattern="^R[A-Z0-9]{8,14}$"),
        Constraint("hasPattern", ("product_id",), pattern="^[A-Z0-9]{10}$"),
        Constraint("hasPattern", ("customer_id",), pattern="^[0-9]+$"),
        _one("hasApproxCountDistinct", "star_rating", Assertion(">=", 5), "some rating never occurs"),
    )


def _votes() -> tuple[Constraint, ...]:
    pair = ("helpful_votes", "total_votes")
    return (
        _one("isNonNegative", "helpful_votes"),
        _one("isNonNegative", "total_votes"),
        Constraint("isLessThanOrEqualTo", pair),
        Constraint("hasCorrelation", pair, Assertion(">=", 0.5)),
    )


def _texts() -> tuple[Constraint, ...]:
    # Fixed ends, the opening of Amazon and a far year: with today's date equal data would not give equal reports.
    dated = "review_date BETWEEN DATE '1995-07-01' AND DATE '2099-12-31'"
    return (
        _one("isComplete", "review_body"),
        _one("hasMinLength", "review_body", Assertion(">=", 1)),
        _one("isComplete", "review_headline"),
        _one("isComplete", "product_title"),
        _one("isComplete", "review_date"),
        Constraint("satisfies", ("review_date",), name="written when it can have been", predicate=dated),
        _one("hasMean", "star_rating", Assertion("between", 1.5, 4.8), "the ratings lean to one side"),
    )
