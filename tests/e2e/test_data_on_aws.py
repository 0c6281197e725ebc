"""Data on AWS, against the local service: both engines of ingest and explore agree, tables can be asked."""

from __future__ import annotations

import gzip
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from kfp.dsl import HTML, Dataset, Markdown, Metrics

from intermodal.aws import glue
from intermodal.aws.athena import (
    Query,
    create_table_as,
    database_definition,
    drop_definition,
    insert_into,
    partition_definition,
    query_of,
    repair_definition,
    table_definition,
)
from intermodal.aws.athena_queries import Athena, open_athena
from intermodal.aws.glue import PARQUET, RAW_TSV, Column, Partition, Table
from intermodal.errors import DataRejected, Interrupted, RuntimeFailed, UsageError
from intermodal.reviews.schema import COLUMNS
from intermodal.steps.explore import explore
from intermodal.steps.generate import generate
from intermodal.steps.glue_table import glue_table
from intermodal.steps.ingest import ingest
from local_sagemaker import BUCKET, client, keys, put, read

DEFECTS = {"missing_column": 0.004, "bad_rating_word": 0.004, "negative_votes": 0.01, "html_entities": 0.02}
NASTY = ["it's", 'say "so"; DROP TABLE x', "a/b=c%20", "Bücher 書", "back\\slash", "{curly} #1"]


@pytest.fixture
def aws(local_sagemaker: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The local service, with the artifact store in its bucket; moto keeps what earlier tests of a process made."""
    urllib.request.urlopen(urllib.request.Request(f"{local_sagemaker.url}/moto-api/reset", method="POST")).close()
    client("s3").create_bucket(Bucket=BUCKET)
    monkeypatch.setenv("INTERMODAL_STORE", f"s3://{BUCKET}/store")
    monkeypatch.chdir(tmp_path)
    return local_sagemaker


@pytest.fixture
def athena(aws: Any) -> Athena:
    return open_athena()


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


def asked(athena: Athena, sql: str) -> list[dict[str, Any]]:
    return athena.rows(query_of(sql, athena.athena, athena.place)).to_pylist()


def test_definitions_written_for_athena_make_tables_that_athena_reads(athena: Athena) -> None:
    put("raw/one/a.tsv", 'a\tb\n1\tx "y\n2\t\n')
    put("raw/two/b.tsv.gz", gzip.compress("a\tb\n3\té\tsurplus\n4\n".encode()))
    columns = (Column("a", "int"), Column("b"))
    table = Table("intermodal", "words", f"s3://{BUCKET}/raw/", columns, RAW_TSV, (Column("part"),))
    parts = [Partition((value,), f"s3://{BUCKET}/raw/{name}/") for value, name in (("it's; 1", "one"), ("é", "two"))]
    for sql in (database_definition("intermodal"), table_definition(table), partition_definition(table, parts)):
        assert asked(athena, sql) == []
    found = asked(athena, 'SELECT a, b, part, "$path" AS path FROM words ORDER BY a')
    assert [tuple(row.values())[:3] for row in found] == [
        (1, 'x "y', "it's; 1"), (2, "", "it's; 1"), (3, "é", "é"), (4, None, "é"),
    ]  # fmt: skip
    assert found[0]["path"] == f"s3://{BUCKET}/raw/one/a.tsv"
    known = glue.find_table("intermodal", "words", athena.settings) or {}
    assert known["StorageDescriptor"]["SerdeInfo"]["Parameters"] == RAW_TSV.serde_parameters
    asked(athena, drop_definition(table))
    assert glue.find_table("intermodal", "words", athena.settings) is None


def test_quoted_and_typed_text_is_read_as_hives_serialisers_read_it(athena: Athena) -> None:
    put("quoted/a.csv", 'a,b\n"1, 2","say \\"so\\""\n')
    put("typed/a.txt", "5|1.5|2015-08-31|true\nfive|x|31.8.2015|\\N\n")
    quoted = "'org.apache.hadoop.hive.serde2.OpenCSVSerde' WITH SERDEPROPERTIES ('separatorChar' = ',')"
    header = "TBLPROPERTIES ('skip.header.line.count' = '1')"
    asked(
        athena,
        f"CREATE EXTERNAL TABLE quoted (a string, b string) ROW FORMAT SERDE {quoted} "
        f"LOCATION 's3://{BUCKET}/quoted/' {header}",
    )
    asked(
        athena,
        "CREATE EXTERNAL TABLE typed (n int, x double, d date, t boolean) "
        f"ROW FORMAT DELIMITED FIELDS TERMINATED BY '|' LOCATION 's3://{BUCKET}/typed/'",
    )
    assert asked(athena, "SELECT * FROM quoted") == [{"a": "1, 2", "b": 'say "so"'}]
    first, second = asked(athena, "SELECT n, x, CAST(d AS varchar) AS d, t FROM typed ORDER BY n")
    assert first == {"n": 5, "x": 1.5, "d": "2015-08-31", "t": True}
    assert set(second.values()) == {None}
    names = [row["name"] for row in asked(athena, "SHOW TABLES")]
    assert names == ["quoted", "typed"]


def test_what_a_ctas_wrote_can_be_added_to_forgotten_and_found_again(athena: Athena) -> None:
    made = Table("intermodal", "made", "", (), PARQUET, (Column("p"),))
    asked(athena, create_table_as(made, "SELECT 1 AS a, DATE '2015-08-31' AS d, 'x/y' AS p"))
    asked(athena, insert_into(made, "SELECT 2, CAST(NULL AS date), 'z'"))
    asked(athena, insert_into(made, "SELECT 3, CAST(NULL AS date), 'z'"))
    before = asked(athena, "SELECT * FROM made ORDER BY a")
    assert [(row["a"], str(row["d"]), row["p"]) for row in before] == [
        (1, "2015-08-31", "x/y"), (2, "None", "z"), (3, "None", "z"),
    ]  # fmt: skip
    known = glue.find_table("intermodal", "made", athena.settings) or {}
    location = known["StorageDescriptor"]["Location"]
    columns = tuple(Column(item["Name"], item["Type"]) for item in known["StorageDescriptor"]["Columns"])
    assert location.startswith(f"s3://{BUCKET}/store/athena/results/tables/")
    again = Table("intermodal", "again", location, columns, PARQUET, (Column("p"),))
    asked(athena, table_definition(again))
    assert asked(athena, "SELECT * FROM again") == []
    asked(athena, repair_definition(again))
    assert asked(athena, "SELECT * FROM again ORDER BY a") == before


def test_a_workgroup_with_its_own_place_takes_no_other(athena: Athena) -> None:
    elsewhere = Table("intermodal", "elsewhere", f"s3://{BUCKET}/elsewhere/", (), PARQUET)
    with pytest.raises(RuntimeFailed) as caught:
        asked(athena, create_table_as(elsewhere, "SELECT 1 AS a"))
    assert "external_location" in caught.value.seen
    athena.run(Query("SELECT 1 AS a", "intermodal", "intermodal", f"s3://{BUCKET}/elsewhere/"))
    assert not keys("elsewhere/")


def test_results_of_many_pages_come_whole_and_lie_where_the_workgroup_says(athena: Athena) -> None:
    sql = "SELECT n, CAST(n AS varchar) || ', \"' AS t, nullif(n, 7) AS gap FROM UNNEST(sequence(1, 2500)) AS s(n)"
    ran = athena.run(query_of(sql, athena.athena, athena.place))
    found = athena.result(ran.id)
    assert found.column("n").to_pylist() == list(range(1, 2501))
    assert found.column("gap").to_pylist()[6:8] == [None, 8]
    lines = read(ran.output).decode().splitlines()
    assert lines[0] == '"n","t","gap"'
    assert lines[7] == '"7","7, """,'
    assert ran.output == f"s3://{BUCKET}/store/athena/results/{ran.id}.csv"


def test_a_query_asked_again_is_the_same_query(athena: Athena, aws: Any) -> None:
    query = query_of("SELECT 1 AS a", athena.athena, athena.place)
    assert athena.run(query) == athena.run(query)
    anew = athena.run(query_of("SELECT 1 AS a", athena.athena, athena.place, nonce="another run"))
    assert anew.id != athena.run(query).id


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT a FROM nowhere", "TABLE_NOT_FOUND"),
        ("SELECT FROM WHERE", "SYNTAX_ERROR"),
        ("SELECT 1; SELECT 2", "Only one sql statement"),
        ("SELECT CAST('x' AS integer)", "INVALID_CAST_ARGUMENT"),
        ("SELECT b FROM (SELECT 1 AS a) AS t", "COLUMN_NOT_FOUND"),
        ("SELECT * FROM read_csv('/etc/passwd')", "GENERIC_USER_ERROR"),
        ("CREATE VIEW v AS SELECT 1", "does not execute"),
    ],
)
def test_a_query_that_fails_is_told_in_its_own_words(athena: Athena, sql: str, words: str) -> None:
    with pytest.raises(RuntimeFailed) as caught:
        asked(athena, sql)
    assert words in caught.value.seen
    assert "root:" not in caught.value.seen


def test_a_query_that_would_scan_too_much_is_stopped_by_the_workgroup(aws: Any, tmp_path: Path) -> None:
    (tmp_path / "intermodal.toml").write_text("[athena]\nbytes_cutoff = 10000000\n")
    athena = open_athena()
    put("big/a.tsv", "a\n" + "x" * 10_000_100 + "\n")
    asked(athena, table_definition(Table("intermodal", "big", f"s3://{BUCKET}/big/", (Column("a"),), RAW_TSV)))
    with pytest.raises(DataRejected, match="too much") as caught:
        asked(athena, "SELECT count(a) FROM big")
    assert "10000000" in caught.value.seen


ENDLESS = (
    "SELECT count(*) FROM UNNEST(sequence(1, 40000)) AS a(x) "
    "CROSS JOIN UNNEST(sequence(1, 4000000)) AS b(y) WHERE x * y % 7 = {}"
)


@pytest.mark.parametrize("how", [KeyboardInterrupt, Interrupted("told to stop")])
def test_told_to_stop_the_query_is_stopped_exactly_once(athena: Athena, aws: Any, how: BaseException) -> None:
    naps = []

    def interrupted(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            raise how

    told = Athena(athena.athena, athena.settings, athena.place, sleep=interrupted)
    with pytest.raises((KeyboardInterrupt, Interrupted)):
        told.run(query_of(ENDLESS.format(1), athena.athena, athena.place))
    operations = [seen.operation for seen in aws.requests]
    assert operations.count("StopQueryExecution") == 1
    assert operations.count("StartQueryExecution") == 1
    assert _states(athena) == ["CANCELLED"]


def test_a_query_that_somebody_else_stops_is_told_as_cancelled(athena: Athena, aws: Any) -> None:
    found: list[BaseException] = []

    def go() -> None:
        try:
            athena.run(query_of(ENDLESS.format(2), athena.athena, athena.place))
        except RuntimeFailed as error:
            found.append(error)

    work = threading.Thread(target=go)
    work.start()
    limit = time.monotonic() + 60
    while not (ids := _ids(athena)) and time.monotonic() < limit:
        time.sleep(0.05)
    athena.stop(ids[0])
    work.join(60)
    assert "was cancelled" in str(found[0])


def _ids(athena: Athena) -> list[str]:
    from intermodal.aws.client import aws_client

    found = aws_client("athena", athena.settings).list_query_executions(WorkGroup="intermodal")
    return list(found["QueryExecutionIds"])


def _states(athena: Athena) -> list[str]:
    from intermodal.aws.client import aws_client

    found = aws_client("athena", athena.settings).batch_get_query_execution(QueryExecutionIds=_ids(athena))
    return [item["Status"]["State"] for item in found["QueryExecutions"]]


def _asked(aws: Any, words: str) -> int:
    seen = [item for item in aws.requests if item.operation == "StartQueryExecution"]
    return sum(words in item.request["QueryString"] for item in seen)
