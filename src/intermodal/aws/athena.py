"""Athena's SQL and requests as values: table definitions, CTAS, workgroups, queries."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from intermodal.aws.data_settings import AthenaSettings
from intermodal.aws.glue import Partition, Table
from intermodal.aws.request import Place, Request
from intermodal.aws.sql import glue_name, hive_name, hive_text, trino_name, trino_text
from intermodal.aws.tags import own_tags, tag_list

MOST_PARTITIONS = 100  # that one CTAS or INSERT INTO may write
ENGINE = "Athena engine version 3"


@dataclass(frozen=True)
class Query:
    """One statement and where it runs.

    Attributes:
        sql: The statement.
        database: Database of unqualified names.
        workgroup: Its workgroup.
        results: Where its result goes, s3://…; a workgroup that enforces its own place overrides it.
        nonce: Distinguishes what must be asked anew, because the tables may have changed; without one, the same
            text is one query, whoever asks it again.
    """

    sql: str
    database: str
    workgroup: str
    results: str
    nonce: str = ""

    def token(self, attempt: int = 1) -> str:
        """The client request token: Athena answers the same token with the same query."""
        text = json.dumps([self.sql, self.database, self.workgroup, self.results, self.nonce, attempt])
        return hashlib.sha256(text.encode()).hexdigest()


def query_of(sql: str, settings: AthenaSettings, place: Place, nonce: str = "") -> Query:
    """A statement in the workgroup and database of the settings; the nonce as in `Query`."""
    return Query(sql, settings.database, settings.workgroup, results_of(settings, place), nonce)


def results_of(settings: AthenaSettings, place: Place) -> str:
    """Prefix of what Athena writes, ending in "/"."""
    return (settings.results or f"{place.store}/athena/results").rstrip("/") + "/"


def query_request(query: Query, place: Place, attempt: int = 1) -> Request:
    """The request that starts a query.

    Args:
        query: The query.
        place: The account, which must own the bucket of the result.
        attempt: From 1; a query that failed is started again only under another number.
    """
    result = {"OutputLocation": query.results, "ExpectedBucketOwner": place.account}
    return Request(
        "athena",
        "StartQueryExecution",
        {
            "QueryString": query.sql,
            "ClientRequestToken": query.token(attempt),
            "QueryExecutionContext": {"Database": query.database},
            "ResultConfiguration": result,
            "WorkGroup": query.workgroup,
        },
    )


def workgroup_request(settings: AthenaSettings, place: Place, update: bool = False) -> Request:
    """The request that makes the workgroup: its own place for results, and a limit of bytes, for every query.

    Args:
        settings: `[athena]`.
        place: The account.
        update: Bring an existing one up to date instead.
    """
    encryption = (
        {"EncryptionOption": "SSE_KMS", "KmsKey": settings.kms_key}
        if settings.kms_key
        else {"EncryptionOption": "SSE_S3"}
    )
    result = {
        "OutputLocation": results_of(settings, place),
        "EncryptionConfiguration": encryption,
        "ExpectedBucketOwner": place.account,
    }
    shared = {
        "EnforceWorkGroupConfiguration": True,
        "PublishCloudWatchMetricsEnabled": True,
        "BytesScannedCutoffPerQuery": settings.bytes_cutoff,
        "EngineVersion": {"SelectedEngineVersion": ENGINE},
    }
    if update:
        updates = {**shared, "ResultConfigurationUpdates": result}
        return Request("athena", "UpdateWorkGroup", {"WorkGroup": settings.workgroup, "ConfigurationUpdates": updates})
    parameters = {
        "Name": settings.workgroup,
        "Description": "made by intermodal",
        "Configuration": {**shared, "ResultConfiguration": result},
        "Tags": tag_list(own_tags(run_id="", pipeline="")),
    }
    return Request("athena", "CreateWorkGroup", parameters)


def database_definition(name: str) -> str:
    """The statement that makes a database."""
    return f"CREATE DATABASE IF NOT EXISTS {hive_name(glue_name(name, 'database'))}"


def table_definition(table: Table) -> str:
    """The statement that makes an external table; Glue's own request says the same, see `glue.table_request`."""
    columns = ",\n  ".join(f"{hive_name(column.name)} {column.kind}" for column in table.columns)
    keys = ", ".join(f"{hive_name(column.name)} {column.kind}" for column in table.partitioned_by)
    parts = [
        f"CREATE EXTERNAL TABLE IF NOT EXISTS {_hive_table(table)} (\n  {columns}\n)",
        f"PARTITIONED BY ({keys})" if keys else "",
        f"ROW FORMAT SERDE {hive_text(table.format.serde)}",
        f"WITH SERDEPROPERTIES ({_properties(table.format.serde_parameters)})" if table.format.serde_parameters else "",
        f"STORED AS INPUTFORMAT {hive_text(table.format.input)} OUTPUTFORMAT {hive_text(table.format.output)}",
        f"LOCATION {hive_text(table.location.rstrip('/') + '/')}",
        f"TBLPROPERTIES ({_properties({**table.format.parameters, **table.parameters})})",
    ]
    return "\n".join(part for part in parts if part)


def partition_definition(table: Table, partitions: list[Partition]) -> str:
    """The statement that registers partitions."""
    lines = [
        f"PARTITION ({_values(table, item)}) LOCATION {hive_text(item.location.rstrip('/') + '/')}"
        for item in partitions
    ]
    return f"ALTER TABLE {_hive_table(table)} ADD IF NOT EXISTS\n" + "\n".join(lines)


def repair_definition(table: Table) -> str:
    """The statement that registers the partitions whose paths are Hive's."""
    return f"MSCK REPAIR TABLE {_hive_table(table)}"


def drop_definition(table: Table) -> str:
    """The statement that forgets a table; its files stay."""
    return f"DROP TABLE IF EXISTS {_hive_table(table)}"


def create_table_as(table: Table, select: str) -> str:
    """A CTAS: the rows of a query as Parquet, and a table over them.

    Args:
        table: Database, name, location and what it is partitioned by. The location must hold nothing; a
            workgroup that enforces its own place takes none, and puts the files below its results.
        select: The query; the columns it is partitioned by come last.
    """
    options = ["format = 'PARQUET'", "write_compression = 'ZSTD'"]
    if table.location:
        options.append(f"external_location = {trino_text(table.location.rstrip('/') + '/')}")
    if table.partitioned_by:
        names = ", ".join(trino_text(column.name) for column in table.partitioned_by)
        options.append(f"partitioned_by = ARRAY[{names}]")
    with_options = ",\n  ".join(options)
    return f"CREATE TABLE {trino_name(table.database, table.name)}\nWITH (\n  {with_options}\n)\nAS {select}"


def insert_into(table: Table, select: str) -> str:
    """More rows for a table that a CTAS made; the columns come in the table's order."""
    return f"INSERT INTO {trino_name(table.database, table.name)}\n{select}"


def _hive_table(table: Table) -> str:
    return hive_name(glue_name(table.database, "database"), glue_name(table.name, "table"))


def _properties(values: dict[str, str]) -> str:
    return ", ".join(f"{hive_text(key)} = {hive_text(value)}" for key, value in sorted(values.items()))


def _values(table: Table, partition: Partition) -> str:
    pairs = zip(table.partitioned_by, partition.values, strict=True)
    return ", ".join(f"{hive_name(column.name)} = {hive_text(value)}" for column, value in pairs)
