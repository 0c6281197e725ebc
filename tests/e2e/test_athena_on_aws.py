"""Athena, against the local service: definitions, results, repeated and failed queries, an end when told to stop."""

from __future__ import annotations

import gzip
import threading
import time
from pathlib import Path
from typing import Any

import pytest

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
from intermodal.errors import DataRejected, Interrupted, RuntimeFailed
from local_sagemaker import BUCKET, keys, put, read


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
