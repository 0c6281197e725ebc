"""Suites, constraints, assertions and analyzers are data: they go through JSON unchanged, and mistakes are named."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from quality_data import constraint

from intermodal.errors import UsageError
from intermodal.quality import analyzers as a
from intermodal.quality.assertion import Assertion
from intermodal.quality.checks import Check, Level, constraint_from_json
from intermodal.quality.methods import METHODS
from intermodal.quality.review_suite import REVIEW_COLUMNS, review_suite
from intermodal.quality.suite import read_level, read_suite, suite_to_json
from intermodal.quality.wording import java_double, plain

EXAMPLE = {
    "columns": ("a", "b"),
    "assertion": Assertion(">=", 0.5),
    "value": "Y",
    "quantile": 0.5,
    "name": "a rule",
    "predicate": "a > 1",
    "pattern": "^a",
    "data_type": "Integral",
    "where": "b = 'x'",
    "null_behavior": "Fail",
}


def example(method: str):
    """A constraint of a method with everything it takes."""
    takes = METHODS[method]
    fields = {name: EXAMPLE[name] for name in (*takes.requires, *takes.takes) if name in EXAMPLE}
    if method == "isContainedIn":
        fields["allowedValues"] = ("a", 1, 2.5)
    values = {key: str(item) if isinstance(item, Assertion) else item for key, item in fields.items()}
    for old, new in (("data_type", "dataType"), ("null_behavior", "nullBehavior")):
        if old in values:
            values[new] = values.pop(old)
    columns = EXAMPLE["columns"][: min(2, max(takes.columns[0], 1 if takes.columns[1] else 0))]
    return constraint(method, **values, columns=columns) if columns else constraint(method, **values)


@pytest.mark.parametrize("method", METHODS)
def test_a_constraint_goes_through_json(method):
    one = example(method)
    assert constraint_from_json(json.loads(json.dumps(one.to_json()))) == one
    assert hash(one) == hash(constraint_from_json(one.to_json()))


@pytest.mark.parametrize("method", METHODS)
def test_an_analyzer_goes_through_json(method):
    analyzer = METHODS[method].build(example(method))
    assert a.from_json(json.loads(json.dumps(analyzer.to_json()))) == analyzer
    assert type(analyzer).__name__ in a.KINDS


def test_deequs_own_analyzer_options_are_read():
    options = {"nullBehavior": "Fail", "filteredRow": "TRUE"}
    assert a.from_json({"type": "MinLength", "column": "x", "analyzerOptions": options}) == a.MinLength("x", "", "Fail")


def test_the_default_suite_goes_through_json_and_names_every_column():
    suite = review_suite()
    assert read_suite(json.loads(json.dumps(suite_to_json(suite)))) == suite
    named = {c.columns[0] for check in suite for c in check.constraints if c.method == "hasColumn"}
    assert named == set(REVIEW_COLUMNS)
    assert len(REVIEW_COLUMNS) == 15


def test_a_suite_is_read_as_it_is_written():
    suite = read_suite(
        {
            "checks": [
                {
                    "level": "Warning",
                    "description": "votes",
                    "constraints": [
                        {"method": "hasMin", "column": "votes", "assertion": ">= 0", "where": "rating > 3"}
                    ],
                }
            ]
        }
    )
    assert suite == (
        Check(Level.WARNING, "votes", (constraint("hasMin", column="votes", assertion=">=0", where="rating > 3"),)),
    )


@pytest.mark.parametrize(
    ("values", "seen", "expected"),
    [
        ({"method": "isCompleet", "column": "a"}, "isCompleet", "isComplete"),
        ({"method": "hasmin", "column": "a", "assertion": "> 1"}, "hasmin", "hasMin"),
        ({"method": "isComplete", "colum": "a"}, "colum", "column"),
        ({"method": "isComplete", "column": "a", "assertion": "> 0.5"}, "assertion", "where"),
        ({"method": "hasMin", "column": "a"}, "columns", "assertion"),
        ({"method": "hasMin", "assertion": "> 1"}, "no column", "one name"),
        ({"method": "hasCorrelation", "column": "a", "assertion": "> 1"}, "a", "two names"),
        ({"method": "hasSize", "column": "a", "assertion": "> 1"}, "a", "no column"),
        ({"method": "hasMin", "column": 5, "assertion": "> 1"}, "5", "names"),
        ({"method": "hasMin", "column": "a", "assertion": "at least 3"}, "at least 3", "operator"),
        ({"method": "hasDataType", "column": "a", "dataType": "Integer"}, "Integer", "Integral"),
        ({"method": "hasMinLength", "column": "a", "assertion": "> 1", "nullBehavior": "fail"}, "fail", "Fail"),
        ({"method": "isContainedIn", "column": "a"}, "isContainedIn", "allowedValues"),
        ({"method": "isContainedIn", "column": "a", "allowedValues": []}, "[]", "at least one"),
        ({"method": "isContainedIn", "column": "a", "lowerBound": 1}, "lowerBound", "upperBound"),
        ({"method": "isContainedIn", "column": "a", "lowerBound": "1", "upperBound": 2}, "'1'", "int or float"),
        ({"method": "isComplete", "column": "a", "quarantine": "no"}, "'no'", "bool"),
        ({"method": "hasExactQuantile", "column": "a", "assertion": "> 1", "quantile": 1.5}, "1.5", "0 to 1"),
        ("isComplete", "isComplete", "method"),
    ],
)
def test_a_mistake_in_a_constraint_is_named(values, seen, expected):
    with pytest.raises(UsageError) as caught:
        read_suite({"checks": [{"constraints": [values]}]})
    error = caught.value
    assert seen in error.seen
    assert expected in f"{error.headline} {error.expected} {error.next_step}"
    assert error.exit_code == 2


@pytest.mark.parametrize(
    "values",
    [
        {"check": []},
        {"checks": {}},
        {"checks": []},
        {"checks": ["x"]},
        {"checks": [{"lvl": "Error"}]},
        {"checks": [{"level": "Eror"}]},
        {"checks": [{"constraints": {}}]},
    ],
)
def test_a_mistake_in_a_suite_is_named(values):
    with pytest.raises(UsageError) as caught:
        read_suite(values)
    assert caught.value.seen
    assert caught.value.expected


def test_the_nearest_level_is_named():
    with pytest.raises(UsageError, match="unknown level") as caught:
        read_level("warn")
    assert caught.value.expected == "Warning"


@pytest.mark.parametrize(
    ("values", "expected"),
    [({"type": "Complet"}, "Completeness"), ({"type": "Mean", "colum": "a"}, "column"), ({"type": "Mean"}, "column")],
)
def test_a_mistake_in_an_analyzer_is_named(values, expected):
    with pytest.raises(UsageError) as caught:
        a.from_json(values)
    assert expected in caught.value.expected


ASSERTIONS = st.builds(
    Assertion,
    st.sampled_from(["==", "!=", ">=", "<=", ">", "<"]),
    st.floats(allow_nan=False, allow_infinity=False),
) | st.builds(
    lambda low, high: Assertion("between", low, high),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False),
)


@given(ASSERTIONS)
def test_an_assertion_goes_through_text(assertion):
    assert Assertion.parse(str(assertion)) == assertion


@pytest.mark.parametrize(
    ("text", "holds", "fails"),
    [
        (">= 5000", 5000, 4999.9),
        ("== 1.0", 1, 0.99),
        ("= 1", 1, 0.99),
        ("!= 0", 1, 0),
        ("< .5", 0.4, 0.5),
        ("<=-1e3", -1000, -999),
        ("> 1", 1.1, 1),
        ("between 0.4 and 0.6", 0.6, 0.61),
        ({"op": ">=", "value": 3}, 3, 2),
        ({"op": "between", "value": 3, "upper": 4}, 4, 5),
    ],
)
def test_an_assertion_is_read(text, holds, fails):
    assertion = Assertion.parse(text)
    assert assertion.holds(holds)
    assert not assertion.holds(fails)
    assert not assertion.holds(math.nan)


@pytest.mark.parametrize("text", ["", ">=", "5", "=> 5", ">= five", "between 1", {"op": ">="}, None, 5])
def test_an_assertion_that_cannot_be_read(text):
    with pytest.raises(UsageError, match="assertion cannot be read"):
        Assertion.parse(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.9954, "0.9954"),
        (6.347594728516269e-4, "6.347594728516269E-4"),
        (1.7976931348623157e308, "1.7976931348623157E308"),
        (-1.7976931348623157e308, "-1.7976931348623157E308"),
        (5.0, "5.0"),
        (0.001, "0.001"),
        (1e6, "1000000.0"),
        (1e7, "1.0E7"),
        (-0.0, "-0.0"),
        (math.nan, "NaN"),
        (-math.inf, "-Infinity"),
    ],
)
def test_numbers_are_spelled_as_java_does(value, text):
    assert java_double(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_spelled_number_is_the_number(value):
    assert float(java_double(value)) == value
    assert float(plain(value)) == value
