"""The Glue catalogue: databases, tables and partitions as requests; made, or brought up to date.

One value, `Table`, says what a table is; the Glue request and Athena's table definition
(`athena.table_definition`) are both rendered from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from intermodal.aws.request import Request
from intermodal.aws.sending import answered, holds, send
from intermodal.aws.settings import SageMakerSettings
from intermodal.aws.sql import glue_name
from intermodal.errors import DataRejected, RuntimeFailed

if TYPE_CHECKING:
    import pyarrow as pa

_PARTITIONS_A_REQUEST = 100
_LAZY = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
_TEXT_IN = "org.apache.hadoop.mapred.TextInputFormat"
_TEXT_OUT = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
_PARQUET = "org.apache.hadoop.hive.ql.io.parquet"
_EXISTS = "AlreadyExistsException"


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        name: Its name.
        kind: Its type in Hive's words, such as "string" or "array<int>".
    """

    name: str
    kind: str = "string"

    def to_json(self) -> dict[str, str]:
        """As Glue wants it."""
        return {"Name": self.name, "Type": self.kind}


@dataclass(frozen=True)
class Format:
    """How the files of a table are written.

    Attributes:
        input: Hive's input format.
        output: Hive's output format.
        serde: Hive's serialiser.
        serde_parameters: What it is told.
        parameters: What the table is told.
    """

    input: str
    output: str
    serde: str
    serde_parameters: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)


# Raw TSV: no quoting and no escaping, so not OpenCSVSerDe, which knows nothing else; LazySimpleSerDe escapes
# only when told to. A field can never hold a tab, so with a tab for NULL every field stays what it was, an
# empty one empty, and only columns that a line lacks are NULL: short and long lines can be told.
RAW_TSV = Format(
    _TEXT_IN,
    _TEXT_OUT,
    _LAZY,
    {"field.delim": "\t", "serialization.format": "\t", "line.delim": "\n", "serialization.null.format": "\t"},
    {"classification": "csv", "skip.header.line.count": "1"},
)
PARQUET = Format(
    f"{_PARQUET}.MapredParquetInputFormat",
    f"{_PARQUET}.MapredParquetOutputFormat",
    f"{_PARQUET}.serde.ParquetHiveSerDe",
    {"serialization.format": "1"},
    {"classification": "parquet"},
)


@dataclass(frozen=True)
class Table:
    """An external table.

    Attributes:
        database: Its database.
        name: Its name.
        location: Prefix of its files, s3://….
        columns: Its columns, without those it is partitioned by.
        format: How its files are written.
        partitioned_by: Columns whose values stand in the path.
        parameters: Further parameters, such as who made it.
    """

    database: str
    name: str
    location: str
    columns: tuple[Column, ...]
    format: Format
    partitioned_by: tuple[Column, ...] = ()
    parameters: dict[str, str] = field(default_factory=dict)

    @property
    def all_parameters(self) -> dict[str, str]:
        """Parameters of the table, those of its format included."""
        return {"EXTERNAL": "TRUE", **self.format.parameters, **self.parameters}

    def storage(self, location: str = "") -> dict[str, Any]:
        """Glue's storage descriptor, for the table or for a partition elsewhere."""
        serde = {"SerializationLibrary": self.format.serde, "Parameters": self.format.serde_parameters}
        return {
            "Columns": [column.to_json() for column in self.columns],
            "Location": (location or self.location).rstrip("/") + "/",
            "InputFormat": self.format.input,
            "OutputFormat": self.format.output,
            "SerdeInfo": serde,
        }

    def to_input(self) -> dict[str, Any]:
        """Glue's TableInput."""
        return {
            "Name": glue_name(self.name, "table"),
            "TableType": "EXTERNAL_TABLE",
            "Parameters": self.all_parameters,
            "PartitionKeys": [column.to_json() for column in self.partitioned_by],
            "StorageDescriptor": self.storage(),
        }


@dataclass(frozen=True)
class Partition:
    """A partition of a table.

    Attributes:
        values: One value for each column that the table is partitioned by.
        location: Prefix of its files.
    """

    values: tuple[str, ...]
    location: str


def columns_of(schema: pa.Schema, leave_out: tuple[str, ...] = ()) -> tuple[Column, ...]:
    """The columns of Parquet files, as Hive names their types.

    Args:
        schema: Their Arrow schema.
        leave_out: Columns that the table is partitioned by.

    Raises:
        DataRejected: A type has no counterpart.
    """
    return tuple(
        Column(item.name.lower(), hive_type(item.type, item.name)) for item in schema if item.name not in leave_out
    )


def hive_type(kind: pa.DataType, name: str = "") -> str:
    """An Arrow type in Hive's words.

    Raises:
        DataRejected: It has no counterpart.
    """
    import pyarrow.types as of

    if of.is_dictionary(kind):
        return hive_type(kind.value_type, name)
    if of.is_list(kind) or of.is_large_list(kind) or of.is_fixed_size_list(kind):
        return f"array<{hive_type(kind.value_type, name)}>"
    if of.is_struct(kind):
        return f"struct<{','.join(f'{item.name}:{hive_type(item.type, name)}' for item in kind)}>"
    if of.is_map(kind):
        return f"map<{hive_type(kind.key_type, name)},{hive_type(kind.item_type, name)}>"
    if of.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if of.is_timestamp(kind):
        return "timestamp"
    if str(kind) not in _PLAIN:
        raise DataRejected(f"the column {name} has a type that Glue does not know", seen=kind, expected="a Hive type")
    return _PLAIN[str(kind)]


_PLAIN = {
    **dict.fromkeys(("string", "large_string", "string_view", "null"), "string"),
    **dict.fromkeys(("binary", "large_binary"), "binary"),
    **dict.fromkeys(("int32", "uint16"), "int"),
    **dict.fromkeys(("int64", "uint32"), "bigint"),
    "bool": "boolean",
    "int8": "tinyint",
    "int16": "smallint",
    "uint8": "smallint",
    "float": "float",
    "double": "double",
    "date32[day]": "date",
}


def database_request(name: str, description: str = "made by intermodal") -> Request:
    """The request that makes a database."""
    made = {"Name": glue_name(name, "database"), "Description": description}
    return Request("glue", "CreateDatabase", {"DatabaseInput": made})


def table_request(table: Table, update: bool = False) -> Request:
    """The request that makes a table, or brings it up to date."""
    parameters = {"DatabaseName": glue_name(table.database, "database"), "TableInput": table.to_input()}
    return Request("glue", "UpdateTable" if update else "CreateTable", parameters)


def partition_requests(table: Table, partitions: list[Partition], update: bool = False) -> list[Request]:
    """The requests that register partitions, or bring them up to date, a hundred each."""
    requests = []
    for start in range(0, len(partitions), _PARTITIONS_A_REQUEST):
        piece = partitions[start : start + _PARTITIONS_A_REQUEST]
        inputs = [{"Values": list(item.values), "StorageDescriptor": table.storage(item.location)} for item in piece]
        entries = [{"PartitionValueList": item["Values"], "PartitionInput": item} for item in inputs]
        asked = {"Entries": entries} if update else {"PartitionInputList": inputs}
        name = "BatchUpdatePartition" if update else "BatchCreatePartition"
        requests.append(Request("glue", name, {"DatabaseName": table.database, "TableName": table.name, **asked}))
    return requests


def ensure_database(name: str, settings: SageMakerSettings) -> None:
    """Make a database unless it is there."""
    send(database_request(name), settings, accept=(_EXISTS,))


def find_table(database: str, name: str, settings: SageMakerSettings) -> dict[str, Any] | None:
    """What Glue knows of a table; None when it is not there."""
    request = Request("glue", "GetTable", {"DatabaseName": database, "Name": name})
    found = send(request, settings, accept=("EntityNotFoundException",))
    return dict(found["Table"]) if found else None


def ensure_table(table: Table, settings: SageMakerSettings) -> None:
    """Make a table, or bring it up to date when it is there and differs."""
    if send(table_request(table), settings, accept=(_EXISTS,)) is not None:
        return
    found = find_table(table.database, table.name, settings) or {}
    if not holds(found, table.to_input()):
        answered(table_request(table, update=True), settings)


def ensure_partitions(table: Table, partitions: list[Partition], settings: SageMakerSettings) -> None:
    """Register partitions; those that are there are brought up to date.

    Raises:
        RuntimeFailed: Glue did not take one.
    """
    there: list[Partition] = []
    for request in partition_requests(table, partitions):
        for error in answered(request, settings).get("Errors", []):
            if error["ErrorDetail"]["ErrorCode"] != _EXISTS:
                raise _not_taken(table, error)
            there += [item for item in partitions if list(item.values) == error["PartitionValues"]]
    for request in partition_requests(table, there, update=True):
        for error in answered(request, settings).get("Errors", []):
            raise _not_taken(table, error)


def _not_taken(table: Table, error: dict[str, Any]) -> RuntimeFailed:
    return RuntimeFailed(
        f"Glue did not take a partition of {table.database}.{table.name}",
        seen=error,
        expected="a partition value that Glue takes",
    )
