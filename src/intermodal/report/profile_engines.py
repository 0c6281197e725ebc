"""What counts for a profile: this process over the files, or Athena over a table of the Glue catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from intermodal.errors import DataRejected, UsageError
from intermodal.report.profiling import COLUMNS, profile_of, profile_reviews

ENGINES = ("local", "athena")
_HIVE = {"text": ("string",), "whole numbers": ("tinyint", "smallint", "int", "bigint"), "days": ("date", "timestamp")}


def profile_with(engine: str, directory: str, top: int, uri: str = "", metadata: dict[str, Any] | None = None) -> Any:
    """Profile reviews with an engine.

    Args:
        engine: One of `ENGINES`.
        directory: Root of the Parquet files on this machine.
        top: As for `profile_reviews`.
        uri: Where the artifact lies.
        metadata: The artifact's metadata, which may know where it was published.

    Raises:
        UsageError: The engine is unknown.
        DataRejected: As for `profile_reviews`.
        RuntimeFailed: Athena, Glue or S3 refused, or did not answer.
    """
    if engine == "local":
        return profile_reviews(directory, top)
    if engine != "athena":
        raise UsageError("unknown engine", seen=engine, expected=" or ".join(ENGINES))
    from intermodal.aws.athena import query_of
    from intermodal.aws.athena_queries import open_athena
    from intermodal.aws.catalogue import published_at, register_folder
    from intermodal.aws.sql import trino_name
    from intermodal.report.profile_sql import count_by_queries

    athena = open_athena()
    made = register_folder(Path(directory), athena, published=published_at(uri, metadata or {}))
    check_columns(made.columns)
    table = trino_name(made.table.database, made.table.name)
    counted = count_by_queries(
        lambda sql: athena.rows(query_of(sql, athena.athena, athena.place)), table, made.columns, top
    )
    return profile_of(counted, top)


def check_columns(columns: dict[str, str]) -> None:
    """Refuse a table that is not one of reviews.

    Args:
        columns: Column → Hive type.

    Raises:
        DataRejected: A column is missing, or holds something else.
    """
    missing = [name for name in COLUMNS if name not in columns]
    if missing:
        raise DataRejected(
            f"the reviews lack {', '.join(missing)}", seen=", ".join(columns), expected=", ".join(COLUMNS)
        )
    for name, kind in COLUMNS.items():
        if columns[name] not in _HIVE[kind]:
            raise DataRejected(
                f"the column {name} of the reviews does not hold {kind}", seen=columns[name], expected=kind
            )
