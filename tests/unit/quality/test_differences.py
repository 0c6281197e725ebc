"""Each deliberate difference from Deequ, shown on a table small enough to see that it is right."""

from __future__ import annotations

import math
import sys

import pytest
from quality_data import constraint, engine_on, metric_of

from intermodal.quality.analyzers import ApproxQuantile, DataType, Histogram, RatioOfSums, UniqueValueRatio
from intermodal.quality.checks import Check, Level
from intermodal.quality.differences import DIFFERENCES
from intermodal.quality.evaluation import label_of
from intermodal.quality.verification import verify

TABLE = {
    "a": [1, 2, 3, 4],
    "b": [10, 20, 30, 40],
    "t": ["x", "x", "y", None],
    "ok": [True, True, False, None],
    "d": [1.0, math.nan, 3.0, None],
}


@pytest.fixture
def engine(tmp_path):
    return engine_on(tmp_path, TABLE)


def measured(engine, analyzer):
    return engine.measure([analyzer])[analyzer]


def rows_failing(engine, *constraints):
    failing = verify(engine, [Check(Level.ERROR, "", constraints)]).failing
    return [[sample["row"] for sample in failing[item].samples] if item in failing else None for item in constraints]


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda item: item.name)
def test_every_difference_has_a_test(difference):
    assert hasattr(sys.modules[__name__], f"test_{difference.name}")
    assert difference.deequ
    assert difference.here


def test_ratio_of_sums_heeds_where(engine):
    assert measured(engine, RatioOfSums("b", "a")).value == 10.0
    assert measured(engine, RatioOfSums("a", "b", "a > 2")).value == 7 / 70
    ratios = engine.measure([RatioOfSums("a", "b"), RatioOfSums("b", "a", "a = 1")])
    assert [metric.value for metric in ratios.values()] == [0.1, 10.0]


def test_histogram_ratios_of_selected_rows(engine):
    distribution = measured(engine, Histogram("t", where="a <= 3")).value
    assert [(item.value, item.absolute, item.ratio) for item in distribution.bins] == [("x", 2, 2 / 3), ("y", 1, 1 / 3)]


def test_data_type_of_selected_rows(engine):
    types = measured(engine, DataType("t", "a <= 2")).value
    assert types.find("String").ratio == 1.0
    assert types.find("Unknown").absolute == 0
    assert math.isnan(measured(engine, DataType("t", "a > 9")).value.find("Unknown").ratio)
    assert (
        metric_of(engine, "hasDataType", column="t", dataType="Null", where="a = 4").value.find("Unknown").ratio == 1.0
    )


def test_sign_of_text(tmp_path):
    engine = engine_on(tmp_path, {"t": ["5", "-1", "0", "five", None]})
    assert metric_of(engine, "isNonNegative", column="t").value == 3 / 5
    assert metric_of(engine, "isPositive", column="t").value == 2 / 5
    assert rows_failing(engine, constraint("isNonNegative", column="t")) == [[1, 3]]


def test_predicates_are_conditions(engine):
    for values in ({"predicate": "a"}, {"predicate": "a > 1", "where": "b"}):
        metric = metric_of(engine, "satisfies", name="n", **values)
        assert metric.problem.kind == "MetricCalculationRuntimeException"
        assert "INTEGER" in metric.problem.message or "BIGINT" in metric.problem.message
    assert metric_of(engine, "satisfies", name="n", predicate="ok").value == 0.5


def test_ratio_of_no_values(engine):
    assert measured(engine, UniqueValueRatio(("t",), "a > 9")).empty
    vacuous = constraint("hasUniqueValueRatio", columns=["t"], assertion=">= 1", where="a > 9")
    assert verify(engine, [Check(Level.ERROR, "", (vacuous,))]).status == "Success"


def test_bad_expression_fails_alone(engine):
    rules = ("nope > 1", "a > 1 (", "t IN (a)", "a > 1")
    constraints = tuple(constraint("satisfies", name=rule, predicate=rule, assertion=">= 0") for rule in rules)
    outcomes = verify(engine, [Check(Level.ERROR, "", constraints)]).checks[0].outcomes
    assert [outcome.success for outcome in outcomes] == [False, False, False, True]
    assert outcomes[3].value == 0.75


def test_nan_satisfies_nothing(engine):
    for text in ("!= 1", ">= 0", "<= 0", "between -1e9 and 1e9"):
        outcome = verify(engine, [Check(Level.ERROR, "", (constraint("hasMean", column="d", assertion=text),))])
        assert outcome.checks[0].outcomes[0].message == "Value: NaN does not meet the constraint requirement!"
    low = constraint("hasMin", column="d", assertion=">= 0")
    high = constraint("hasMax", column="d", assertion="<= 9")
    assert rows_failing(engine, low, high) == [[1], [1]]


def test_rows_outside_where_pass(engine):
    inside = [
        constraint("isComplete", column="t", where="ok"),
        constraint("hasPattern", column="t", pattern="y", where="ok"),
        constraint("hasMinLength", column="t", assertion=">= 9", where="ok"),
        constraint("isUnique", column="t", where="ok"),
        constraint("satisfies", name="s", predicate="a > 1", where="NOT ok"),
        constraint("hasMaxLength", column="t", assertion="<= 0", where="a > 9"),
        constraint("hasPattern", column="t", pattern="z", where="a > 9"),
    ]
    assert rows_failing(engine, *inside) == [[], [0, 1], [0, 1], [0, 1], [], [], []]


def test_uncomputable_rows_pass(engine):
    wrong = [
        constraint("isComplete", column="nope"),
        constraint("hasMin", column="t", assertion=">= 1"),
        constraint("hasPattern", column="a", pattern="1"),
        constraint("satisfies", name="n", predicate="nope"),
    ]
    assert rows_failing(engine, *wrong) == [None, None, None, None]
    assert verify(engine, [Check(Level.WARNING, "", tuple(wrong))]).status == "Warning"


def test_null_rows_follow_the_metric(engine):
    rule = constraint("satisfies", name="ok", predicate="ok", assertion=">= 0.5")
    assert metric_of(engine, "satisfies", name="ok", predicate="ok").value == 0.5
    assert rows_failing(engine, rule) == [[2, 3]]


def test_rows_fail_in_the_direction_of_the_assertion(engine):
    constraints = [
        constraint("hasMax", column="a", assertion="<= 3"),
        constraint("hasMax", column="a", assertion=">= 3"),
        constraint("hasMin", column="a", assertion=">= 2"),
        constraint("hasMin", column="a", assertion="<= 2"),
        constraint("hasMin", column="a", assertion="between 2 and 3"),
        constraint("hasMax", column="a", assertion="between 2 and 3"),
        constraint("hasPattern", column="t", pattern="y", assertion="== 0"),
        constraint("hasPattern", column="t", pattern="y", assertion=">= 0.1"),
        constraint("hasPattern", column="t", pattern="y", assertion="between 0.1 and 0.9"),
        constraint("hasUniqueness", columns=["t"], assertion="<= 0.5"),
        constraint("hasDuplicateRowCount", columns=["t"], assertion="== 0"),
        constraint("hasDuplicateRowCount", columns=["t"], assertion=">= 1"),
        constraint("hasMean", column="a", assertion=">= 1"),
    ]
    wanted = [[3], None, [0], None, [0], [3], [2], [0, 1, 3], None, None, [0, 1], None, None]
    assert rows_failing(engine, *constraints) == wanted


def test_patterns_run_in_linear_time(engine):
    metric = metric_of(engine, "hasPattern", column="t", pattern="(?=x)")
    assert "not supported" in metric.problem.message
    assert metric_of(engine, "containsSocialSecurityNumber", column="t", assertion="== 0").value == 0.0


def test_estimates_are_other_estimates(tmp_path):
    engine = engine_on(tmp_path, {"x": list(range(50_000))})
    assert measured(engine, ApproxQuantile("x", 0.25)).value in (12_499.0, 12_500.0)
    estimate = metric_of(engine, "hasApproxCountDistinct", column="x", assertion="> 0").value
    assert estimate == pytest.approx(50_000, rel=0.05)


def test_failed_casts_are_null(engine):
    assert metric_of(engine, "satisfies", name="n", predicate="CAST(t AS INT) IS NULL").value == 1.0
    assert metric_of(engine, "satisfies", name="n", predicate='"a" > 2').value == 0.5
    assert 'column "x" not found' in metric_of(engine, "satisfies", name="n", predicate='t = "x"').problem.message


def test_messages_have_a_fixed_order(engine):
    assert metric_of(engine, "hasMean", column="t", assertion="> 0").problem.message == (
        "Expected type of column t to be one of (ByteType,ShortType,IntegerType,LongType,FloatType,DoubleType,"
        "DecimalType), but found StringType instead!"
    )
    label = label_of(constraint("hasUniqueValueRatio", columns=["a"], assertion="> 0"))
    assert label == "UniqueValueRatioConstraint(UniqueValueRatio(List(a),None,None))"
