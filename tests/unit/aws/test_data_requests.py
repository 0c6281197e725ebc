"""Requests to Glue, Athena, Redshift and EMR: within AWS's own model whatever they say; what their ends mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intermodal.aws import athena_queries
from intermodal.aws.athena import Query, query_request, results_of, workgroup_request
from intermodal.aws.athena_queries import Athena, typed
from intermodal.aws.data_settings import (
    AthenaSettings,
    EmrSettings,
    RedshiftSettings,
    athena_settings,
    emr_settings,
    redshift_settings,
)
from intermodal.aws.emr import PLACES, SparkJob, application_request, job_request, submit_parameters
from intermodal.aws.glue import (
    PARQUET,
    Column,
    Partition,
    Table,
    columns_of,
    database_request,
    partition_requests,
    table_request,
)
from intermodal.aws.redshift import Sql, statement_request
from intermodal.aws.redshift_queries import typed as redshift_typed
from intermodal.aws.request import Place, Request, TaskPlan
from intermodal.aws.service_model import problems
from intermodal.aws.settings import SageMakerSettings
from intermodal.core.config import Settings
from intermodal.core.registry import load_spec
from intermodal.errors import DataRejected, RuntimeFailed, UsageError
from intermodal.runtime.sagemaker.render import render_task

PLACE = Place("123456789012", "us-east-1", "arn:aws:iam::123456789012:role/intermodal-execution", "s3://bucket/store")
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/intermodal/spark:1"
EMR = EmrSettings(application="00abc1", virtual_cluster="vc1")
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=80)


def sound(request: Request) -> bool:
    found = problems(request.service, request.operation, request.parameters)
    assert found == [], found
    return True


def test_partitions_are_registered_a_hundred_at_a_time() -> None:
    table = Table("db", "t", "s3://b/p", (Column("a"),), PARQUET, (Column("p"),))
    parts = [Partition((str(index),), f"s3://b/p/{index}") for index in range(250)]
    batches = partition_requests(table, parts)
    assert [len(item.parameters["PartitionInputList"]) for item in batches] == [100, 100, 50]
    assert [len(item.parameters["Entries"]) for item in partition_requests(table, parts, update=True)] == [100, 100, 50]
    assert sound(batches[-1])


@settings(max_examples=25, deadline=None)
@given(texts, texts, st.integers(1, 50))
def test_every_request_is_within_the_model(text: str, other: str, attempt: int) -> None:
    table = Table("db", "t", "s3://b/p", (Column("a"), Column("b", "array<int>")), PARQUET, (Column("p"),))
    parts = [Partition((text,), "s3://b/p")]
    requests = [database_request("db"), table_request(table), table_request(table, update=True)]
    requests += [*partition_requests(table, parts), *partition_requests(table, parts, update=True)]
    query = Query(text, "db", "group", "s3://b/results/", nonce=other)
    requests += [query_request(query, PLACE, attempt), workgroup_request(AthenaSettings(kms_key="key"), PLACE)]
    requests += [
        workgroup_request(AthenaSettings(), PLACE, update=True),
        application_request("spark", IMAGE, "emr-7.9.0"),
    ]
    sql = Sql(text, {"id": other, "stars": "5"})
    for place in (RedshiftSettings(workgroup="work"), RedshiftSettings(cluster="reviews", db_user="reader")):
        requests.append(statement_request(sql, place, other))
    job = SparkJob(
        text,
        "s3://b/a.py",
        tuple(item for item in (text, other) if item.strip()),
        "image:1",
        {"spark.a": text},
        {"NAME": other},
        tags={"a": "b"},
    )
    requests += [job_request(where, job, EMR, PLACE, attempt) for where in PLACES]
    assert all(map(sound, requests))


def test_a_token_is_the_same_for_the_same_work_and_another_for_any_other() -> None:
    query = Query("SELECT 1", "db", "group", "s3://b/r/")
    others = [replace(query, **change) for change in ({"sql": "SELECT 2"}, {"database": "x"}, {"nonce": "run"})]
    tokens = [item.token() for item in [query, *others]] + [query.token(2)]
    assert len(set(tokens)) == len(tokens)
    assert query.token() == Query("SELECT 1", "db", "group", "s3://b/r/").token()
    job = SparkJob("a", "s3://b/a.py")
    names = {job_request(where, item, EMR, PLACE).parameters["clientToken"] for where in PLACES for item in (job, job)}
    assert len(names) == len(PLACES)
    bound = Sql("SELECT :a", {"a": "1"})
    place = RedshiftSettings(workgroup="work")
    assert bound.token(place, "x") != Sql("SELECT :a", {"a": "2"}).token(place, "x") != bound.token(place, "y")


def test_the_workgroup_enforces_its_place_and_its_limit() -> None:
    asked = workgroup_request(AthenaSettings(bytes_cutoff=50_000_000), PLACE).parameters["Configuration"]
    assert asked["EnforceWorkGroupConfiguration"] is True
    assert asked["BytesScannedCutoffPerQuery"] == 50_000_000
    assert asked["ResultConfiguration"]["OutputLocation"] == "s3://bucket/store/athena/results/"
    assert asked["ResultConfiguration"]["ExpectedBucketOwner"] == PLACE.account
    assert results_of(AthenaSettings(results="s3://other/place"), PLACE) == "s3://other/place/"


def test_values_are_bound_and_stand_nowhere_in_the_statement() -> None:
    asked = statement_request(
        Sql("SELECT :id", {"id": "'; DROP"}), RedshiftSettings(cluster="c", secret_arn="arn:x"), "n"
    )
    assert asked.parameters["Parameters"] == [{"name": "id", "value": "'; DROP"}]
    assert asked.parameters["Sql"] == "SELECT :id"
    assert {"SecretArn": "arn:x", "ClusterIdentifier": "c"}.items() <= asked.parameters.items()
    assert "DbUser" not in asked.parameters


@settings(max_examples=60)
@given(st.dictionaries(st.from_regex(r"spark\.[a-z.]{1,20}", fullmatch=True), texts, max_size=4))
def test_sparks_settings_come_through_the_shell_as_they_are(values: dict[str, str]) -> None:
    import shlex

    words = shlex.split(submit_parameters(values))
    assert [word.partition("=")[::2] for word in words[1::2]] == sorted(values.items())


def test_columns_come_from_the_schema() -> None:
    schema = pa.schema(
        {
            "Text": pa.large_string(),
            "few": pa.dictionary(pa.int8(), pa.string()),
            "n": pa.int32(),
            "day": pa.date32(),
            "at": pa.timestamp("us", "UTC"),
            "price": pa.decimal128(6, 2),
            "ids": pa.list_(pa.int64()),
            "at_once": pa.struct({"a": pa.bool_(), "b": pa.float64()}),
            "by": pa.map_(pa.string(), pa.int16()),
            "p": pa.string(),
        }
    )
    found = {column.name: column.kind for column in columns_of(schema, leave_out=("p",))}
    assert found == {
        "text": "string", "few": "string", "n": "int", "day": "date", "at": "timestamp", "price": "decimal(6,2)",
        "ids": "array<bigint>", "at_once": "struct<a:boolean,b:double>", "by": "map<string,smallint>",
    }  # fmt: skip
    with pytest.raises(DataRejected, match="column odd"):
        columns_of(pa.schema({"odd": pa.uint64()}))


def test_athenas_texts_become_typed_columns() -> None:
    kinds = ["varchar", "bigint", "double", "boolean", "date", "timestamp", "decimal"]
    row: list[str | None] = ["", "5", "1.0E10", "true", "2015-08-31", "2015-08-31 12:00:00.500", "1.50"]
    found = typed([f"c{index}" for index in range(7)], kinds, [row, [None] * 7, []])
    assert found.to_pylist()[0] == {
        "c0": "", "c1": 5, "c2": 1e10, "c3": True, "c4": date(2015, 8, 31),
        "c5": datetime(2015, 8, 31, 12, 0, 0, 500_000), "c6": "1.50",
    }  # fmt: skip
    assert set(found.to_pylist()[1].values()) == set(found.to_pylist()[2].values()) == {None}


def test_redshifts_fields_become_typed_columns() -> None:
    from decimal import Decimal

    columns = [
        {"name": name, "typeName": kind, "precision": 6, "scale": 2}
        for name, kind in (("n", "int8"), ("d", "date"), ("p", "numeric"))
    ]
    found = redshift_typed(
        columns, [[{"longValue": 5}, {"stringValue": "2015-08-31"}, {"stringValue": "1.50"}], [{"isNull": True}] * 3]
    )
    assert found.to_pylist() == [
        {"n": 5, "d": date(2015, 8, 31), "p": Decimal("1.50")},
        {"n": None, "d": None, "p": None},
    ]


def given_settings(**extra: Any) -> Settings:
    return Settings(Path("/home"), "/store", "off", "e", extra)


@pytest.mark.parametrize(
    ("read", "section", "words"),
    [
        (athena_settings, {"athena": {"workgrp": "a"}}, "no such key"),
        (athena_settings, {"athena": {"bytes_cutoff": 5}}, "too small"),
        (athena_settings, {"athena": {"results": "/tmp"}}, "athena.results"),
        (redshift_settings, {"redshift": {"workgroup": "a", "cluster": "b"}}, "one place"),
        (redshift_settings, {"redshift": {"cluster": "b"}}, "names no user"),
        (emr_settings, {"emr": {"logs": "here"}}, "emr.logs"),
        (emr_settings, {"emr": {"executors": "two"}}, "emr.executors"),
    ],
)
def test_settings_that_make_no_sense_are_refused(read: Callable[[Settings], Any], section: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read(given_settings(**section))


def test_a_variable_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERMODAL_ATHENA_WORKGROUP", "of-the-job")
    monkeypatch.setenv("INTERMODAL_ATHENA_MAX_SECONDS", "60")
    found = athena_settings(given_settings(athena={"workgroup": "of-the-file", "database": "reviews"}))
    assert (found.workgroup, found.database, found.max_seconds) == ("of-the-job", "reviews", 60)
    monkeypatch.setenv("INTERMODAL_ATHENA_MAX_SECONDS", "soon")
    with pytest.raises(UsageError, match="INTERMODAL_ATHENA_MAX_SECONDS"):
        athena_settings(given_settings())


NOW = datetime(2026, 1, 1, tzinfo=UTC)
DATE = {"HTTPHeaders": {"date": "Thu, 01 Jan 2026 00:00:00 GMT"}}


class Scripted:
    """Answers of Athena, one execution after the other."""

    def __init__(self, *ends: dict[str, Any]) -> None:
        self.ends: Iterator[dict[str, Any]] = iter(ends)
        self.tokens: list[str] = []

    def __call__(self, request: Request, _settings: Any) -> dict[str, Any]:
        if request.operation == "StartQueryExecution":
            self.tokens.append(request.parameters["ClientRequestToken"])
            return {"QueryExecutionId": "id", "ResponseMetadata": DATE}
        status = {"SubmissionDateTime": NOW, **next(self.ends)}
        return {"QueryExecution": {"QueryExecutionId": "id", "Status": status}}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Any, Scripted]]:
    def go(*ends: dict[str, Any]) -> tuple[Any, Scripted]:
        script = Scripted(*ends)
        monkeypatch.setattr(athena_queries, "answered", script)
        athena = Athena(AthenaSettings(), SageMakerSettings(), PLACE, sleep=lambda _seconds: None)
        try:
            return athena.run(Query("SELECT 1", "db", "group", "s3://b/r/")), script
        except (RuntimeFailed, DataRejected) as error:
            return error, script

    return go


GOOD = {"State": "SUCCEEDED"}
PASSING = {"State": "FAILED", "AthenaError": {"Retryable": True, "ErrorCategory": 1, "ErrorMessage": "node lost"}}
WRONG = {
    "State": "FAILED",
    "StateChangeReason": "SYNTAX_ERROR",
    "AthenaError": {"Retryable": False, "ErrorCategory": 2},
}


def test_a_failure_that_may_pass_is_tried_again_under_another_token(run: Any) -> None:
    found, script = run({"State": "QUEUED"}, {"State": "RUNNING"}, PASSING, GOOD)
    assert found.attempt == 2
    assert len(set(script.tokens)) == len(script.tokens) == 2


def test_a_failure_of_an_earlier_try_is_left_behind(run: Any) -> None:
    found, script = run({**WRONG, "SubmissionDateTime": NOW - timedelta(hours=1)}, GOOD)
    assert (found.attempt, len(script.tokens)) == (2, 2)


def test_a_failure_of_our_own_is_told_at_once_and_passing_ones_not_for_ever(run: Any) -> None:
    found, script = run(WRONG)
    assert (found.seen, len(script.tokens)) == ("SYNTAX_ERROR", 1)
    found, script = run(PASSING, PASSING, PASSING, PASSING)
    assert (found.seen, len(script.tokens)) == ("node lost", 4)
    found, script = run({"State": "CANCELLED"})
    assert "was cancelled" in str(found)
    assert len(script.tokens) == 1


def plan_of(step: str, parameters: dict[str, Any], inputs: dict[str, tuple[str, ...]]) -> TaskPlan:
    spec = load_spec(step)
    return TaskPlan("p", "run", "task", spec, parameters, inputs, "image:1", SageMakerSettings(), PLACE)


def test_the_steps_requests_are_known_before_they_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "intermodal.toml").write_text('[redshift]\nworkgroup = "work"\n')
    monkeypatch.chdir(tmp_path)
    asked = render_task(plan_of("query_redshift", {"sql": "SELECT :a", "parameters": {"a": 5}}, {}))
    assert [item.operation for item in asked] == ["ExecuteStatement"]
    assert asked[0].parameters["Parameters"] == [{"name": "a", "value": "5"}]
    made = render_task(plan_of("glue_table", {"table": "reviews", "database": ""}, {"data": ("s3://bucket/data",)}))
    expected = ["CreateDatabase", "CreateTable", "UpdateTable", "BatchCreatePartition", "BatchUpdatePartition"]
    assert [item.operation for item in made] == expected
    assert made[1].parameters["TableInput"]["Name"] == "reviews"
    assert "TableInput.StorageDescriptor.Columns" in made[1].unknown
