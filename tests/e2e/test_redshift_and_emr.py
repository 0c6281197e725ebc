"""Redshift's Data API and Spark on EMR, against the local service: statements and programs run for real."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import threading
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from kfp.dsl import Dataset, Metrics

from intermodal.aws.client import find_place
from intermodal.aws.data_settings import emr_settings, redshift_settings
from intermodal.aws.emr import PLACES, SparkJob
from intermodal.aws.emr_jobs import Emr
from intermodal.aws.redshift import Sql, copy_parquet, external_schema, unload_parquet
from intermodal.aws.redshift_queries import Redshift
from intermodal.aws.settings import sagemaker_settings
from intermodal.core.config import load_settings
from intermodal.errors import RuntimeFailed, StepFailed, UsageError
from intermodal.steps.query_redshift import query_redshift
from local_sagemaker import BUCKET, client, keys, put, wait_for

CONFIG = """
[redshift]
workgroup = "reviews-work"
[emr]
application = "00abc1"
virtual_cluster = "vc1"
"""
PROGRAM = """
import os, sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
print("sum", spark.range(int(sys.argv[1])).selectExpr("sum(id)").first()[0], os.environ["GREETING"])
print("set", spark.conf.get("spark.intermodal.word"))
assert sys.argv[2:] == ["it's; $HOME", "é"], sys.argv
"""
PLAIN = """
import os, sys
assert sys.argv[2:] == ["it's; $HOME", "é"], sys.argv
print("sum 499500", os.environ["GREETING"])
print("set it's; two words")
"""
needs_spark = pytest.mark.skipif(
    importlib.util.find_spec("pyspark") is None or shutil.which("java") is None, reason="there is no Spark, or no Java"
)


@pytest.fixture
def aws(local_sagemaker: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setenv("INTERMODAL_STORE", f"s3://{BUCKET}/{tmp_path.name}")
    (tmp_path / "intermodal.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    return local_sagemaker


@pytest.fixture
def redshift(aws: Any) -> Redshift:
    settings = load_settings()
    made = Redshift(redshift_settings(settings), sagemaker_settings(settings))
    made.run(Sql("CREATE TABLE reviews (id varchar, stars int, price numeric(6,2), bought date)"), "a")
    rows = "('R1', 5, 1.50, '2015-08-31'), ('it''s; \"x\"', 1, NULL, NULL)"
    made.run(Sql(f"INSERT INTO reviews VALUES {rows}"), "a")
    return made


def test_parameters_are_bound_and_values_keep_their_types(redshift: Redshift) -> None:
    from datetime import date
    from decimal import Decimal

    text = "SELECT id, stars, price, bought FROM reviews WHERE id = :id AND stars >= :stars"
    sql = Sql(text, {"id": "R1", "stars": "2"})
    assert redshift.rows(sql, "a").to_pylist() == [
        {"id": "R1", "stars": 5, "price": Decimal("1.50"), "bought": date(2015, 8, 31)}
    ]
    nasty = Sql("SELECT stars FROM reviews WHERE id = :id", {"id": 'it\'s; "x"'})
    assert redshift.rows(nasty, "a").to_pylist() == [{"stars": 1}]
    gone = Sql("SELECT count(*) AS n FROM reviews WHERE id = :id", {"id": "'; DROP TABLE reviews; --"})
    assert redshift.rows(gone, "a").to_pylist() == [{"n": 0}]


def test_the_same_statement_of_the_same_task_is_done_once(redshift: Redshift) -> None:
    for nonce in ("run 1", "run 1", "run 2"):
        redshift.run(Sql("INSERT INTO reviews (id) VALUES ('again')"), nonce)
    found = redshift.rows(Sql("SELECT count(*) AS n FROM reviews WHERE id = 'again'"), "b").to_pylist()
    assert found == [{"n": 2}]


def test_results_of_many_pages_come_whole(redshift: Redshift) -> None:
    found = redshift.rows(Sql("SELECT n FROM generate_series(1, 2500) AS s(n)"), "a")
    assert found.column("n").to_pylist() == list(range(1, 2501))


def test_rows_go_to_s3_and_come_back(redshift: Redshift) -> None:
    place = f"s3://{BUCKET}/unloaded/it's/"
    redshift.run(Sql(unload_parquet("SELECT * FROM reviews WHERE id <> 'a\\b'", place)), "a")
    assert keys("unloaded/") == ["unloaded/it's/000.parquet"]
    redshift.run(Sql("CREATE TABLE copied (id varchar, stars int, price numeric(6,2), bought date)"), "a")
    redshift.run(Sql(copy_parquet(("public", "copied"), place)), "a")
    ask = "SELECT * FROM {} ORDER BY id"
    assert redshift.rows(Sql(ask.format("copied")), "a").equals(redshift.rows(Sql(ask.format("reviews")), "a"))


def test_a_statement_that_fails_is_told_in_its_own_words(redshift: Redshift) -> None:
    with pytest.raises(RuntimeFailed, match="failed") as caught:
        redshift.rows(Sql("SELECT * FROM nowhere"), "a")
    assert "nowhere" in caught.value.seen


def test_told_to_stop_the_statement_is_cancelled_once(redshift: Redshift, aws: Any) -> None:
    def asked() -> list[str]:
        return [seen.operation for seen in aws.requests]

    def interrupt() -> None:
        seen = asked().count("DescribeStatement")
        wait_for(lambda: asked().count("DescribeStatement") > seen, "nobody follows the statement")
        os.kill(os.getpid(), signal.SIGINT)

    numbers = "generate_series(1, 1000000)"
    endless = f"SELECT count(*) FROM {numbers} a(x), {numbers} b(y) WHERE x * y % 7 = 1"
    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        redshift.run(Sql(endless), "a")
    thread.join()
    assert asked().count("CancelStatement") == 1
    (ended,) = client("redshift-data").list_statements(Status="ABORTED")["Statements"]
    assert ended["QueryString"] == endless


def test_the_step_writes_what_redshift_answers_and_glue_tables_can_be_asked(redshift: Redshift, tmp_path: Path) -> None:
    from intermodal.aws.athena_queries import open_athena
    from intermodal.aws.catalogue import register_folder

    data = tmp_path / "data"
    data.mkdir()
    pq.write_table(redshift.rows(Sql("SELECT id, stars FROM reviews"), "a"), data / "part.parquet")
    register_folder(data, open_athena(), name="from_redshift")
    redshift.run(Sql(external_schema("spectrum", "intermodal")), "a")
    rows = Dataset(name="rows", uri=str(tmp_path / "rows"), metadata={})
    metrics = Metrics(name="metrics", uri=str(tmp_path / "metrics"), metadata={})
    sql = "SELECT g.stars FROM spectrum.from_redshift g JOIN reviews r ON r.id = g.id WHERE r.stars > :least"
    query_redshift(sql, rows, metrics, parameters={"least": 2})
    assert pq.read_table(tmp_path / "rows" / "part-00000.parquet").to_pylist() == [{"stars": 5}]
    assert metrics.metadata["rows"] == 1


def emr_at(where: str, **more: Any) -> Emr:
    settings = load_settings()
    sagemaker = sagemaker_settings(settings)
    return Emr(where, emr_settings(settings), sagemaker, find_place(sagemaker), **more)


def job(program: str, *arguments: str, **more: Any) -> SparkJob:
    entry = put("programs/program.py", program)
    return SparkJob("reviews validate", entry, arguments, "image:1", **more)


@needs_spark
@pytest.mark.parametrize(("where", "program"), [("emr-serverless", PROGRAM), ("emr-eks", PLAIN)])
def test_a_spark_program_runs_with_its_arguments_and_settings_and_its_log_is_on_s3(
    aws: Any, where: str, program: str
) -> None:
    emr = emr_at(where)
    spark = job(
        program, "1000", "it's; $HOME", "é",
        configuration={"spark.intermodal.word": "it's; two words"}, environment={"GREETING": "hello there"},
    )  # fmt: skip
    found = emr.run(spark)
    assert found["state"] in ("SUCCESS", "COMPLETED")
    run = emr.start(spark)  # the same job: joined, not started again
    assert emr.run(spark)["createdAt"] == found["createdAt"]
    printed = emr.driver_log(run)
    assert printed[:2] == ["sum 499500 hello there", "set it's; two words"]


@needs_spark
def test_a_program_that_fails_is_told_with_its_last_lines(aws: Any) -> None:
    with pytest.raises(StepFailed, match="failed") as caught:
        emr_at("emr-serverless").run(job("raise SystemExit('no reviews here')"))
    assert "no reviews here" in caught.value.seen


@needs_spark
def test_told_to_stop_the_job_is_cancelled_once_and_nothing_is_left(aws: Any, tmp_path: Path) -> None:
    mark = tmp_path / "began"

    def interrupted(seconds: float) -> None:
        wait_for(mark.exists, "the program never began")
        raise KeyboardInterrupt

    endless = f"import os, pathlib, time\npathlib.Path({str(mark)!r}).write_text(str(os.getpid()))\ntime.sleep(600)"
    spark = job(endless)
    emr = emr_at("emr-eks", sleep=interrupted)
    with pytest.raises(KeyboardInterrupt):
        emr.run(spark)
    assert [seen.operation for seen in aws.requests].count("CancelJobRun") == 1
    run = emr.start(spark)
    from intermodal.aws.sending import answered

    wait_for(lambda: answered(run.request("describe"), emr.settings)["jobRun"]["state"] == "CANCELLED")
    wait_for(lambda: not Path(f"/proc/{mark.read_text()}").exists(), "the program still runs")


def test_a_place_that_is_not_named_is_told_before_anything_is_sent(aws: Any, tmp_path: Path) -> None:
    (tmp_path / "intermodal.toml").write_text("")
    for where in PLACES:
        with pytest.raises(UsageError, match="is named"):
            emr_at(where).start(SparkJob("a", "local:///a.py"))
    with pytest.raises(UsageError, match="must name one place"):
        redshift_settings(load_settings())
