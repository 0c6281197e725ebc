"""Data sets of Parquet files as tables of the Glue catalogue: on S3, typed by their schema, partitions registered."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from intermodal.aws.athena_queries import Athena
from intermodal.aws.data_settings import athena_settings
from intermodal.aws.glue import (
    PARQUET,
    Column,
    Partition,
    Table,
    columns_of,
    database_request,
    ensure_database,
    ensure_partitions,
    ensure_table,
    find_table,
    partition_requests,
    table_request,
)
from intermodal.aws.objects import is_there, upload_file
from intermodal.aws.request import Request, TaskPlan
from intermodal.aws.settings import sagemaker_settings
from intermodal.core.config import load_settings
from intermodal.core.manifest import sha256_of
from intermodal.errors import DataRejected

_DIGITS = 16
_URI_KEY = "intermodal_uri"
_OF_TABLE = (
    "TableInput.StorageDescriptor.Columns",
    "TableInput.StorageDescriptor.Location",
    "TableInput.PartitionKeys",
)
_UNKNOWN = {
    "CreateTable": _OF_TABLE,
    "UpdateTable": _OF_TABLE,
    "BatchCreatePartition": ("PartitionInputList",),
    "BatchUpdatePartition": ("Entries",),
}


@dataclass(frozen=True)
class Registered:
    """A data set in the catalogue.

    Attributes:
        table: Its table.
        partitions: Its partitions.
        columns: Column → Hive type, in the order of the files, with those it is partitioned by.
    """

    table: Table
    partitions: tuple[Partition, ...]
    columns: dict[str, str]


def register_folder(
    folder: Path, athena: Athena, name: str = "", published: str = "", database: str = ""
) -> Registered:
    """Bring Parquet files to S3, unless they are there, and register them; again, nothing is done twice.

    Args:
        folder: Files on this machine, in folders such as product_category=Books when they are partitioned.
        athena: Athena, for the settings and the account's places.
        name: Name of the table; "dataset_" and the content's digest by default.
        published: s3:// prefix under which the same files lie already.
        database: Database; that of `[athena]` by default.

    Raises:
        DataRejected: There is no Parquet file, or a type that Glue does not know.
        UsageError: The name is none for Glue.
        RuntimeFailed: Glue or S3 refused, or did not answer.
    """
    described = describe_folder(folder, athena, name, published, database)
    ensure_database(described.table.database, athena.settings)
    if not published:
        _upload(folder, described.table.location, athena)
    ensure_table(described.table, athena.settings)
    ensure_partitions(described.table, list(described.partitions), athena.settings)
    return described


def describe_folder(
    folder: Path, athena: Athena, name: str = "", published: str = "", database: str = ""
) -> Registered:
    """What `register_folder` would register; nothing is asked of AWS."""
    import pyarrow.parquet as pq

    files = _parquet_files(folder)
    if not files:
        raise DataRejected("there is no table to register", seen=f"no *.parquet in {folder}", expected="Parquet files")
    schema = pq.read_schema(folder / files[0])
    keys = [piece.partition("=")[0] for piece in files[0].split("/")[:-1] if "=" in piece]
    digest = _digest(folder, files)
    location = (published or f"{athena.place.store}/athena/datasets/{digest}").rstrip("/") + "/"
    table = Table(
        database or athena.athena.database,
        name or f"dataset_{digest}",
        location,
        columns_of(schema, leave_out=tuple(keys)),
        PARQUET,
        tuple(Column(key.lower()) for key in keys),
    )
    found = {item.name: item.kind for item in (*columns_of(schema), *table.partitioned_by)}
    return Registered(table, tuple(_partitions(files, location)), found)


def published_at(uri: str, metadata: dict[str, Any]) -> str:
    """The s3:// prefix under which an artifact was published; empty when it is not known.

    Args:
        uri: The artifact's URI, as the step sees it.
        metadata: Its metadata, in which a task in a pod notes where it was published.
    """
    known = [str(item) for item in (metadata.get(_URI_KEY, ""), uri) if str(item).startswith("s3://")]
    return known[0] if known else ""


def render(plan: TaskPlan) -> list[Request]:
    """The requests that a task of the step `glue_table` may send; columns and partitions are read from the files.

    Args:
        plan: The task; its input is `data`.

    Raises:
        UsageError: `[athena]` is wrong, or a name is none for Glue.
    """
    athena = athena_settings(load_settings())
    name = str(plan.parameters.get("table") or "") or "dataset_" + "0" * _DIGITS
    location = plan.inputs["data"][0]
    table = Table(str(plan.parameters.get("database") or "") or athena.database, name, location, (), PARQUET)
    requests = [database_request(table.database), table_request(table), table_request(table, update=True)]
    parts = [Partition(("unknown",), location)]
    requests += [*partition_requests(table, parts), *partition_requests(table, parts, update=True)]
    return [replace(item, unknown=_UNKNOWN.get(item.operation, ())) for item in requests]


def still_there(outputs: dict[str, dict[str, Any]]) -> str | None:
    """Why a remembered registration no longer stands: its table is gone, or lies elsewhere.

    Args:
        outputs: Output name → its metadata.
    """
    said = outputs.get("definition", {})
    settings = sagemaker_settings(load_settings())
    found = find_table(str(said.get("database", "")), str(said.get("table", "")), settings)
    if found is None:
        return f"the table {said.get('database')}.{said.get('table')} is not in the Glue catalogue"
    location = found.get("StorageDescriptor", {}).get("Location", "")
    return None if location == said.get("location") else f"the table lies at {location}"


def _parquet_files(folder: Path) -> list[str]:
    return sorted(item.relative_to(folder).as_posix() for item in folder.rglob("*.parquet") if item.is_file())


def _digest(folder: Path, files: list[str]) -> str:
    contents = [[name, sha256_of(folder / name)] for name in files]
    return hashlib.sha256(json.dumps(contents).encode()).hexdigest()[:_DIGITS]


def _partitions(files: list[str], location: str) -> list[Partition]:
    """One for each folder that holds files."""
    found = {}
    for name in files:
        pieces = [piece for piece in name.split("/")[:-1] if "=" in piece]
        if pieces:
            values = tuple(unquote(piece.partition("=")[2]) for piece in pieces)
            found[values] = Partition(values, f"{location}{name.rpartition('/')[0]}/")
    return list(found.values())


def _upload(folder: Path, location: str, athena: Athena) -> None:
    for name in _parquet_files(folder):
        uri = f"{location}{name}"
        if not is_there(uri, athena.settings):
            upload_file(folder / name, uri, athena.settings)
