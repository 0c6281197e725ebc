"""The embedded engine on small tables: NaN, isolation, files, SQL of two dialects, determinism."""

from __future__ import annotations

import math
import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from quality_data import constraint, engine_on, metric_of, reviews, write_reviews

from intermodal.errors import DataRejected, UsageError
from intermodal.quality.analyzers import Completeness, Correlation, CountDistinct, Mean, Size, Uniqueness
from intermodal.quality.checks import Check, Level
from intermodal.quality.document import to_document
from intermodal.quality.embedded.engine import EmbeddedEngine
from intermodal.quality.review_suite import review_suite
from intermodal.quality.verification import check_names, verify

NAN = math.nan
NUMERIC = {
    "hasMean": {},
    "hasSum": {},
    "hasStandardDeviation": {},
    "hasVariance": {},
    "hasSkewness": {},
    "hasKurtosis": {},
    "hasMax": {},
    "hasRange": {},
}


@pytest.mark.parametrize("method", NUMERIC)
@pytest.mark.parametrize("kind", [pa.float64(), pa.float32()])
def test_one_nan_makes_a_number_nan(tmp_path, method, kind):
    engine = engine_on(tmp_path, {"x": pa.array([1.0, NAN, 3.0, 4.0, None], kind)})
    metric = metric_of(engine, method, column="x", assertion=">= 0")
    assert math.isnan(metric.value)


def test_the_minimum_is_a_number_while_there_is_one(tmp_path):
    engine = engine_on(tmp_path, {"x": [3.0, NAN, 1.0, None], "y": [NAN, None, NAN, None]})
    assert metric_of(engine, "hasMin", column="x", assertion=">= 0").value == 1.0
    assert math.isnan(metric_of(engine, "hasMin", column="y", assertion=">= 0").value)


def test_the_maximum_sees_nan_behind_parquets_statistics(tmp_path):
    # Parquet's statistics leave NaN out, and a plan may answer max() from them alone.
    values = [float(n) for n in range(1000)] + [NAN]
    engine = engine_on(tmp_path, {"x": values}, row_group_size=100)
    assert math.isnan(metric_of(engine, "hasMax", column="x", assertion=">= 0").value)
    assert metric_of(engine, "hasMax", column="x", assertion=">= 0", where="x < 500").value == 499.0


def test_correlation_with_nan_infinity_and_constants(tmp_path):
    engine = engine_on(
        tmp_path, {"a": [1.0, 2.0, 3.0], "n": [1.0, NAN, 3.0], "i": [1.0, math.inf, 3.0], "c": [1.0] * 3}
    )
    for other in ("n", "i", "c"):
        assert math.isnan(metric_of(engine, "hasCorrelation", columns=["a", other], assertion=">= 0").value)
    assert metric_of(
        engine, "hasCorrelation", columns=["a", "n"], assertion=">= 0", where="a <> 2"
    ).value == pytest.approx(1)


def test_moments_equal_numpys(tmp_path):
    values = np.random.default_rng(7).gamma(2.0, size=5000)
    engine = engine_on(tmp_path, {"x": values}, row_group_size=512)
    centred = values - values.mean()
    wanted = {
        "hasMean": values.mean(),
        "hasStandardDeviation": values.std(),
        "hasVariance": values.var(),
        "hasSkewness": (centred**3).mean() / values.std() ** 3,
        "hasKurtosis": (centred**4).mean() / values.var() ** 2 - 3,
        "hasInterquartileRange": np.subtract(*np.percentile(values, [75, 25])),
        "hasRange": np.ptp(values),
    }
    for method, value in wanted.items():
        assert metric_of(engine, method, column="x", assertion=">= 0").value == pytest.approx(value, rel=1e-9), method


@pytest.mark.parametrize("values", [[5], [5, 7], [5, 5, 5]])
def test_shapes_of_few_or_equal_numbers(tmp_path, values):
    engine = engine_on(tmp_path, {"x": values})
    wanted = -2.0 if len(set(values)) == 2 else 0.0
    assert metric_of(engine, "hasSkewness", column="x", assertion=">= 0").value == 0.0
    assert metric_of(engine, "hasKurtosis", column="x", assertion=">= 0").value == pytest.approx(wanted)


def test_whole_numbers_are_summed_exactly(tmp_path):
    engine = engine_on(tmp_path, {"x": [2**62, 2**62, -(2**62), 1]})
    assert metric_of(engine, "hasSum", column="x", assertion=">= 0").value == float(2**62 + 1)


def test_what_the_data_breaks_fails_alone(tmp_path):
    engine = engine_on(tmp_path, {"x": [1, 2, 3], "t": ["a", "b", None]})
    broken = constraint("isContainedIn", column="x", allowedValues=["1", "many"])
    sound = [constraint("hasSize", assertion="== 3"), constraint("isComplete", column="t")]
    verification = verify(engine, [Check(Level.ERROR, "", (broken, *sound))])
    first, second, third = verification.checks[0].outcomes
    assert first.metric.problem.kind == "MetricCalculationRuntimeException"
    assert "many" in first.message
    assert second.success
    assert third.value == pytest.approx(2 / 3)
    assert set(verification.failing) == {sound[1]}


def test_equal_analyzers_are_computed_once_and_answered_in_order(tmp_path):
    engine = engine_on(tmp_path, {"x": [1, 1, None]})
    asked = [Uniqueness(("x",)), Size(), Completeness("x"), Size(), CountDistinct(("x",)), Mean("x")]
    metrics = engine.measure(asked)
    assert list(metrics) == list(dict.fromkeys(asked))
    assert [metric.value for metric in metrics.values()] == [0.0, 3.0, 2 / 3, 1.0, 1.0]


def test_a_suite_needs_few_scans(tmp_path, monkeypatch):
    write_reviews(tmp_path, reviews())
    engine = EmbeddedEngine(tmp_path, threads=2)
    seen: list[str] = []
    query = type(engine.source).query

    def counting(source, sql):
        seen.append(sql)
        return query(source, sql)

    monkeypatch.setattr(type(engine.source), "query", counting)
    analyzers = list(verify(engine, review_suite()).metrics)
    scans = [sql for sql in seen if "read_parquet" in sql and "DESCRIBE" not in sql]
    # All aggregates, those that depend on the order, the frequencies of review_id, the rows that fail.
    assert len(scans) == 4
    assert len(analyzers) > 35


def test_count_distinct_takes_a_condition(tmp_path):
    engine = engine_on(tmp_path, {"x": [1, 2, 3, None]})
    assert engine.measure([CountDistinct(("x",), "x > 1")])[CountDistinct(("x",), "x > 1")].value == 2.0


@pytest.mark.parametrize(
    "predicate",
    [
        "`my col` = 'it\\'s'",
        "\"my col\" = 'it''s'",
        "`my col` IN ('it''s', 'x') -- a comment",
        "CAST(`my col` AS INT) IS NULL AND `my col` LIKE 'it_s'",
    ],
)
def test_both_ways_of_quoting_are_read(tmp_path, predicate):
    engine = engine_on(tmp_path, {"my col": ["it's", "12", None]})
    metric = metric_of(engine, "satisfies", name="quoted", predicate=predicate, assertion="> 0")
    assert metric.value == pytest.approx(1 / 3)


def test_columns_with_strange_names(tmp_path):
    engine = engine_on(tmp_path, {'a "b" c': [1, 2, None], "select": [1, 1, 2]})
    assert metric_of(engine, "isComplete", column='a "b" c').value == pytest.approx(2 / 3)
    assert metric_of(engine, "isUnique", column='a "b" c').value == 1.0
    assert metric_of(engine, "hasMax", column="select", assertion="> 0").value == 2.0
    assert metric_of(engine, "isNonNegative", column='a "b" c').value == 1.0
    assert metric_of(engine, "isLessThanOrEqualTo", columns=["select", 'a "b" c']).value == pytest.approx(2 / 3)


def test_allowed_numbers_match_any_numeric_column(tmp_path):
    engine = engine_on(tmp_path, {"i": [1, 2, 9], "d": [1.0, 2.0, 9.0], "t": ["1", "2", "9"]})
    for column in ("i", "d", "t"):
        assert metric_of(engine, "isContainedIn", column=column, allowedValues=[1, 2]).value == pytest.approx(2 / 3)
        bounds = {"lowerBound": 1, "upperBound": 2}
        if column != "t":
            assert metric_of(engine, "isContainedIn", column=column, **bounds).value == pytest.approx(2 / 3)


def test_nested_columns_are_refused_by_type(tmp_path):
    engine = engine_on(tmp_path, {"l": [[1], [2]], "s": [{"a": 1}, {"a": 2}]})
    for column, kind in (("l", "ArrayType"), ("s", "StructType")):
        problem = metric_of(engine, "isUnique", column=column).problem
        assert problem.kind == "WrongColumnTypeException"
        assert problem.message == f"Unsupported nested column type of column {column}: {kind}!"


def test_a_predicate_cannot_read_other_files(tmp_path):
    engine = engine_on(tmp_path / "data", {"x": [1]})
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    rule = f"x = (SELECT count(*) FROM read_csv('{secret}'))"
    problem = metric_of(engine, "satisfies", name="spy", predicate=rule).problem
    assert problem is not None
    assert "Permission" in problem.message


def test_a_partition_column_inside_the_files_wins(tmp_path):
    write_reviews(tmp_path, reviews(20, product_category=["A"] * 10 + ["B"] * 10))
    engine = EmbeddedEngine(tmp_path)
    assert list(engine.columns()) == reviews(1).column_names
    assert (
        metric_of(engine, "hasNumberOfDistinctValues", column="product_category", assertion="== 2").value.number_of_bins
        == 2
    )


def test_only_parquet_files_are_read(tmp_path):
    engine_on(tmp_path, {"x": [1, 2]})
    (tmp_path / "manifest.json").write_text("{}")
    engine = EmbeddedEngine(tmp_path)
    assert engine.measure([Size()])[Size()].value == 2.0


def test_no_file(tmp_path):
    with pytest.raises(UsageError, match="nothing to check"):
        EmbeddedEngine(tmp_path)


def test_a_damaged_file(tmp_path):
    (tmp_path / "part-00000.parquet").write_bytes(b"PAR1 no parquet at all")
    with pytest.raises(DataRejected, match="cannot be read as Parquet"):
        EmbeddedEngine(tmp_path)


def test_a_reserved_name(tmp_path):
    with pytest.raises(UsageError, match="reserved name"):
        engine_on(tmp_path, {"file_row_number": [1]})


@pytest.mark.parametrize(
    ("values", "seen", "expected"),
    [
        ({"method": "isComplete", "column": "reviewid"}, "reviewid", "review_id"),
        ({"method": "hasMax", "column": "stars", "assertion": "<= 5"}, "stars", "star_rating"),
        ({"method": "satisfies", "name": "x", "predicate": "star_ratin > 3"}, "star_ratin", "star_rating"),
        ({"method": "isComplete", "column": "review_id", "where": "star_rating >"}, "syntax error", "star_rating"),
        ({"method": "hasPattern", "column": "review_id", "pattern": "(?=R)"}, "(?=", ""),
        ({"method": "hasPattern", "column": "review_id", "pattern": "R["}, "R[", ""),
        ({"method": "satisfies", "name": "x", "predicate": "star_rating"}, "INTEGER", ""),
    ],
)
def test_names_are_checked_before_anything_is_computed(tmp_path, values, seen, expected):
    write_reviews(tmp_path, reviews(5))
    values = dict(values)
    check = Check(Level.ERROR, "", (constraint(values.pop("method"), **values),))
    with pytest.raises(UsageError) as caught:
        check_names(EmbeddedEngine(tmp_path), [check])
    assert seen in caught.value.seen
    assert expected in caught.value.expected


def test_hascolumn_may_name_what_is_not_there_and_case_does_not_matter_elsewhere(tmp_path):
    write_reviews(tmp_path, reviews(5))
    wanted = (constraint("hasColumn", column="sentiment"), constraint("isComplete", column="REVIEW_ID"))
    check_names(EmbeddedEngine(tmp_path), [Check(Level.ERROR, "", wanted)])


def test_samples_show_where_the_row_is_and_cut_long_texts(tmp_path):
    bodies = ["x" * 5000 if n % 10 == 0 else None for n in range(100)]
    write_reviews(tmp_path, reviews(100, review_body=pa.array(bodies, pa.string()), star_rating=[NAN, *[1.5] * 99]))
    rule = constraint("hasMaxLength", column="review_body", assertion="<= 100")
    failing = verify(EmbeddedEngine(tmp_path), [Check(Level.ERROR, "", (rule,))]).failing[rule]
    assert failing.count == 10
    assert [sample["row"] for sample in failing.samples] == [0, 10, 20, 30, 40]
    first = failing.samples[0]
    assert first["file"] == "product_category=Software/part-00000.parquet"
    assert len(first["values"]["review_body"]) == 200
    assert first["values"]["star_rating"] == "NaN"
    assert first["values"]["review_date"] == "2015-01-01"


def test_equal_data_gives_equal_documents(tmp_path):
    # Sums of doubles depend on their order: with two threads and many row groups they would differ now and then.
    order = random.Random(3)  # noqa: S311
    columns = {"x": [order.gauss(0, 1e6) for _ in range(60_000)], "y": [order.random() for _ in range(60_000)]}
    suite = [
        Check(
            Level.ERROR,
            "",
            (
                constraint("hasMean", column="x", assertion="> 0"),
                constraint("hasCorrelation", columns=["x", "y"], assertion="> 0"),
                constraint("hasStandardDeviation", column="y", assertion="> 0"),
                constraint("hasEntropy", column="y", assertion="> 0"),
                constraint("hasApproxCountDistinct", column="x", assertion="> 0"),
            ),
        )
    ]
    engine_on(tmp_path, columns, row_group_size=2048)
    documents = [to_document(verify(EmbeddedEngine(tmp_path, threads=2), suite), {}, Level.ERROR) for _ in range(8)]
    assert all(document == documents[0] for document in documents)


def test_threads_come_back_after_the_scan_by_one(tmp_path):
    engine = engine_on(tmp_path, {"x": [1.0, 2.0]})
    engine.measure([Correlation("x", "x")])
    assert engine.source.query("SELECT current_setting('threads')") == [(2,)]


def test_files_with_other_columns_are_read_by_name(tmp_path):
    pq.write_table(pa.table({"a": [1], "b": ["x"]}), tmp_path / "one.parquet")
    pq.write_table(pa.table({"b": ["y"], "a": [2]}), tmp_path / "two.parquet")
    engine = EmbeddedEngine(tmp_path)
    assert metric_of(engine, "hasSum", column="a", assertion="> 0").value == 3.0
    assert metric_of(engine, "isComplete", column="b").value == 1.0
