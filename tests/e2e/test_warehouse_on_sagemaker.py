"""A pipeline whose steps are SageMaker jobs that ask Athena and Glue, on a local service."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from intermodal.runtime.sagemaker_local.server import LocalSageMaker
from launching import TESTS, intermodal
from local_sagemaker import client
from sagemaker_runs import records

PIPELINE = str(TESTS / "data_on_aws_pipelines.py")


def rows_at(uri: str) -> pl.DataFrame:
    """The rows of a data set on S3, in one order."""
    import io

    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    found = client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix + "/")["Contents"]
    keys = [item["Key"] for item in found if item["Key"].endswith(".parquet")]
    frames = [
        pl.read_parquet(io.BytesIO(client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())) for key in keys
    ]
    made = pl.concat(frames)
    return made.sort(made.columns, nulls_last=True)


def test_jobs_ask_athena_and_leave_a_table_that_can_be_asked(sagemaker: LocalSageMaker, tmp_path: Path) -> None:
    done = intermodal("run", PIPELINE, "--on", "sagemaker", "--json", INTERMODAL_ATHENA_DATABASE="warehouse")
    assert done.code == 0, done.err
    (record,) = records()
    tasks = {task["name"]: task for task in record["tasks"]}
    assert {name for name, task in tasks.items() if task["job"]} == {"generate", "ingest", "explore"}
    rows = rows_at(tasks["ingest"]["artifacts"]["reviews"]["uri"])
    assert rows.height == 400
    table = client("glue").get_table(DatabaseName="warehouse", Name="warehouse_reviews")["Table"]
    assert rows_at(table["StorageDescriptor"]["Location"].rstrip("/")).equals(rows)
    started = {seen.operation for seen in sagemaker.requests if seen.service == "athena"}
    assert {"StartQueryExecution", "GetQueryResults"} <= started
