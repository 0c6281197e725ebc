"""Spark counts for a profile: the questions that Athena is asked, over files that may outgrow one machine.

Under spark-submit the session is the cluster's, and executors read the files where they were published; anywhere
else it is a local one, on the files of this machine. The answers are whole numbers and texts, so they are the same.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from intermodal.errors import DataRejected, RuntimeFailed, UsageError
from intermodal.report.profile_engines import check_columns
from intermodal.report.profile_sql import SPARK, count_by_queries
from intermodal.report.profiling import profile_of

if TYPE_CHECKING:
    import pyarrow as pa

_TABLE = "reviews"
_SUBMITTED = "PYSPARK_GATEWAY_PORT"  # spark-submit tells its Python where the JVM listens
_UTC = {"spark.sql.session.timeZone": "UTC"}
# Nothing of a local session is to be reached from other machines; eight parts are enough for its few threads.
_LOCAL = {
    "spark.master": "local[*]",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.shuffle.partitions": "8",
}


def profile_with_spark(directory: str, published: str, top: int) -> dict[str, Any]:
    """Profile reviews with Spark.

    Args:
        directory: Root of the Parquet files on this machine.
        published: s3:// prefix under which executors find the same files; empty when there is none.
        top: As for `profiling.profile_reviews`.

    Returns:
        As for `profiling.profile_of`; customers are counted, not estimated.

    Raises:
        UsageError: There is no Spark, or no Java.
        DataRejected: There are no rows, or a column is missing or holds something else.
        RuntimeFailed: Executors cannot see the files.
    """
    with spark_session() as spark:
        files = files_for(spark.sparkContext.master, directory, published)
        # As one table: a folder such as product_category=Books says nothing that its files do not.
        reader = spark.read.option("recursiveFileLookup", "true").option("pathGlobFilter", "*.parquet")
        reviews = _read(reader, files)
        columns = dict(reviews.dtypes)
        check_columns(columns)
        reviews.createOrReplaceTempView(_TABLE)
        counted = count_by_queries(lambda sql: _answer(spark.sql(sql)), SPARK.name(_TABLE), columns, top, SPARK)
    return profile_of(counted, top)


def files_for(master: str, directory: str, published: str) -> str:
    """Where a session reads: its own files when it is a local one, the store when others read with it.

    Args:
        master: The session's master, such as "local[2]" or "k8s://…".
        directory: The files on this machine.
        published: Where others find them; empty when nowhere.

    Raises:
        RuntimeFailed: Others must read, and cannot.
    """
    if master.startswith("local"):
        return f"file://{os.path.abspath(directory)}"
    if published:
        return published
    raise RuntimeFailed("Spark's executors cannot see the reviews", seen=directory, expected="an artifact on s3://…")


@contextmanager
def spark_session() -> Iterator[Any]:
    """The session of this process, stopped at the end: spark-submit's, or a local one.

    Raises:
        UsageError: There is no Spark, or no Java.
    """
    _require_spark()
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName("intermodal")
    for key, value in {**_UTC, **({} if _SUBMITTED in os.environ else _LOCAL)}.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    try:
        yield spark
    finally:
        spark.stop()


def _require_spark() -> None:
    image = "or run it in its image: intermodal run --containers"
    if importlib.util.find_spec("pyspark") is None:
        install = f"pip install 'intermodal[spark]'; {image}"
        raise UsageError("this step needs Spark", seen="no pyspark", expected="pyspark", next_step=install)
    if shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
        install = f"install Java 17 (openjdk-17-jre-headless); {image}"
        raise UsageError("this step needs Java", seen="no java on PATH", expected="Java 17", next_step=install)


def _read(reader: Any, files: str) -> Any:
    from pyspark.errors import AnalysisException

    try:
        return reader.parquet(files)
    except AnalysisException as error:
        raise DataRejected(
            "there are no reviews to explore", seen=str(error).splitlines()[0], expected="Parquet files"
        ) from error


def _answer(frame: Any) -> pa.Table:
    """A small answer as Arrow, by the types that Spark names; older Sparks have no way of their own."""
    import pyarrow as pa

    kinds = {"bigint": pa.int64(), "int": pa.int32(), "date": pa.date32(), "timestamp": pa.timestamp("us")}
    rows = frame.collect()
    columns = {name: [row[name] for row in rows] for name in frame.columns}
    fields = [pa.field(name, kinds.get(kind, pa.string())) for name, kind in frame.dtypes]
    return pa.table(columns, schema=pa.schema(fields))
