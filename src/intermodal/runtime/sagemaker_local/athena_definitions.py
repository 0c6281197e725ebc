"""Definitions: databases, external tables, partitions, and tables made from queries, all kept in Glue."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from intermodal.aws.athena import MOST_PARTITIONS
from intermodal.aws.glue import PARQUET, RAW_TSV, Column, Format, Table, hive_type
from intermodal.runtime.sagemaker_local.athena_outcome import Answer, QueryFailed
from intermodal.runtime.sagemaker_local.athena_partitions import add_partitions, partition_path, repair
from intermodal.runtime.sagemaker_local.athena_rows import text
from intermodal.runtime.sagemaker_local.athena_tables import NULL_PARTITION
from intermodal.runtime.sagemaker_local.transfer import list_keys, split_uri

if TYPE_CHECKING:
    import pyarrow as pa

    from intermodal.runtime.sagemaker_local.athena_statements import Statement

_TEXT = "string"


def execute(statement: Statement, tree: Any, sql: str) -> Answer:
    """Execute what is no query.

    Args:
        statement: The statement.
        tree: sqlglot's tree.
        sql: Its text.

    Raises:
        QueryFailed: It is of a kind that this local Athena does not know, or failed.
    """
    from sqlglot import exp

    words = sql.upper().split()
    if isinstance(tree, exp.Create) and tree.kind in ("DATABASE", "SCHEMA"):
        return _create_database(statement, tree)
    if isinstance(tree, exp.Create) and tree.kind == "TABLE":
        return _create_as(statement, tree) if tree.expression else _create_external(statement, tree)
    if isinstance(tree, exp.Drop):
        return _drop(statement, tree)
    if isinstance(tree, exp.Insert):
        return _insert(statement, tree)
    if words[:3] == ["MSCK", "REPAIR", "TABLE"]:
        return repair(statement, sql)
    if words[:2] == ["ALTER", "TABLE"]:
        return add_partitions(statement, sql)
    if words[:1] == ["SHOW"]:
        return _show(statement, words)
    raise QueryFailed(f"this local Athena does not execute {' '.join(words[:2])}")


def target(statement: Statement, table: Any) -> tuple[str, str]:
    """Database and table that a tree names."""
    return (table.db or statement.setting.database).lower(), table.name.lower()


def _create_database(statement: Statement, tree: Any) -> Answer:
    name = tree.this.name.lower()
    _glue(statement, "create_database", bool(tree.args.get("exists")), DatabaseInput={"Name": name})
    return _done()


def _drop(statement: Statement, tree: Any) -> Answer:
    exists = bool(tree.args.get("exists"))
    for item in tree.args.get("tables") or [tree.this]:
        if tree.args["kind"] in ("DATABASE", "SCHEMA"):
            _glue(statement, "delete_database", exists, Name=item.name.lower())
            continue
        database, name = target(statement, item)
        _glue(statement, "delete_table", exists, DatabaseName=database, Name=name)
    return _done()


def _create_external(statement: Statement, tree: Any) -> Answer:
    from sqlglot import exp

    if tree.find(exp.ExternalProperty) is None:
        raise QueryFailed("FAILED: only external tables can be created, CREATE EXTERNAL TABLE, or with AS SELECT")
    database, name = target(statement, tree.this.this)
    location = tree.find(exp.LocationProperty)
    if location is None:
        raise QueryFailed("FAILED: an external table needs a LOCATION")
    partitioned = tree.find(exp.PartitionedByProperty)
    table = Table(
        database,
        name,
        location.this.name,
        _columns(tree.this.expressions),
        _format(tree),
        _columns(partitioned.this.expressions) if partitioned else (),
        {item.name: item.args["value"].name for item in tree.args["properties"].expressions if _is_plain(item)},
    )
    exists = bool(tree.args.get("exists"))
    _glue(statement, "create_table", exists, DatabaseName=database, TableInput=table.to_input())
    return _done()


def _columns(definitions: list[Any]) -> tuple[Column, ...]:
    from sqlglot import exp

    return tuple(
        Column(item.name.lower(), item.args["kind"].sql(dialect="hive").lower())
        for item in definitions
        if isinstance(item, exp.ColumnDef)
    )


def _format(tree: Any) -> Format:
    from sqlglot import exp

    serde, delimited = tree.find(exp.RowFormatSerdeProperty), tree.find(exp.RowFormatDelimitedProperty)
    file = tree.find(exp.FileFormatProperty)
    stored = file.this.name.upper() if file is not None else "TEXTFILE"
    given = file is not None and isinstance(file.this, exp.InputOutputFormat)
    base = PARQUET if stored == "PARQUET" or (given and "parquet" in file.this.sql().lower()) else RAW_TSV
    parameters = dict(base.serde_parameters) if base is PARQUET else {}
    if serde is not None and serde.args.get("serde_properties"):
        parameters = {item.name: item.args["value"].name for item in serde.args["serde_properties"].expressions}
    if delimited is not None:
        named = {"field.delim": "fields", "escape.delim": "escaped", "serialization.null.format": "null"}
        parameters = {key: delimited.args[arg].name for key, arg in named.items() if delimited.args.get(arg)}
    return Format(base.input, base.output, serde.this.name if serde is not None else base.serde, parameters)


def _is_plain(item: Any) -> bool:
    from sqlglot import exp

    return type(item) is exp.Property


def _create_as(statement: Statement, tree: Any) -> Answer:
    """CTAS: Parquet below the place for results, or where `external_location` says, and a table over it."""
    from sqlglot import exp

    database, name = target(statement, tree.this)
    if _exists(statement, database, name):
        raise QueryFailed(f"TABLE_ALREADY_EXISTS: line 1:1: Destination table '{name}' already exists")
    options = {item.name.lower(): item.args["value"] for item in _properties(tree) if _is_plain(item)}
    file, partitioned = tree.find(exp.FileFormatProperty), tree.find(exp.PartitionedByProperty)
    if file is not None and file.this.name.upper() != "PARQUET":
        raise QueryFailed("NOT_SUPPORTED: this local Athena writes Parquet alone")
    external = options["external_location"].name if "external_location" in options else ""
    if external and statement.setting.enforced:
        raise QueryFailed(
            "The Create Table As Select query failed because it was submitted with an 'external_location' property to "
            "an Athena Workgroup that enforces a centralized output location for all queries."
        )
    location = external or f"{statement.setting.results}tables/{statement.setting.identifier}/"
    _check_empty(statement, location)
    rows = statement.rows(tree.expression)
    keys = [item.name.lower() for item in partitioned.this.expressions] if partitioned else []
    if keys and [item.lower() for item in rows.column_names[-len(keys) :]] != keys:
        raise QueryFailed("HIVE_COLUMN_ORDER_MISMATCH: Partition keys must be the last columns in the table")
    columns = [Column(item.name.lower(), hive_type(item.type, item.name)) for item in rows.schema]
    split = len(columns) - len(keys)
    table = Table(database, name, location, tuple(columns[:split]), PARQUET, tuple(columns[split:]))
    written = write_rows(statement, table, rows)
    _glue(statement, "create_table", False, DatabaseName=database, TableInput=table.to_input())
    _register(statement, table, written)
    return _written(location)


def _insert(statement: Statement, tree: Any) -> Answer:
    """INSERT INTO a table of Parquet files; its columns come by their order."""
    database, name = target(statement, tree.this)
    found = statement.reader.find(database, name)
    storage = found["StorageDescriptor"]
    if "parquet" not in storage["InputFormat"].lower():
        raise QueryFailed("NOT_SUPPORTED: this local Athena inserts into Parquet tables alone")
    columns = tuple(Column(item["Name"], item["Type"]) for item in storage["Columns"])
    keys = tuple(Column(item["Name"], item["Type"]) for item in found.get("PartitionKeys", []))
    rows = statement.rows(tree.expression)
    if rows.num_columns != len(columns) + len(keys):
        raise QueryFailed("TYPE_MISMATCH: Insert query has a different number of columns than the table")
    table = Table(database, name, storage["Location"], columns, PARQUET, keys)
    rows = rows.rename_columns([item.name for item in (*columns, *keys)])
    _register(statement, table, write_rows(statement, table, rows))
    return _written(storage["Location"])


def write_rows(statement: Statement, table: Table, rows: pa.Table) -> list[list[str | None]]:
    """Write rows below a table's location, a file for each partition.

    Returns:
        The partitions' values.

    Raises:
        QueryFailed: There are more partitions than Athena writes at once.
    """
    keys = [column.name for column in table.partitioned_by]
    groups = _groups(rows, keys)
    if len(groups) > MOST_PARTITIONS:
        raise QueryFailed(
            f"HIVE_TOO_MANY_OPEN_PARTITIONS: Exceeded limit of {MOST_PARTITIONS} open writers for partitions/buckets"
        )
    for values, group in groups:
        path = "".join(f"{partition_path(key, value)}/" for key, value in zip(keys, values, strict=True))
        name = f"{statement.setting.identifier.replace('-', '_')}_{uuid.uuid4()}"
        _put_parquet(statement, f"{table.location.rstrip('/')}/{path}{name}", group)
    return [values for values, _ in groups]


def _groups(rows: pa.Table, keys: list[str]) -> list[tuple[list[str | None], pa.Table]]:
    import pyarrow as pa

    if not keys:
        return [([], rows)]
    marked: dict[tuple[str | None, ...], list[int]] = {}
    values = [[text(value) for value in rows[key].to_pylist()] for key in keys]
    for index, found in enumerate(zip(*values, strict=True)):
        marked.setdefault(found, []).append(index)
    kept = rows.drop_columns(keys)
    return [(list(found), kept.take(pa.array(indices))) for found, indices in marked.items()]


def _put_parquet(statement: Statement, uri: str, rows: pa.Table) -> None:
    import io

    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(rows, buffer, compression="zstd", store_schema=False)
    bucket, key = split_uri(uri)
    statement.service.client("s3").put_object(Bucket=bucket, Key=key, Body=buffer.getvalue())


def _register(statement: Statement, table: Table, values: list[list[str | None]]) -> None:
    for found in values if table.partitioned_by else []:
        names = [column.name for column in table.partitioned_by]
        path = "".join(f"{partition_path(key, value)}/" for key, value in zip(names, found, strict=True))
        made = {
            "Values": [NULL_PARTITION if value is None else value for value in found],
            "StorageDescriptor": table.storage(f"{table.location.rstrip('/')}/{path}"),
        }
        named = {"DatabaseName": table.database, "TableName": table.name}
        _glue(statement, "create_partition", True, **named, PartitionInput=made)


def _show(statement: Statement, words: list[str]) -> Answer:
    glue = statement.service.client("glue")
    if words[1:2] == ["DATABASES"]:
        names = [
            item["Name"] for page in glue.get_paginator("get_databases").paginate() for item in page["DatabaseList"]
        ]
    elif words[1:2] == ["TABLES"]:
        pages = glue.get_paginator("get_tables").paginate(DatabaseName=statement.setting.database)
        names = [item["Name"] for page in pages for item in page["TableList"]]
    else:
        raise QueryFailed(f"this local Athena does not execute {' '.join(words[:2])}")
    answer = _done()
    answer.rows = [[name] for name in sorted(names)]
    answer.columns = [{"Name": "name", "Type": _TEXT}]
    return answer


def _properties(tree: Any) -> list[Any]:
    return list(tree.args["properties"].expressions) if tree.args.get("properties") else []


def _exists(statement: Statement, database: str, name: str) -> bool:
    try:
        statement.reader.find(database, name)
    except QueryFailed:
        return False
    return True


def _check_empty(statement: Statement, location: str) -> None:
    bucket, prefix = split_uri(location)
    if list_keys(statement.service.client("s3"), bucket, prefix):
        raise QueryFailed(f"HIVE_PATH_ALREADY_EXISTS: Target directory for table already exists: {location}")


def _glue(statement: Statement, verb: str, passing: bool, **parameters: Any) -> None:
    """Call Glue; with `passing`, what is there already, or is not there, is no failure."""
    from botocore.exceptions import ClientError

    try:
        getattr(statement.service.client("glue"), verb)(**parameters)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if passing and code in ("AlreadyExistsException", "EntityNotFoundException"):
            return
        raise QueryFailed(f"FAILED: {code}: {error.response['Error']['Message']}") from error


def _done() -> Answer:
    return Answer("DDL")


def _written(location: str) -> Answer:
    return Answer("DML", [{"Name": "rows", "Type": "bigint"}], [], written=location)
