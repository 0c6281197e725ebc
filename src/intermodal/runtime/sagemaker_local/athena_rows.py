"""Rows as Athena tells them: texts, types, pages with the header first, and the CSV at the place for results."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_TYPES = {"string": "varchar", "large_string": "varchar", "bool": "boolean", "int8": "tinyint", "int16": "smallint"}
_TYPES |= {"int32": "integer", "int64": "bigint", "float": "float", "double": "double", "date32[day]": "date"}
_TYPES |= {"binary": "varbinary", "null": "unknown"}
_PRECISIONS = {"bigint": 19, "integer": 10, "double": 17, "varchar": 2147483647}


def plain_integers(rows: pa.Table) -> pa.Table:
    """DuckDB's 128-bit sums as the bigint that Trino makes of them."""
    import pyarrow as pa

    columns = []
    for item in rows.schema:
        wide = pa.types.is_decimal(item.type) and item.type.precision == 38 and item.type.scale == 0
        unsigned = str(item.type).startswith("uint")
        columns.append(rows[item.name].cast(pa.int64()) if wide or unsigned else rows[item.name])
    return pa.Table.from_arrays(columns, names=rows.schema.names)


def column_info(schema: pa.Schema) -> list[dict[str, Any]]:
    """ResultSetMetadata's ColumnInfo."""
    found = []
    for item in schema:
        kind = athena_type(item.type)
        found.append(
            {
                "CatalogName": "hive",
                "SchemaName": "",
                "TableName": "",
                "Name": item.name,
                "Label": item.name,
                "Type": kind,
                "Precision": _PRECISIONS.get(kind, 0),
                "Scale": 0,
                "Nullable": "UNKNOWN",
                "CaseSensitive": kind == "varchar",
            }
        )
    return found


def athena_type(kind: pa.DataType) -> str:
    """An Arrow type as Athena names it."""
    import pyarrow as pa

    if pa.types.is_timestamp(kind):
        return "timestamp"
    if pa.types.is_decimal(kind):
        return "decimal"
    if pa.types.is_list(kind):
        return "array"
    if pa.types.is_struct(kind):
        return "row"
    return _TYPES.get(str(kind), "varchar")


def text_rows(rows: pa.Table) -> list[list[str | None]]:
    """Every value as Athena writes it; None for NULL."""
    columns = [[text(value) for value in rows.column(index).to_pylist()] for index in range(rows.num_columns)]
    return [list(row) for row in zip(*columns, strict=True)]


def text(value: Any) -> str | None:
    """One value as Athena writes it."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _double(value)
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.") + f"{value.microsecond // 1000:03d}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list):
        return "[" + ", ".join(text(item) or "null" for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={text(item) or 'null'}" for key, item in value.items()) + "}"
    if isinstance(value, bytes):
        return value.hex(" ")
    return str(value)


def _double(value: float) -> str:
    """As Java writes it: with a point always, and with an exponent outside 0.001 … 10,000,000."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        written = repr(value)
        return written if "e" not in written else f"{value:f}"
    mantissa, _, exponent = f"{value!r}".partition("e") if "e" in repr(value) else f"{value:e}".partition("e")
    digits = mantissa.rstrip("0") if "." in mantissa else mantissa
    digits = digits + "0" if digits.endswith(".") else digits if "." in digits else digits + ".0"
    return f"{digits}E{int(exponent)}"


def csv_of(names: list[str], rows: list[list[str | None]]) -> bytes:
    """The result file: everything quoted, NULL as nothing at all."""
    every: list[list[str | None]] = [[*names], *rows]
    lines = [",".join(map(_quoted, row)) for row in every]
    return ("\n".join(lines) + "\n").encode()


def metadata_of(columns: list[dict[str, Any]]) -> bytes:
    """The file beside the result; Athena's own is binary and undocumented, this one is JSON."""
    return json.dumps(columns).encode()


def data_row(row: list[str | None]) -> dict[str, Any]:
    """A row of GetQueryResults; NULL is an empty object."""
    return {"Data": [{} if value is None else {"VarCharValue": value} for value in row]}


def _quoted(value: str | None) -> str:
    return "" if value is None else '"' + value.replace('"', '""') + '"'
