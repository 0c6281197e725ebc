"""Redshift's Data API: statements are executed for real, by DuckDB, one database in memory for each of Redshift's."""

from __future__ import annotations

import re
import threading
import time
import uuid
from typing import Any

from intermodal.runtime.sagemaker_local.answers import now, page, present
from intermodal.runtime.sagemaker_local.athena_outcome import QueryFailed
from intermodal.runtime.sagemaker_local.operations import ApiError, operation
from intermodal.runtime.sagemaker_local.redshift_sql import Database, fields_of, metadata_of
from intermodal.runtime.sagemaker_local.service import Service

_KIND, _TOKENS = "RedshiftStatement", "RedshiftToken"
_ENDED = ("FINISHED", "FAILED", "ABORTED")
_PAGE = 1000
_PLACE = ("Database", "WorkgroupName", "ClusterIdentifier", "DbUser", "SecretArn")
_STOP_SECONDS = 10.0
_DATABASES: dict[tuple[str, str, str], Database] = {}
_RUNNING: dict[tuple[str, str], tuple[Database, threading.Thread]] = {}
_LOCK = threading.Lock()


@operation("ExecuteStatement", service="redshift-data")
def execute_statement(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """A statement; the same client token is the same statement."""
    if not (request.get("WorkgroupName") or request.get("ClusterIdentifier")):
        raise _invalid("Either WorkgroupName or ClusterIdentifier must be specified.")
    named = {item["name"]: item["value"] for item in request.get("Parameters", [])}
    used = set(re.findall(r"(?<!:):([A-Za-z_]\w*)", request["Sql"]))
    if set(named) - used:
        raise _invalid(f"Parameters list contains unused parameters. Unused parameters: {sorted(set(named) - used)}")
    records, tokens = service.records(_KIND), service.records(_TOKENS)
    token = request.get("ClientToken") or str(uuid.uuid4())
    with tokens.locked():
        known = tokens.get(token)
        if known is not None:
            return _started(records.get(known["id"]) or {})
        identifier = str(uuid.uuid4())
        record = {"Id": identifier, "Status": "SUBMITTED", "CreatedAt": now(), "UpdatedAt": now(), "request": request}
        database = _database(service, request)
        work = threading.Thread(target=_execute, args=(service, identifier, database), daemon=True)
        _RUNNING[service.url, identifier] = (database, work)
        records.put(identifier, record)
        tokens.put(token, {"id": identifier})
        work.start()
    return _started(record)


@operation("DescribeStatement", service="redshift-data")
def describe_statement(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """How a statement stands."""
    record = _record(service, request["Id"])
    asked = record["request"]
    shared = {
        name: asked.get(name) for name in ("Database", "WorkgroupName", "ClusterIdentifier", "DbUser", "SecretArn")
    }
    told = {name: record.get(name) for name in ("Id", "Status", "CreatedAt", "UpdatedAt", "Error", "ResultRows")}
    more = {"QueryString": asked["Sql"], "QueryParameters": asked.get("Parameters"), "ResultFormat": "JSON"}
    return present({**shared, **told, **more}) | {"HasResultSet": bool(record.get("columns"))}


@operation("GetStatementResult", service="redshift-data")
def get_statement_result(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """A page of the result."""
    record = _record(service, request["Id"])
    if record["Status"] != "FINISHED" or not record.get("columns"):
        raise ApiError("ResourceNotFoundException", f"Query does not have result. Status: {record['Status']}")
    found = page(record["rows"], request, "Records", _PAGE)
    return {**found, "ColumnMetadata": record["columns"], "TotalNumRows": len(record["rows"])}


@operation("CancelStatement", service="redshift-data")
def cancel_statement(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Cancel a statement that runs."""
    record = _record(service, request["Id"])
    if record["Status"] in _ENDED:
        raise _invalid(f"Could not cancel a query that is already in {record['Status']} state with ID: {record['Id']}")
    _finish(service, record["Id"], "ABORTED", Error="")
    running = _RUNNING.get((service.url, record["Id"]))  # none when it has just ended by itself
    limit = time.monotonic() + _STOP_SECONDS
    while running is not None and running[1].is_alive() and time.monotonic() < limit:
        running[0].interrupt()
        running[1].join(0.1)
    return {"Status": True}


@operation("ListStatements", service="redshift-data")
def list_statements(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Statements, the newest first: those of a status, and whose name begins so, where that is asked."""
    found, status = [], request.get("Status", "ALL")
    for record in service.records(_KIND).all().values():
        asked = record["request"]
        if status not in ("ALL", record["Status"]):
            continue
        if not asked.get("StatementName", "").startswith(request.get("StatementName", "")):
            continue
        told = {name: record[name] for name in ("Id", "Status", "CreatedAt", "UpdatedAt")}
        found.append({**told, "QueryString": asked["Sql"], "StatementName": asked.get("StatementName", "")})
    return page(found[::-1], request, "Statements")


def _execute(service: Service, identifier: str, database: Database) -> None:
    asked = _record(service, identifier)["request"]
    _change(service, identifier, Status="STARTED")
    try:
        rows = database.run(asked["Sql"], {item["name"]: item["value"] for item in asked.get("Parameters", [])})
        if rows is None:
            _finish(service, identifier, "FINISHED", ResultRows=0)
        else:
            columns, records = metadata_of(rows.schema), fields_of(rows)
            _finish(service, identifier, "FINISHED", columns=columns, rows=records, ResultRows=len(records))
    except QueryFailed as failed:
        _finish(service, identifier, "ABORTED" if failed.cancelled else "FAILED", Error=f"ERROR: {failed.reason}")
    except Exception as error:  # whatever it is, the statement must not stay STARTED
        _finish(service, identifier, "FAILED", Error=f"ERROR: {type(error).__name__}: {error}")
    finally:
        _RUNNING.pop((service.url, identifier), None)


def _database(service: Service, request: dict[str, Any]) -> Database:
    place = request.get("WorkgroupName") or request["ClusterIdentifier"]
    name = (service.url, place, request.get("Database", "dev"))
    with _LOCK:
        if name not in _DATABASES:
            _DATABASES[name] = Database(service)
        return _DATABASES[name]


def _finish(service: Service, identifier: str, status: str, **more: Any) -> None:
    """The end; the first one counts."""
    with service.records(_KIND).locked():
        if _record(service, identifier)["Status"] not in _ENDED:
            _change(service, identifier, Status=status, **more)


def _change(service: Service, identifier: str, **fields: Any) -> None:
    records = service.records(_KIND)
    with records.locked():
        record = _record(service, identifier)
        if record["Status"] in _ENDED:
            return
        records.put(identifier, {**record, **fields, "UpdatedAt": now()})


def _record(service: Service, identifier: str) -> dict[str, Any]:
    found = service.records(_KIND).get(identifier)
    if found is None:
        raise ApiError("ResourceNotFoundException", f"Query not found: {identifier}")
    return found


def _started(record: dict[str, Any]) -> dict[str, Any]:
    asked = record["request"]
    place = {name: asked.get(name) for name in _PLACE}
    return present({"Id": record["Id"], "CreatedAt": record["CreatedAt"], **place})


def _invalid(message: str) -> ApiError:
    return ApiError("ValidationException", message)
