"""Data on AWS, against the local service: both engines of ingest and explore agree, data sets become tables."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from kfp.dsl import HTML, Dataset, Markdown, Metrics

from intermodal.aws.athena import (
    query_of,
)
from intermodal.aws.athena_queries import open_athena
from intermodal.errors import DataRejected, UsageError
from intermodal.reviews.schema import COLUMNS
from intermodal.steps.explore import explore
from intermodal.steps.generate import generate
from intermodal.steps.glue_table import glue_table
from intermodal.steps.ingest import ingest
from local_sagemaker import BUCKET, keys, put

DEFECTS = {"missing_column": 0.004, "bad_rating_word": 0.004, "negative_votes": 0.01, "html_entities": 0.02}
NASTY = ["it's", 'say "so"; DROP TABLE x', "a/b=c%20", "Bücher 書", "back\\slash", "{curly} #1"]


def dataset(path: Path) -> Dataset:
    return Dataset(name=path.name, uri=str(path), metadata={})


def raw_reviews(folder: Path, rows: int, **parameters: Any) -> Dataset:
    made = dataset(folder / "raw")
    generate(made, Metrics(name="m", uri=str(folder / "raw-metrics"), metadata={}), rows=rows, **parameters)
    return made


def ingested(folder: Path, engine: str, **parameters: Any) -> tuple[Dataset, Dataset, Metrics]:
    place = folder / engine
    reviews, quarantine = dataset(place / "reviews"), dataset(place / "quarantine")
    metrics = Metrics(name="metrics", uri=str(place / "metrics"), metadata={})
    ingest(reviews, quarantine, metrics, engine=engine, **parameters)
    return reviews, quarantine, metrics


def rows_of(made: Dataset) -> pl.DataFrame:
    files = sorted(Path(made.path).rglob("*.parquet"))
    return pl.concat([pl.read_parquet(file, hive_partitioning=False) for file in files])


def ordered(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.sort(frame.columns, nulls_last=True)


def write_tsv(path: Path, rows: list[list[str]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join("\t".join(row) + "\n" for row in [list(COLUMNS), *rows])
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def review(number: int, category: str = "Toys", **values: str) -> list[str]:
    fields = {
        "marketplace": "US",
        "customer_id": str(number % 7),
        "review_id": f"R{number:05}",
        "product_id": f"P{number % 5}",
        "product_parent": "1",
        "product_title": 'A "quoted" \\ title',
        "product_category": category,
        "star_rating": "4",
        "helpful_votes": "1",
        "total_votes": "2",
        "vine": "N",
        "verified_purchase": "Y",
        "review_headline": "\\N",
        "review_body": 'He said "no;<br />never\\t"',
        "review_date": "2015-08-31",
        **values,
    }
    return [fields[name] for name in COLUMNS]


def agree(folder: Path, **parameters: Any) -> tuple[Dataset, Dataset]:
    """Ingest with both engines; their reviews, after every comparison."""
    reviews, quarantine, metrics = ingested(folder, "local", **parameters)
    by_athena, refused, counts = ingested(folder, "athena", **parameters)
    assert rows_of(by_athena).schema == rows_of(reviews).schema
    assert ordered(rows_of(by_athena)).equals(ordered(rows_of(reviews)))
    judged = [ordered(rows_of(item).select("source", "reason", "raw")) for item in (quarantine, refused)]
    assert judged[1].equals(judged[0])
    assert counts.metadata == metrics.metadata
    layout = [sorted(path.parent.name for path in Path(item.path).rglob("*.parquet")) for item in (reviews, by_athena)]
    assert layout[1] == layout[0]
    assert reviews.metadata.items() <= by_athena.metadata.items()
    return reviews, by_athena


def test_both_engines_keep_and_refuse_the_same_rows(aws: Any, tmp_path: Path) -> None:
    raw = raw_reviews(tmp_path, 3000, defects=DEFECTS, categories=["Books", "Toys", "Kitchen"])
    _, by_athena = agree(tmp_path, raw=raw)
    assert by_athena.metadata["engine"] == "athena"
    assert by_athena.metadata["scanned_bytes"] > 0
    assert by_athena.metadata["tables"]["source"].startswith("intermodal.reviews_tsv_")


def test_raw_text_comes_through_athena_as_it_is(aws: Any, tmp_path: Path) -> None:
    odd = [
        review(1, review_body='"unbalanced', review_headline=""),
        review(2, "", review_body="\\N"),
        review(3, star_rating="5.0", helpful_votes="007"),
        review(4, star_rating=" 5"),
        review(5, star_rating="6"),
        review(6, helpful_votes="many"),
        review(7, review_date="2015-02-30"),
        review(8, review_date="0000-01-01"),
        review(9, review_date="2015-8-31"),
        [*review(10), "surplus"],
        [*review(11), ""],
        review(12)[:-1],
        [""],
        review(13, star_rating="2147483648"),
        review(14, product_title="tab is\u3000wide", review_body="é 書 \U0001f600"),
    ]
    source = write_tsv(tmp_path / "odd.tsv", odd)
    reviews, _ = agree(tmp_path, source=str(source), max_quarantined=1.0)
    assert reviews.metadata["rows"] == 4


def test_more_categories_than_one_ctas_may_write_and_names_that_need_quoting(aws: Any, tmp_path: Path) -> None:
    names = [*NASTY, *(f"category {number}" for number in range(105)), ""]
    source = write_tsv(tmp_path / "many.tsv.gz", [review(index, name) for index, name in enumerate(names)])
    _, by_athena = agree(tmp_path, source=str(source))
    assert sorted(rows_of(by_athena)["product_category"].drop_nulls()) == sorted(filter(None, names))


def test_the_same_reviews_give_the_same_bytes_and_nothing_is_asked_twice(aws: Any, tmp_path: Path) -> None:
    source = str(write_tsv(tmp_path / "a.tsv.gz", [review(index) for index in range(50)]))
    first, *_ = ingested(tmp_path / "first", "athena", source=source)
    created = _asked(aws, "CREATE TABLE")
    second, *_ = ingested(tmp_path / "second", "athena", source=source)
    files = [sorted(path for path in Path(item.path).rglob("*.parquet")) for item in (first, second)]
    assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]
    assert _asked(aws, "CREATE TABLE") == created == 1


def test_a_source_on_s3_is_used_where_it_lies_or_copied_from_among_others(aws: Any, tmp_path: Path) -> None:
    body = write_tsv(tmp_path / "a.tsv.gz", [review(1), review(2)]).read_bytes()
    put("alone/a.tsv.gz", body)
    reviews, *_ = ingested(tmp_path / "one", "athena", source=f"s3://{BUCKET}/alone/")
    assert not keys("store/athena/sources/")
    put("alone/b.tsv.gz", write_tsv(tmp_path / "b.tsv.gz", [review(3)]).read_bytes())
    again, *_ = ingested(tmp_path / "two", "athena", source=f"s3://{BUCKET}/alone/a.tsv.gz")
    assert len(keys("store/athena/sources/")) == 1
    assert ordered(rows_of(again)).equals(ordered(rows_of(reviews)))


def test_the_first_of_the_real_reviews_are_the_same_through_athena(aws: Any, tmp_path: Path, shared: Path) -> None:
    with gzip.open(shared / "data" / "amazon_reviews_us_Digital_Software_v1_00.tsv.gz", "rb") as whole:
        lines = [next(whole) for _ in range(3001)]
    source = tmp_path / "real.tsv.gz"
    source.write_bytes(gzip.compress(b"".join(lines)))
    reviews, _ = agree(tmp_path, source=str(source))
    assert reviews.metadata["rows"] == 3000


def test_what_athena_does_not_ingest_is_refused_before_anything_is_uploaded(aws: Any, tmp_path: Path) -> None:
    source = tmp_path / "reviews.csv"
    source.write_text(",".join(COLUMNS) + "\n")
    with pytest.raises(UsageError, match="tab-separated"):
        ingested(tmp_path, "athena", source=str(source))
    with pytest.raises(UsageError, match="unknown engine"):
        ingested(tmp_path, "spark", source=str(source))
    assert not keys("store/")


def test_too_many_refused_rows_are_told_with_examples(aws: Any, tmp_path: Path) -> None:
    source = write_tsv(tmp_path / "bad.tsv", [review(1), review(2, star_rating="four")])
    with pytest.raises(DataRejected, match="do not parse") as caught:
        ingested(tmp_path, "athena", source=str(source))
    assert "bad.tsv: rating_not_integer" in caught.value.seen
    assert not (tmp_path / "athena" / "reviews").exists()


def explored(folder: Path, engine: str, reviews: Dataset) -> tuple[dict[str, Any], str]:
    import json

    names = {"profile": Dataset, "report": HTML, "metrics": Metrics, "notes": Markdown}
    outputs = {name: kind(name=name, uri=str(folder / engine / name), metadata={}) for name, kind in names.items()}
    explore(reviews=reviews, **outputs, engine=engine, top=3)
    found = json.loads((folder / engine / "profile" / "profile.json").read_text())
    return found, (folder / engine / "notes").read_text()


def test_explore_answers_the_same_through_athena(aws: Any, tmp_path: Path) -> None:
    bodies = ["", "\u3000\x0b\x85 a\u2003b", " "]
    extra = [review(number, "Books", review_body=body) for number, body in enumerate(bodies)]
    source = raw_reviews(tmp_path, 1500, categories=["Books", "Toys"])
    write_tsv(Path(source.path) / "more.tsv", extra)
    reviews, *_ = ingested(tmp_path, "local", raw=source)
    local, notes = explored(tmp_path / "explored", "local", reviews)
    by_athena, same_notes = explored(tmp_path / "explored", "athena", reviews)
    customers = rows_of(reviews)["customer_id"].n_unique()
    assert by_athena.pop("customers") == customers  # counted, where the local engine estimates
    assert abs(local.pop("customers") - customers) <= 0.05 * customers
    assert by_athena == local
    assert same_notes.splitlines()[0] == notes.splitlines()[0]


def test_any_data_set_becomes_a_table_that_can_be_asked_and_again_changes_nothing(aws: Any, tmp_path: Path) -> None:
    from intermodal.aws.catalogue import still_there

    source = write_tsv(tmp_path / "a.tsv", [review(index, name) for index, name in enumerate([*NASTY, ""])])
    reviews, *_ = ingested(tmp_path, "local", source=str(source))
    definition = dataset(tmp_path / "definition")
    glue_table(reviews, definition, table="reviews_2015")
    athena = open_athena()
    sql = "SELECT product_category, count(*) AS n FROM intermodal.reviews_2015 GROUP BY 1 ORDER BY 1"
    found = athena.rows(query_of(sql, athena.athena, athena.place)).to_pylist()
    assert found == [{"product_category": name, "n": 1} for name in [*sorted(NASTY), None]]
    assert still_there({"definition": definition.metadata}) is None
    calls = len(aws.requests)
    glue_table(reviews, dataset(tmp_path / "again"), table="reviews_2015")
    assert "UpdateTable" not in [seen.operation for seen in list(aws.requests)[calls:]]
    athena.run(query_of("DROP TABLE `reviews_2015`", athena.athena, athena.place))
    assert "not in the Glue catalogue" in str(still_there({"definition": definition.metadata}))


def _asked(aws: Any, words: str) -> int:
    seen = [item for item in aws.requests if item.operation == "StartQueryExecution"]
    return sum(words in item.request["QueryString"] for item in seen)
