"""Tables of the Glue catalogue as Arrow: text as Hive's serialisers read it, and Parquet, partition by partition."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from intermodal.runtime.sagemaker_local.athena_outcome import QueryFailed
from intermodal.runtime.sagemaker_local.transfer import list_keys, split_uri

if TYPE_CHECKING:
    import pyarrow as pa

    from intermodal.runtime.sagemaker_local.service import Service

PATH_COLUMN = "$path"
NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_LINE_END = re.compile(rb"\r\n|\n|\r")  # as Hadoop's reader: a carriage return ends a line as well


@dataclass(frozen=True)
class _Part:
    """Files of one partition, or of the whole table."""

    location: str
    values: dict[str, str | None] = field(default_factory=dict)


class TableReader:
    """Reads tables.

    Args:
        service: The service, whose Glue and S3 are asked.
        cutoff: Most bytes; 0 for no limit.
    """

    def __init__(self, service: Service, cutoff: int = 0) -> None:
        self._glue, self._s3 = service.client("glue"), service.client("s3")
        self._cutoff = cutoff
        self.scanned = 0

    def find(self, database: str, name: str) -> dict[str, Any]:
        """What the catalogue says of a table.

        Raises:
            QueryFailed: It is not there.
        """
        from botocore.exceptions import ClientError

        try:
            return dict(self._glue.get_table(DatabaseName=database, Name=name)["Table"])
        except ClientError as error:
            raise QueryFailed(f"TABLE_NOT_FOUND: Table 'awsdatacatalog.{database}.{name}' does not exist") from error

    def read(self, table: dict[str, Any], needed: set[str] | None, with_path: bool) -> pa.Table:
        """The rows of a table.

        Args:
            table: As `find` gave it.
            needed: Columns that the query names; None for all.
            with_path: Whether `$path` is asked for.

        Raises:
            QueryFailed: The files are not what the table says, or too many bytes would be read.
        """
        import pyarrow as pa

        columns = table["StorageDescriptor"]["Columns"]
        pieces = []
        for part in self._parts(table):
            for uri, rows in self._files(table, part, needed):
                for key in table.get("PartitionKeys", []):
                    rows = rows.append_column(key["Name"], _constant(part.values[key["Name"]], key["Type"], len(rows)))
                if with_path:
                    rows = rows.append_column(PATH_COLUMN, _constant(uri, "string", len(rows)))
                pieces.append(rows)
        if pieces:
            return pa.concat_tables(pieces)
        names = [*columns, *table.get("PartitionKeys", [])]
        fields = [(item["Name"], arrow_type(item["Type"])) for item in names]
        return pa.schema(fields + ([(PATH_COLUMN, pa.string())] if with_path else [])).empty_table()

    def _parts(self, table: dict[str, Any]) -> list[_Part]:
        keys = [item["Name"] for item in table.get("PartitionKeys", [])]
        if not keys:
            return [_Part(table["StorageDescriptor"]["Location"])]
        found = []
        for page in self._glue.get_paginator("get_partitions").paginate(
            DatabaseName=table["DatabaseName"], TableName=table["Name"]
        ):
            for item in page["Partitions"]:
                values = [None if value == NULL_PARTITION else value for value in item["Values"]]
                found.append(_Part(item["StorageDescriptor"]["Location"], dict(zip(keys, values, strict=True))))
        return found

    def _files(self, table: dict[str, Any], part: _Part, needed: set[str] | None) -> Iterator[tuple[str, pa.Table]]:
        bucket, prefix = split_uri(part.location.rstrip("/") + "/")
        for key in list_keys(self._s3, bucket, prefix):
            if any(piece.startswith(("_", ".")) for piece in key.removeprefix(prefix).split("/")):
                continue  # hidden, as for Hive
            data = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            if not data:
                continue
            if "parquet" in table["StorageDescriptor"]["InputFormat"].lower():
                rows, scanned = read_parquet(data, table, needed)
            else:
                rows, scanned = read_text(data, key, table), len(data)
            self._count(scanned)
            yield f"s3://{bucket}/{key}", rows

    def _count(self, scanned: int) -> None:
        self.scanned += scanned
        if self._cutoff and self.scanned > self._cutoff:
            raise QueryFailed(
                f"Query cancelled! : Bytes scanned limit was exceeded. Bytes scanned limit: {self._cutoff}",
                cancelled=True,
            )


def read_parquet(data: bytes, table: dict[str, Any], needed: set[str] | None) -> tuple[pa.Table, int]:
    """A Parquet file by the names of its columns, as Athena reads it; columns that it lacks are NULL.

    Args:
        data: The file.
        table: The table.
        needed: Columns that the query names; None for all.

    Raises:
        QueryFailed: It is no Parquet, or a column holds something else than the table says.
    """
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(data))
    except pa.ArrowInvalid as error:
        raise QueryFailed(f"HIVE_BAD_DATA: Not valid Parquet file: {error}") from error
    there = {name.lower(): name for name in file.schema_arrow.names}
    columns = table["StorageDescriptor"]["Columns"]
    read = file.read([there[item["Name"]] for item in columns if item["Name"] in there])
    made = []
    for item in columns:
        kind = arrow_type(item["Type"])
        try:
            found = read[there[item["Name"]]].cast(kind) if item["Name"] in there else _nulls(kind, len(read))
        except pa.ArrowException as error:
            raise QueryFailed(f"HIVE_BAD_DATA: Field {item['Name']}'s type is not {item['Type']}: {error}") from error
        made.append(found)
    if not columns:
        return pa.table({"intermodal_none": _nulls(pa.string(), file.metadata.num_rows)}), 0
    return pa.Table.from_arrays(made, names=[item["Name"] for item in columns]), _parquet_bytes(file, needed)


def read_text(data: bytes, key: str, table: dict[str, Any]) -> pa.Table:
    """A text file as LazySimpleSerDe or OpenCSVSerde reads it.

    A line that is too short has NULL in its last columns, what is too much is passed over, and a value that
    does not fit its column is NULL.

    Args:
        data: The stored bytes; gunzipped when the key ends in .gz, and only then.
        key: The object's key.
        table: The table.

    Raises:
        QueryFailed: It cannot be unpacked, or the serialiser is another one.
    """
    import pyarrow as pa

    storage = table["StorageDescriptor"]
    options = {**table.get("Parameters", {}), **storage["SerdeInfo"].get("Parameters", {})}
    lines = _lines(data, key)[int(options.get("skip.header.line.count", "0")) :]
    serde = storage["SerdeInfo"]["SerializationLibrary"].rpartition(".")[2]
    if serde not in _SERDES:
        raise QueryFailed(f"this local Athena reads no {serde}; it reads {', '.join(_SERDES)} and Parquet")
    rows = [_SERDES[serde](line.decode("utf-8", "replace"), options) for line in lines]
    columns = storage["Columns"]
    texts = [[row[index] if index < len(row) else None for row in rows] for index in range(len(columns))]
    made = [_parsed(values, item["Type"]) for values, item in zip(texts, columns, strict=True)]
    return pa.Table.from_arrays(made, names=[item["Name"] for item in columns])


def _lines(data: bytes, key: str) -> list[bytes]:
    if key.endswith(".gz"):
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError) as error:
            raise QueryFailed(f"HIVE_CURSOR_ERROR: Failed to read file: {key}: {error}") from error
    lines = _LINE_END.split(data)
    return lines[:-1] if lines[-1] == b"" else lines


def _lazy(line: str, options: dict[str, str]) -> list[str | None]:
    null = options.get("serialization.null.format", "\\N")
    escape = options.get("escape.delim", "")
    delimiter = options.get("field.delim", options.get("serialization.format", "\x01"))
    fields = _unescaped(line, delimiter, escape) if escape else line.split(delimiter)
    return [None if field == null else field for field in fields]


def _unescaped(line: str, delimiter: str, escape: str) -> list[str]:
    fields, current, index = [], "", 0
    while index < len(line):
        if line[index] == escape and index + 1 < len(line):
            current, index = current + line[index + 1], index + 2
            continue
        if line[index] == delimiter:
            fields.append(current)
            current = ""
        else:
            current += line[index]
        index += 1
    return [*fields, current]


def _quoted(line: str, options: dict[str, str]) -> list[str | None]:
    import csv

    quote, escape = options.get("quoteChar", '"'), options.get("escapeChar", "\\")
    delimiter = options.get("separatorChar", ",")
    found = csv.reader([line], delimiter=delimiter, quotechar=quote, escapechar=escape, doublequote=False)
    return [field for fields in found for field in fields]


_SERDES = {"LazySimpleSerDe": _lazy, "OpenCSVSerde": _quoted}


def _parsed(values: list[str | None], kind: str) -> pa.Array:
    import pyarrow as pa

    wanted = arrow_type(kind)
    if pa.types.is_string(wanted):
        return pa.array(values, pa.string())
    return pa.array([_one(value, wanted) for value in values], wanted)


def _one(value: str | None, kind: pa.DataType) -> Any:
    """A value, or None when it does not fit; as Hive's serialisers do."""
    import pyarrow as pa

    try:
        return None if value is None else pa.scalar(value).cast(kind).as_py()
    except pa.ArrowException:
        return None


def arrow_type(kind: str) -> pa.DataType:
    """A Hive type as Arrow.

    Raises:
        QueryFailed: It is none that is known here.
    """
    import pyarrow as pa

    kind = kind.strip().lower()
    plain = {
        "string": pa.string(),
        "boolean": pa.bool_(),
        "tinyint": pa.int8(),
        "smallint": pa.int16(),
        "int": pa.int32(),
        "integer": pa.int32(),
        "bigint": pa.int64(),
        "float": pa.float32(),
        "double": pa.float64(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("ms"),
        "binary": pa.binary(),
    }
    if kind in plain:
        return plain[kind]
    if kind.startswith(("varchar", "char")):
        return pa.string()
    match = re.fullmatch(r"decimal\((\d+),\s*(\d+)\)", kind)
    if match:
        return pa.decimal128(int(match.group(1)), int(match.group(2)))
    if kind.startswith("array<") and kind.endswith(">"):
        return pa.list_(arrow_type(kind[6:-1]))
    raise QueryFailed(f"HIVE_UNSUPPORTED_FORMAT: this local Athena knows no type {kind}")


def _parquet_bytes(file: Any, needed: set[str] | None) -> int:
    """Compressed bytes of the columns that are named."""
    total = 0
    for index in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(index)
        for number in range(group.num_columns):
            column = group.column(number)
            if needed is None or column.path_in_schema.partition(".")[0].lower() in needed:
                total += column.total_compressed_size
    return total


def _constant(value: str | None, kind: str, count: int) -> pa.Array:
    import pyarrow as pa

    wanted = arrow_type(kind)
    return pa.repeat(pa.scalar(None if value is None else _one(value, wanted), wanted), count)


def _nulls(kind: pa.DataType, count: int) -> pa.Array:
    import pyarrow as pa

    return pa.nulls(count, kind)
