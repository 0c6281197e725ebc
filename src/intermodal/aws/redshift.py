"""Redshift's SQL and Data API requests as values: bound parameters, COPY, UNLOAD, a schema over the Glue catalogue."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from intermodal.aws.data_settings import RedshiftSettings, redshift_settings
from intermodal.aws.request import Request, TaskPlan
from intermodal.aws.sql import redshift_name, redshift_text
from intermodal.core.config import load_settings

_TOKEN_CHARACTERS = 64


@dataclass(frozen=True)
class Sql:
    """A statement and its parameters, which are bound, never pasted.

    Attributes:
        text: The statement; a parameter stands in it as :name.
        parameters: Name → value, as text.
    """

    text: str
    parameters: dict[str, str] = field(default_factory=dict)

    def token(self, settings: RedshiftSettings, nonce: str) -> str:
        """The client token: the same statement asked again by the same task is one statement."""
        place = [settings.workgroup, settings.cluster, settings.database]
        text = json.dumps([self.text, sorted(self.parameters.items()), place, nonce])
        return hashlib.sha256(text.encode()).hexdigest()[:_TOKEN_CHARACTERS]


def statement_request(sql: Sql, settings: RedshiftSettings, nonce: str, name: str = "intermodal") -> Request:
    """The request that starts a statement.

    Args:
        sql: The statement.
        settings: `[redshift]`: a workgroup of Redshift Serverless, or a cluster.
        nonce: Distinguishes what must be asked anew.
        name: Its name in Redshift's console.
    """
    parameters: dict[str, Any] = {
        "Sql": sql.text,
        "Database": settings.database,
        "ClientToken": sql.token(settings, nonce),
        "StatementName": name,
        **_place(settings),
    }
    if sql.parameters:
        parameters["Parameters"] = [{"name": key, "value": value} for key, value in sorted(sql.parameters.items())]
    return Request("redshift-data", "ExecuteStatement", parameters)


def nonce_of(run_id: str, task: str) -> str:
    """What distinguishes a task's statement: it is one statement, however often the task of that run is begun."""
    return f"{run_id} {task}"


def render(plan: TaskPlan) -> list[Request]:
    """The requests of a task of the step `query_redshift`.

    Args:
        plan: The task.

    Raises:
        UsageError: `[redshift]` is wrong.
    """
    given = plan.parameters.get("parameters") or {}
    sql = Sql(str(plan.parameters["sql"]), {str(name): str(value) for name, value in given.items()})
    return [statement_request(sql, redshift_settings(load_settings()), nonce_of(plan.run_id, plan.task))]


def _place(settings: RedshiftSettings) -> dict[str, str]:
    found = {"WorkgroupName": settings.workgroup} if settings.workgroup else {"ClusterIdentifier": settings.cluster}
    if settings.secret_arn:
        found["SecretArn"] = settings.secret_arn
    elif settings.cluster:
        found["DbUser"] = settings.db_user
    return found


def copy_parquet(table: tuple[str, ...], location: str, role: str = "") -> str:
    """A COPY of Parquet files into a table.

    Args:
        table: Schema and table.
        location: Prefix of the files, s3://….
        role: Role with which Redshift reads; the default one when empty.
    """
    name = redshift_name(*table)
    return f"COPY {name} FROM {redshift_text(location)} IAM_ROLE {_role(role)} FORMAT AS PARQUET"


def unload_parquet(select: str, location: str, role: str = "", partitioned_by: tuple[str, ...] = ()) -> str:
    """An UNLOAD of a query's rows as Parquet.

    Args:
        select: The query; it becomes a text inside the statement.
        location: Prefix of the files, s3://….
        role: Role with which Redshift writes; the default one when empty.
        partitioned_by: Columns that become folders.
    """
    names = ", ".join(redshift_name(name) for name in partitioned_by)
    parts = f" PARTITION BY ({names}) INCLUDE" if names else ""
    return (
        f"UNLOAD ({redshift_text(select)}) TO {redshift_text(location)} IAM_ROLE {_role(role)} "
        f"FORMAT AS PARQUET{parts} ALLOWOVERWRITE"
    )


def external_schema(name: str, database: str, role: str = "") -> str:
    """A schema of Redshift Spectrum over a database of the Glue catalogue.

    Args:
        name: Name of the schema in Redshift.
        database: The database in Glue.
        role: Role with which Redshift reads Glue and S3; the default one when empty.
    """
    return (
        f"CREATE EXTERNAL SCHEMA IF NOT EXISTS {redshift_name(name)} FROM DATA CATALOG "
        f"DATABASE {redshift_text(database)} IAM_ROLE {_role(role)}"
    )


def _role(role: str) -> str:
    return redshift_text(role) if role else "DEFAULT"
