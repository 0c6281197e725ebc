"""Clean and quarantined rows: none is lost, none is in both, and reasons are the right ones."""

from __future__ import annotations

import filecmp
import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from quality_data import constraint, engine_on, reviews, write_reviews

from intermodal.quality.embedded.engine import EmbeddedEngine
from intermodal.quality.embedded.split import find_rejects, write_clean, write_quarantine


def split(data, folder, *constraints):
    """(clean rows, quarantined rows) as lists of mappings, in the order of the files."""
    source = EmbeddedEngine(data, threads=2).source
    rejects = find_rejects(source, constraints)
    write_clean(source, rejects, folder / "clean")
    write_quarantine(source, rejects, folder / "quarantine")
    return [rows_of(folder / name) for name in ("clean", "quarantine")]


def rows_of(folder):
    tables = [pq.ParquetFile(file).read() for file in sorted(folder.rglob("*.parquet"))]
    return [row for table in tables for row in table.to_pylist()]


COLUMN = st.lists(st.none() | st.integers(-3, 3), min_size=1, max_size=40)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(COLUMN, st.integers(1, 9))
def test_no_row_is_lost(tmp_path_factory, values, group):
    folder = tmp_path_factory.mktemp("split")
    table = pa.table({"n": range(len(values)), "x": pa.array(values, pa.int64())})
    engine_on(folder / "data", {name: table.column(name) for name in table.column_names}, row_group_size=group)
    rules = (constraint("isComplete", column="x"), constraint("hasMax", column="x", assertion="<= 2"))
    clean, bad = split(folder / "data", folder, *rules)
    assert [row["n"] for row in clean] == [n for n, x in enumerate(values) if x is not None and x <= 2]
    assert [row["n"] for row in bad] == [n for n, x in enumerate(values) if x is None or x > 2]
    assert all(row["failed_checks"] == ["isComplete(x)" if row["x"] is None else "hasMax(x)"] for row in bad)


def test_of_equal_copies_the_first_stays_and_contradictions_go(tmp_path):
    columns = {"id": ["a", "b", "a", "c", "b", None, None, "d"], "text": ["1", "2", "1", "3", "other", "5", "5", "6"]}
    engine_on(tmp_path / "data", columns)
    clean, bad = split(tmp_path / "data", tmp_path, constraint("isUnique", column="id"))
    assert [(row["id"], row["text"]) for row in clean] == [("a", "1"), ("c", "3"), (None, "5"), ("d", "6")]
    assert [(row["id"], row["text"]) for row in bad] == [("b", "2"), ("a", "1"), ("b", "other"), (None, "5")]


def test_copies_are_found_over_files(tmp_path):
    write_reviews(tmp_path / "data", pa.concat_tables([reviews(5), reviews(5), reviews(3, product_category=["X"] * 3)]))
    clean, bad = split(tmp_path / "data", tmp_path, constraint("isPrimaryKey", column="review_id"))
    # Rows 3 and 4 have an equal copy; 0, 1 and 2 stand in two categories, and nothing says which is right.
    assert [row["review_id"] for row in clean] == ["R0000000000003", "R0000000000004"]
    assert len(bad) == 11


def test_floats_that_are_not_numbers_are_equal_copies(tmp_path):
    engine_on(tmp_path / "data", {"id": [1, 1], "x": [math.nan, math.nan]})
    clean, bad = split(tmp_path / "data", tmp_path, constraint("isUnique", column="id"))
    assert (len(clean), len(bad)) == (1, 1)


def test_files_that_lose_nothing_are_copied(tmp_path):
    data = tmp_path / "data"
    write_reviews(data, reviews(20, product_category=["A"] * 10 + ["B"] * 10))
    clean, _ = split(data, tmp_path, constraint("satisfies", name="s", predicate="review_id <> 'R0000000000003'"))
    assert len(clean) == 19
    name = "product_category=B/part-00000.parquet"
    assert filecmp.cmp(data / name, tmp_path / "clean" / name, shallow=False)
    assert not filecmp.cmp(
        data / name.replace("=B", "=A"), tmp_path / "clean" / name.replace("=B", "=A"), shallow=False
    )


def test_a_partition_of_bad_rows_only_disappears(tmp_path):
    write_reviews(tmp_path / "data", reviews(20, product_category=["A"] * 10 + ["B"] * 10))
    clean, bad = split(
        tmp_path / "data", tmp_path, constraint("isContainedIn", column="product_category", allowedValues=["A"])
    )
    assert (len(clean), len(bad)) == (10, 10)
    assert [path.name for path in (tmp_path / "clean").iterdir()] == ["product_category=A"]


def test_an_empty_quarantine_has_the_schema(tmp_path):
    write_reviews(tmp_path / "data", reviews(5))
    _, bad = split(tmp_path / "data", tmp_path, constraint("isComplete", column="review_id"))
    assert bad == []
    schema = pq.read_schema(tmp_path / "quarantine" / "part-00000.parquet")
    assert schema.names == [*reviews(1).column_names, "failed_checks"]
    assert schema.field("failed_checks").type == pa.list_(pa.string())


def test_the_schema_is_kept(tmp_path):
    write_reviews(tmp_path / "data", reviews(5))
    split(tmp_path / "data", tmp_path, constraint("satisfies", name="s", predicate="star_rating > 1"))
    name = "product_category=Software/part-00000.parquet"
    assert pq.read_schema(tmp_path / "clean" / name) == pq.read_schema(tmp_path / "data" / name)


@pytest.mark.parametrize("rules", [[], ["isComplete"], ["isUnique"], ["isComplete", "isUnique"]])
def test_two_runs_write_equal_bytes(tmp_path, rules):
    table = pa.concat_tables([reviews(400), reviews(400).slice(100, 50)])
    table = table.set_column(
        2, "review_id", pa.array([None if n % 9 == 0 else v for n, v in enumerate(table["review_id"].to_pylist())])
    )
    write_reviews(tmp_path / "data", table, row_group_size=50)
    constraints = [constraint(method, column="review_id") for method in rules]
    for name in ("one", "two"):
        split(tmp_path / "data", tmp_path / name, *constraints)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.parquet"))
    assert len(files) == 2
    same, other, broken = filecmp.cmpfiles(tmp_path / "one", tmp_path / "two", map(str, files), shallow=False)
    assert (len(same), other, broken) == (2, [], [])
