"""Redshift's statements, executed by DuckDB: SQL translated, COPY and UNLOAD of Parquet on S3, schemas over Glue."""

from __future__ import annotations

import io
import re
import threading
import warnings
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from intermodal.runtime.sagemaker_local.athena_outcome import QueryFailed
from intermodal.runtime.sagemaker_local.athena_rows import plain_integers, text
from intermodal.runtime.sagemaker_local.athena_tables import TableReader
from intermodal.runtime.sagemaker_local.transfer import list_keys, split_uri

if TYPE_CHECKING:
    import pyarrow as pa

    from intermodal.runtime.sagemaker_local.service import Service

_TEXT = r"'((?:[^'\\]|''|\\.)*)'"
_COPY = re.compile(rf"\s*COPY\s+(\S+)\s+FROM\s+{_TEXT}\s+(?:IAM_ROLE|CREDENTIALS).*\bPARQUET\b.*", re.I | re.S)
_UNLOAD = re.compile(rf"\s*UNLOAD\s*\(\s*{_TEXT}\s*\)\s*TO\s+{_TEXT}\s+.*\bPARQUET\b.*", re.I | re.S)
_SCHEMA = re.compile(
    rf'\s*CREATE\s+EXTERNAL\s+SCHEMA\s+(?:IF\s+NOT\s+EXISTS\s+)?"?(\w+)"?\s+FROM\s+DATA\s+CATALOG\s+DATABASE\s+{_TEXT}.*',
    re.I | re.S,
)
_TYPES = {"string": "varchar", "large_string": "varchar", "bool": "bool", "int8": "int2", "int16": "int2"}
_TYPES |= {"int32": "int4", "int64": "int8", "float": "float4", "double": "float8", "date32[day]": "date"}


class Database:
    """One database.

    Args:
        service: The service, whose S3 and Glue are used.
    """

    def __init__(self, service: Service) -> None:
        import duckdb

        self._service = service
        self._schemas: dict[str, str] = {}  # Redshift Spectrum's schemas → databases of Glue
        self._lock = threading.Lock()
        self._engine = duckdb.connect(":memory:", config={"enable_external_access": "false", "threads": "1"})
        self._engine.execute("CREATE SCHEMA IF NOT EXISTS public")
        self._engine.execute("SET search_path = 'public'")

    def run(self, sql: str, parameters: dict[str, str]) -> pa.Table | None:
        """Execute a statement.

        Args:
            sql: The statement.
            parameters: Values of its :names.

        Returns:
            Its rows; None for a statement that has none.

        Raises:
            QueryFailed: It cannot be read, or failed.
        """
        import duckdb

        with self._lock:
            try:
                return None if self._special(sql) else self._plain(sql, parameters)
            except duckdb.InterruptException as error:
                raise QueryFailed("Query cancelled on user's request", cancelled=True) from error
            except duckdb.Error as error:
                raise QueryFailed(re.sub(r"\x1b\[[0-9;]*m", "", str(error)).splitlines()[0]) from error

    def interrupt(self) -> None:
        """Interrupt what runs."""
        self._engine.interrupt()

    def _special(self, sql: str) -> bool:
        """Execute COPY, UNLOAD or CREATE EXTERNAL SCHEMA, which have no rows; whether it was one of them."""
        if match := _SCHEMA.fullmatch(sql):
            self._schemas[match.group(1).lower()] = _unquoted(match.group(2))
        elif match := _COPY.fullmatch(sql):
            self._engine.register("copied", self._parquet(_unquoted(match.group(2))))
            self._engine.execute(f"INSERT INTO {match.group(1)} BY POSITION SELECT * FROM copied")
            self._engine.unregister("copied")
        elif match := _UNLOAD.fullmatch(sql):
            rows = self._plain(_unquoted(match.group(1)), {})
            self._unload(rows, _unquoted(match.group(2)))
        else:
            return False
        return True

    def _plain(self, sql: str, parameters: dict[str, str]) -> pa.Table | None:
        import sqlglot
        from sqlglot import exp
        from sqlglot.errors import SqlglotError

        try:
            trees = [tree for tree in sqlglot.parse(sql, read="redshift") if tree is not None]
        except SqlglotError as error:
            raise QueryFailed(f"syntax error: {str(error).splitlines()[0]}") from error
        if len(trees) != 1:
            raise QueryFailed("multiple statements are not supported")
        tree = trees[0].transform(lambda node: _bound(node, parameters))
        self._give_external(tree)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            found = self._engine.execute(tree.sql(dialect="duckdb")).to_arrow_reader().read_all()
        return plain_integers(found) if isinstance(tree, exp.Query) else None

    def _give_external(self, tree: Any) -> None:
        from sqlglot import exp

        reader = TableReader(self._service)
        for index, table in enumerate(list(tree.find_all(exp.Table))):
            database = self._schemas.get(table.db.lower()) if table.db else None
            if database is not None:
                found = reader.find(database, table.name.lower())
                self._engine.register(f"external_{index}", reader.read(found, None, False))
                alias = table.alias or table.name
                table.replace(exp.alias_(exp.to_table(f"external_{index}"), alias, quoted=True, table=True))

    def _parquet(self, uri: str) -> pa.Table:
        import pyarrow as pa
        import pyarrow.parquet as pq

        bucket, prefix = split_uri(uri)
        s3 = self._service.client("s3")
        keys = list_keys(s3, bucket, prefix)
        if not keys:
            raise QueryFailed(f"The specified S3 prefix '{prefix}' does not exist")
        bodies = [s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys]
        return pa.concat_tables([pq.read_table(io.BytesIO(body)) for body in bodies])

    def _unload(self, rows: pa.Table | None, uri: str) -> None:
        import pyarrow.parquet as pq

        if rows is None:
            raise QueryFailed("UNLOAD needs a query")
        buffer = io.BytesIO()
        pq.write_table(rows, buffer)
        bucket, prefix = split_uri(uri)
        self._service.client("s3").put_object(Bucket=bucket, Key=f"{prefix}000.parquet", Body=buffer.getvalue())


def metadata_of(schema: pa.Schema) -> list[dict[str, Any]]:
    """ColumnMetadata."""
    found = []
    for item in schema:
        name = _type_name(item.type)
        numbers = {"precision": item.type.precision, "scale": item.type.scale} if name == "numeric" else {}
        found.append({"name": item.name, "label": item.name, "typeName": name, "nullable": 1, **numbers})
    return found


def fields_of(rows: pa.Table) -> list[list[dict[str, Any]]]:
    """Rows as the Data API tells them, each value under its kind."""
    columns = [[_field(value) for value in rows.column(index).to_pylist()] for index in range(rows.num_columns)]
    return [list(row) for row in zip(*columns, strict=True)]


def _field(value: Any) -> dict[str, Any]:
    if value is None:
        return {"isNull": True}
    if isinstance(value, bool):
        return {"booleanValue": value}
    if isinstance(value, int):
        return {"longValue": value}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"stringValue": str(value) if isinstance(value, Decimal) else text(value)}


def _type_name(kind: pa.DataType) -> str:
    import pyarrow as pa

    if pa.types.is_decimal(kind):
        return "numeric"
    return "timestamp" if pa.types.is_timestamp(kind) else _TYPES.get(str(kind), "varchar")


def _bound(node: Any, parameters: dict[str, str]) -> Any:
    """A parameter as the text it is bound to; a text literal takes the type of what it is compared with."""
    from sqlglot import exp

    if not isinstance(node, exp.Placeholder):
        return node
    if node.name not in parameters:
        raise QueryFailed(f"Parameters list is missing :{node.name}")
    return exp.Literal.string(parameters[node.name])


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value.replace("''", "'"), flags=re.S)
