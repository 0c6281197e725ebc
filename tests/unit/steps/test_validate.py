"""The step `validate`: what passes, what is quarantined, what stops the pipeline, and what it leaves behind."""

from __future__ import annotations

import datetime
import filecmp
import json
import os
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kfp.dsl import HTML, Dataset, Markdown, Metrics

from intermodal.core.step import spec_of
from intermodal.errors import DataRejected, UsageError
from intermodal.steps.validate import validate

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "quality"))
from quality_data import reviews, write_reviews  # noqa: E402

SHARED = Path(os.environ.get("INTERMODAL_SHARED", Path(__file__).resolve().parents[3].parent / "shared"))
DATA = SHARED / "data"


class Run:
    """One call of the step, and what it wrote."""

    def __init__(self, folder: Path, **parameters) -> None:
        kinds = {"reviews": Dataset, "clean": Dataset, "quarantine": Dataset, "report": Dataset}
        kinds |= {"summary": HTML, "metrics": Metrics, "notes": Markdown}
        self.folder = folder
        self.artifacts = {name: kind(name=name, uri=str(folder / name), metadata={}) for name, kind in kinds.items()}
        self.error: Exception | None = None
        try:
            validate(**self.artifacts, **parameters)
        except (DataRejected, UsageError) as error:
            self.error = error

    @property
    def document(self) -> dict:
        return json.loads((self.folder / "report" / "validation.json").read_text())

    def constraint(self, title: str) -> dict:
        listed = [item for check in self.document["checks"] for item in check["constraints"]]
        return next(item for item in listed if item["title"] == title)

    def rows(self, name: str) -> list[dict]:
        files = sorted((self.folder / name).rglob("*.parquet"))
        return [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]


def run_on(folder: Path, table: pa.Table, **parameters) -> Run:
    write_reviews(folder / "reviews", table)
    return Run(folder, **parameters)


def suite(*constraints: dict, level: str = "Error") -> dict:
    return {"checks": [{"level": level, "description": "mine", "constraints": list(constraints)}]}


def spoilt(rows: int = 200) -> pa.Table:
    """Reviews with a few bad rows of each kind: no id, a repeated row, a rating of 9, and smaller faults."""
    good = reviews(rows)
    ids = good.column("review_id").to_pylist()
    ids[3] = ids[70] = None
    ratings = good.column("star_rating").to_pylist()
    ratings[5], ratings[6] = 9, None
    codes = ["us" if n < 10 else "US" for n in range(rows)]
    table = reviews(rows, review_id=ids, star_rating=pa.array(ratings, pa.int32()), marketplace=codes)
    return pa.concat_tables([table, table.slice(20, 2)])


def test_good_reviews_pass_the_default_suite(tmp_path):
    run = run_on(tmp_path, reviews())
    assert run.error is None
    assert run.document["status"] == "Success"
    assert (run.document["rows"], run.document["clean_rows"], run.document["quarantined_rows"]) == (200, 200, 0)
    assert run.artifacts["clean"].metadata["rows"] == 200
    assert run.artifacts["quarantine"].metadata["rows"] == 0
    assert run.rows("clean") == run.rows("reviews")
    assert (tmp_path / "clean" / "product_category=Software" / "part-00000.parquet").is_file()


def test_bad_rows_go_to_the_quarantine_with_their_reasons(tmp_path):
    run = run_on(tmp_path, spoilt())
    assert run.error is None
    assert run.document["status"] == "Warning"
    bad = run.rows("quarantine")
    reasons = {str(row["customer_id"]): row["failed_checks"] for row in bad}
    assert reasons == {
        "10003": ["hasCompleteness(review_id)", "hasUniqueness(review_id)"],
        "10070": ["hasCompleteness(review_id)", "hasUniqueness(review_id)"],
        "10005": ["isContainedIn(star_rating)"],
        "10006": ["hasCompleteness(star_rating)"],
        "10020": ["hasUniqueness(review_id)"],
        "10021": ["hasUniqueness(review_id)"],
    }
    clean = run.rows("clean")
    assert len(clean) + len(bad) == run.document["rows"] == 202
    assert len({row["review_id"] for row in clean}) == len(clean) == 196
    assert run.document["quarantined_by"]["hasCompleteness(review_id)"] == 2


def test_a_warning_tells_but_keeps_the_rows(tmp_path):
    run = run_on(tmp_path, spoilt())
    told = run.constraint("isContainedIn(marketplace)")
    assert (told["level"], told["status"], told["rows_failed"], told["expected"]) == ("Warning", "Failure", 10, "== 1")
    assert told["value"] == pytest.approx(192 / 202)
    assert [sample["values"]["marketplace"] for sample in told["samples"]] == ["us"] * 5
    assert sum(row["marketplace"] == "us" for row in run.rows("clean")) == 7
    assert run.artifacts["metrics"].metadata["failed_warnings"] >= 1


def test_the_rows_of_warnings_can_be_quarantined_too(tmp_path):
    run = run_on(tmp_path, spoilt(), quarantine_level="Warning")
    assert all(row["marketplace"] == "US" for row in run.rows("clean"))
    assert run.document["quarantine_level"] == "Warning"
    assert len(run.rows("clean")) + len(run.rows("quarantine")) == 202


def test_the_report_holds_what_a_page_needs(tmp_path):
    run = run_on(tmp_path, spoilt())
    wanted = {"check", "level", "constraint", "title", "column", "where", "status", "value", "expected", "message"}
    for check in run.document["checks"]:
        assert {"check", "level", "status", "constraints"} <= set(check)
        for item in check["constraints"]:
            assert wanted | {"rows_failed", "samples", "rule", "hint", "method"} <= set(item)
            assert len(item["samples"]) == min(5, item["rows_failed"] or 0)
            assert (item["message"] == "") == (item["status"] == "Success")
    page = (tmp_path / "summary").read_text()
    assert "hasCompleteness(review_id)" in page
    assert "<script" not in page
    assert "http" not in page


def test_the_page_shows_names_as_text(tmp_path):
    rule = {"method": "satisfies", "name": "<b>bold</b>", "predicate": "star_rating < 9"}
    run_on(tmp_path, reviews(5), checks=suite(rule))
    page = (tmp_path / "summary").read_text()
    assert "&lt;b&gt;bold&lt;/b&gt;" in page
    assert "star_rating &lt; 9" in page
    assert "<b>bold" not in page


def test_a_failed_error_check_stops_and_leaves_its_report(tmp_path):
    rules = (
        {"method": "hasSize", "assertion": ">= 5000"},
        {"method": "hasMean", "column": "star_rating", "assertion": "between 3.5 and 4"},
        {"method": "isComplete", "column": "review_id"},
    )
    run = run_on(tmp_path, spoilt(), checks=suite(*rules))
    assert isinstance(run.error, DataRejected)
    assert run.error.exit_code == 3
    assert run.error.headline == "the data is rejected: 3 constraints of 1 Error check failed"
    assert "hasSize = 202" in run.error.seen
    assert "hasMean(star_rating) = 3.0" in run.error.seen
    assert "hasSize >= 5000; hasMean(star_rating) between 3.5 and 4; isComplete(review_id) == 1" in run.error.expected
    assert run.document["status"] == "Error"
    assert (tmp_path / "summary").is_file()
    assert [row["customer_id"] for row in run.rows("quarantine")] == ["10003", "10070"]
    assert not (tmp_path / "clean").exists()


def test_the_same_suite_as_warning_does_not_stop(tmp_path):
    run = run_on(tmp_path, spoilt(), checks=suite({"method": "hasSize", "assertion": ">= 5000"}, level="Warning"))
    assert run.error is None
    assert run.document["status"] == "Warning"
    assert len(run.rows("clean")) == 202


def test_dates_that_cannot_be_are_told(tmp_path):
    dates = [datetime.date(2115, 3, 1), datetime.date(1970, 1, 1), None, *[datetime.date(2015, 3, 1)] * 97]
    run = run_on(tmp_path, reviews(100, review_date=pa.array(dates, pa.date32())))
    told = run.constraint("satisfies(written when it can have been)")
    assert (told["level"], told["rows_failed"], told["value"]) == ("Warning", 3, 0.97)
    assert [sample["values"]["review_date"] for sample in told["samples"]] == ["2115-03-01", "1970-01-01", None]


def test_too_many_bad_rows_fail_the_default_suite(tmp_path):
    ids = [None if n % 10 == 0 else f"R{n:013d}" for n in range(200)]
    run = run_on(tmp_path, reviews(200, review_id=ids))
    assert isinstance(run.error, DataRejected)
    assert "hasCompleteness(review_id) = 0.9" in run.error.seen
    assert "hasCompleteness(review_id) >= 0.95" in run.error.expected


def test_a_constraint_can_keep_its_rows(tmp_path):
    rule = {"method": "hasCompleteness", "column": "review_id", "assertion": ">= 0.9"}
    kept = run_on(tmp_path / "kept", spoilt(), checks=suite({**rule, "quarantine": False}))
    parted = run_on(tmp_path / "parted", spoilt(), checks=suite(rule))
    assert (len(kept.rows("clean")), len(parted.rows("clean"))) == (202, 200)
    assert kept.constraint("hasCompleteness(review_id)")["rows_failed"] == 2


def test_no_clean_row_is_an_error(tmp_path):
    rule = {"method": "satisfies", "name": "none", "predicate": "star_rating > 5", "assertion": ">= 0"}
    run = run_on(tmp_path, reviews(10), checks=suite(rule))
    assert isinstance(run.error, DataRejected)
    assert "no row is clean" in run.error.headline
    assert "satisfies(none): 10 rows" in run.error.seen


def test_no_rows_at_all_are_rejected(tmp_path):
    (tmp_path / "reviews").mkdir()
    pq.write_table(reviews(0), tmp_path / "reviews" / "part-00000.parquet")
    run = Run(tmp_path)
    assert isinstance(run.error, DataRejected)
    assert "hasSize = 0" in run.error.seen


def test_a_missing_column_is_rejected_by_the_default_suite(tmp_path):
    (tmp_path / "reviews").mkdir()
    pq.write_table(reviews(10).drop_columns(["star_rating"]), tmp_path / "reviews" / "part-00000.parquet")
    run = Run(tmp_path)
    assert isinstance(run.error, DataRejected)
    assert "hasColumn(star_rating) = 0" in run.error.seen
    assert "hasColumn(star_rating) == 1" in run.error.expected


@pytest.mark.parametrize(
    ("parameters", "seen", "expected"),
    [
        ({"checks": suite({"method": "isCompleted", "column": "review_id"})}, "isCompleted", "isComplete"),
        ({"checks": suite({"method": "isComplete", "column": "reviewid"})}, "reviewid", "review_id"),
        ({"checks": {"cheks": []}}, "cheks", "checks"),
        ({"quarantine_level": "Warn"}, "Warn", "Warning"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_nearest(tmp_path, parameters, seen, expected):
    run = run_on(tmp_path, reviews(5), **parameters)
    assert isinstance(run.error, UsageError)
    assert run.error.exit_code == 2
    assert seen in run.error.seen
    assert expected in run.error.expected
    assert not (tmp_path / "report").exists()


def test_metrics_can_be_followed_from_run_to_run(tmp_path):
    values = run_on(tmp_path, spoilt()).artifacts["metrics"].metadata
    assert values["rows"] == 202
    assert values["quarantined_rows"] == 6
    assert values["failed_errors"] == 0
    assert values["Completeness.review_id"] == pytest.approx(200 / 202)
    assert values["Mean.star_rating"] == pytest.approx(3.03, abs=0.05)


def test_two_runs_write_equal_bytes(tmp_path):
    for name in ("one", "two"):
        run_on(tmp_path / name, spoilt(500))
    files = sorted(str(path.relative_to(tmp_path / "one")) for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert {"report/validation.json", "summary", "quarantine/part-00000.parquet"} < set(files)
    same, other, broken = filecmp.cmpfiles(tmp_path / "one", tmp_path / "two", files, shallow=False)
    assert (sorted(same), other, broken) == (files, [], [])


def test_its_signature_is_one_that_kfp_can_carry():
    spec = spec_of(validate)
    assert [slot.name for slot in spec.inputs] == ["reviews"]
    assert [slot.name for slot in spec.outputs] == ["clean", "quarantine", "report", "summary", "metrics", "notes"]
    assert {item.name: item.default for item in spec.parameters} == {"checks": {}, "quarantine_level": "Error"}
    assert all(item.doc for item in (*spec.parameters, *spec.inputs, *spec.outputs))


@pytest.mark.shared
@pytest.mark.skipif(not DATA.is_dir(), reason=f"the real reviews are not at {DATA}")
@pytest.mark.parametrize(
    ("name", "rows", "status"),
    [
        ("amazon_reviews_us_Digital_Software_v1_00.tsv.gz", 102_084, "Success"),
        ("amazon_reviews_us_microwave_mcm2020.tsv", 1_615, "Warning"),
    ],
)
def test_real_reviews_pass_the_default_suite(tmp_path, name, rows, status):
    import polars as pl

    table = pl.read_csv(DATA / name, separator="\t", quote_char=None, infer_schema=False).with_columns(
        pl.col("star_rating", "helpful_votes", "total_votes").cast(pl.Int32), pl.col("review_date").str.to_date()
    )
    run = run_on(tmp_path, table.to_arrow())
    assert run.error is None
    assert (run.document["rows"], run.document["clean_rows"], run.document["status"]) == (rows, rows, status)
    codes = run.constraint("isContainedIn(marketplace)")
    assert codes["rows_failed"] == (7 if status == "Warning" else 0)  # the lower-case codes
