"""The Parquet files that the embedded engine reads, as one table."""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intermodal.errors import DataRejected, UsageError
from intermodal.quality.embedded.spark_sql import literal

if TYPE_CHECKING:
    import duckdb

# The reader itself gives these two to every row; a column of that name would hide them.
FILE, ROW = "file_index", "file_row_number"
_SPARK_TYPES = {
    "BOOLEAN": "BooleanType",
    "TINYINT": "ByteType",
    "SMALLINT": "ShortType",
    "UTINYINT": "ShortType",
    "INTEGER": "IntegerType",
    "USMALLINT": "IntegerType",
    "BIGINT": "LongType",
    "UINTEGER": "LongType",
    "UBIGINT": "DecimalType(20,0)",
    "HUGEINT": "DecimalType(38,0)",
    "FLOAT": "FloatType",
    "DOUBLE": "DoubleType",
    "VARCHAR": "StringType",
    "BLOB": "BinaryType",
    "DATE": "DateType",
}


@dataclass(frozen=True)
class Source:
    """Parquet files under one directory, opened.

    Attributes:
        root: The directory, or the single file.
        files: The files, in the order of their paths; a file's place is its `file_index`.
        connection: DuckDB, which may read these files and nothing else.
        table: SQL that stands for the table after FROM.
        columns: Column name → Spark's name of its type, in order.
    """

    root: Path
    files: tuple[Path, ...]
    connection: duckdb.DuckDBPyConnection
    table: str
    columns: dict[str, str] = field(hash=False)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows that a query answers."""
        found: list[tuple[Any, ...]] = self.connection.execute(sql).fetchall()
        return found

    def file_name(self, index: int) -> str:
        """A file's path below the root, with slashes on every system."""
        file = self.files[index]
        return file.name if file == self.root else file.relative_to(self.root).as_posix()


def open_source(path: str | os.PathLike[str], threads: int = 0) -> Source:
    """Open the Parquet files of a dataset.

    Args:
        path: A directory, searched with its subdirectories, or one file.
        threads: Threads used at most; 0 for one a core of this process.

    Raises:
        UsageError: There is no Parquet file, or a column has a name that the reader needs.
        DataRejected: A file is not Parquet, or damaged.
    """
    import duckdb

    root = Path(path)
    files = (root,) if root.is_file() else tuple(sorted(root.rglob("*.parquet")))
    if not files:
        raise UsageError("there is nothing to check", seen=root, expected="a directory with *.parquet files")
    listed = ", ".join(literal(str(file)) for file in files)
    table = f"read_parquet([{listed}], hive_partitioning = false, union_by_name = true)"
    # Made only if memory runs out, and the one other place that DuckDB may read and write.
    spill = Path(tempfile.gettempdir()) / f"intermodal-spill-{os.getpid()}"
    settings = {"threads": threads or len(os.sched_getaffinity(0)), "temp_directory": str(spill)}
    connection = duckdb.connect(config=settings)
    _confine(connection, root)
    try:
        described = connection.execute(f"DESCRIBE SELECT * FROM {table}").fetchall()
    except duckdb.Error as error:
        raise DataRejected("the data cannot be read as Parquet", seen=str(error).splitlines()[0]) from error
    columns = {name: _spark_type(kind) for name, kind, *_ in described}
    for name in columns:
        if name.lower() in (FILE, ROW, "filename"):
            raise UsageError("a column has a reserved name", seen=name, next_step=f"rename the column {name}")
    return Source(root, files, connection, table, columns)


def _confine(connection: duckdb.DuckDBPyConnection, root: Path) -> None:
    """A predicate is a user's text: it shall not read other files, nor fetch extensions."""
    folder = root.parent if root.is_file() else root
    connection.execute(f"SET allowed_directories = [{literal(str(folder))}]")
    connection.execute("SET enable_external_access = false")


def _spark_type(kind: str) -> str:
    if kind.startswith("DECIMAL"):
        return kind.replace("DECIMAL", "DecimalType")
    if kind.endswith("]"):
        return "ArrayType"
    for prefix, name in (("STRUCT", "StructType"), ("MAP", "MapType"), ("TIMESTAMP", "TimestampType")):
        if kind.startswith(prefix):
            return name
    return _SPARK_TYPES.get(re.split(r"\W", kind)[0], f"{kind.title()}Type")
