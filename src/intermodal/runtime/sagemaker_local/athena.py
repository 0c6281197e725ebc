"""Athena: queries are executed for real, over this service's Glue catalogue and S3."""

from __future__ import annotations

import atexit
import threading
import time
import uuid
from contextlib import suppress
from typing import Any

from intermodal.runtime.sagemaker_local.answers import now, page, present
from intermodal.runtime.sagemaker_local.athena_outcome import Answer, QueryFailed, Setting
from intermodal.runtime.sagemaker_local.athena_rows import csv_of, data_row, metadata_of
from intermodal.runtime.sagemaker_local.athena_statements import Statement
from intermodal.runtime.sagemaker_local.operations import ApiError, operation
from intermodal.runtime.sagemaker_local.service import Service
from intermodal.runtime.sagemaker_local.transfer import split_uri

_KIND = "QueryExecution"
_TOKENS = "QueryToken"
_ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")
_MOST_ROWS = 1000
_RUNNING: dict[tuple[str, str], tuple[Statement, threading.Thread]] = {}
_STOP_SECONDS = 10.0


@operation("StartQueryExecution", service="athena")
def start_query_execution(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """A query; the same client request token is the same query."""
    executions, tokens = service.records(_KIND), service.records(_TOKENS)
    token = request.get("ClientRequestToken", str(uuid.uuid4()))
    asked = {name: value for name, value in request.items() if name != "ClientRequestToken"}
    with tokens.locked():
        known = tokens.get(token)
        if known is not None:
            if known["request"] != asked:
                raise _invalid("Idempotent parameters do not match")
            return {"QueryExecutionId": known["id"]}
        identifier = str(uuid.uuid4())
        record, setting = _prepared(service, request, identifier)
        statement = Statement(service, setting)
        work = threading.Thread(target=_execute, args=(service, identifier, statement), daemon=True)
        _RUNNING[service.url, identifier] = (statement, work)
        executions.put(identifier, record)
        tokens.put(token, {"id": identifier, "request": asked})
        work.start()
    return {"QueryExecutionId": identifier}


@operation("GetQueryExecution", service="athena")
def get_query_execution(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """How a query stands."""
    return {"QueryExecution": _told(_record(service, request["QueryExecutionId"]))}


@operation("BatchGetQueryExecution", service="athena")
def batch_get_query_execution(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """How several stand."""
    found = [(name, service.records(_KIND).get(name)) for name in request["QueryExecutionIds"]]
    unknown = [{"QueryExecutionId": name, "ErrorCode": "NOT_FOUND"} for name, record in found if record is None]
    executions = [_told(record) for _, record in found if record is not None]
    return {"QueryExecutions": executions, "UnprocessedQueryExecutionIds": unknown}


@operation("ListQueryExecutions", service="athena")
def list_query_executions(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Ids of a workgroup's queries, the newest first."""
    group = request.get("WorkGroup", "primary")
    found = [name for name, record in service.records(_KIND).all().items() if record["WorkGroup"] == group]
    return page(found[::-1], request, "QueryExecutionIds", 50)


@operation("StopQueryExecution", service="athena")
def stop_query_execution(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Stop a query; nothing happens to one that has ended."""
    identifier = request["QueryExecutionId"]
    record = _record(service, identifier)
    running = _RUNNING.get((service.url, identifier))
    if record["Status"]["State"] not in _ENDED:
        _finish(service, identifier, "CANCELLED", "Query cancelled by user", running[0] if running else None)
    if running is not None:
        _interrupt(*running)
    return {}


@operation("GetQueryResults", service="athena")
def get_query_results(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """A page of the result; a SELECT's first row holds the names of its columns."""
    record = _record(service, request["QueryExecutionId"])
    state = record["Status"]["State"]
    if state in ("FAILED", "CANCELLED"):
        raise _invalid(f"Query did not finish successfully. Final query state: {state}")
    if state != "SUCCEEDED":
        raise _invalid(f"Query has not yet finished. Current state: {state}")
    names = [item["Name"] for item in record["columns"]]
    rows = [names, *record["rows"]] if record["header"] else record["rows"]
    found = page(rows, {"MaxResults": _MOST_ROWS, **request}, "Rows", _MOST_ROWS)
    result = {"Rows": [data_row(row) for row in found["Rows"]], "ResultSetMetadata": {"ColumnInfo": record["columns"]}}
    return present({"UpdateCount": 0, "ResultSet": result, "NextToken": found.get("NextToken")})


@operation("GetQueryRuntimeStatistics", service="athena")
def get_query_runtime_statistics(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Figures of a query."""
    record = _record(service, request["QueryExecutionId"])
    scanned = record["Statistics"].get("DataScannedInBytes", 0)
    rows = {"InputBytes": scanned, "OutputRows": len(record["rows"])}
    return {"QueryRuntimeStatistics": {"Timeline": {"TotalExecutionTimeInMillis": _took(record)}, "Rows": rows}}


@atexit.register
def _interrupt_all() -> None:
    """A process that ends must not leave DuckDB at work in its threads."""
    for running in list(_RUNNING.values()):
        _interrupt(*running)


def _interrupt(statement: Statement, work: threading.Thread) -> None:
    """Interrupt until it has ended: DuckDB forgets an interruption that comes before it has begun."""
    limit = time.monotonic() + _STOP_SECONDS
    while work.is_alive() and time.monotonic() < limit:
        statement.interrupt()
        work.join(0.1)


def _prepared(service: Service, request: dict[str, Any], identifier: str) -> tuple[dict[str, Any], Setting]:
    """The record of a query that is about to run, and where it runs."""
    group = request.get("WorkGroup", "primary")
    configuration = _workgroup(service, group)
    enforced = bool(configuration.get("EnforceWorkGroupConfiguration", False)) and group != "primary"
    of_group = configuration.get("ResultConfiguration", {}).get("OutputLocation", "")
    own = request.get("ResultConfiguration", {}).get("OutputLocation", "")
    results = (of_group if enforced or not own else own).rstrip("/")
    if not results:
        raise _invalid(
            "No output location provided. An output location is required either through the Workgroup result "
            "configuration setting or as an API input."
        )
    context = request.get("QueryExecutionContext", {})
    record = {
        "QueryExecutionId": identifier,
        "Query": request["QueryString"],
        "WorkGroup": group,
        "QueryExecutionContext": context,
        "ResultConfiguration": {"OutputLocation": f"{results}/{identifier}.csv"},
        "EngineVersion": {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"},
        "Status": {"State": "QUEUED", "SubmissionDateTime": now()},
        "Statistics": {},
        "StatementType": "DML",
        "columns": [],
        "rows": [],
        "header": False,
    }
    cutoff = int(configuration.get("BytesScannedCutoffPerQuery") or 0)
    database = context.get("Database", "default").lower()
    return record, Setting(database, f"{results}/", enforced, cutoff, identifier)


def _execute(service: Service, identifier: str, statement: Statement) -> None:
    records = service.records(_KIND)
    try:
        with records.locked():
            record = _record(service, identifier)
            if record["Status"]["State"] in _ENDED:
                return
            record["Status"]["State"] = "RUNNING"
            records.put(identifier, record)
        answer = statement.run(record["Query"])
        _deliver(service, identifier, statement, answer)
    except QueryFailed as failed:
        state = "CANCELLED" if failed.cancelled else "FAILED"
        _finish(service, identifier, state, failed.reason, statement)
    except Exception as error:  # whatever it is, the query must not stay RUNNING
        _finish(service, identifier, "FAILED", f"GENERIC_INTERNAL_ERROR: {type(error).__name__}: {error}", statement)
    finally:
        _RUNNING.pop((service.url, identifier), None)


def _deliver(service: Service, identifier: str, statement: Statement, answer: Answer) -> None:
    """The result at its place, then the good end."""
    record = _record(service, identifier)
    names = [item["Name"] for item in answer.columns]
    output = record["ResultConfiguration"]["OutputLocation"]
    if not answer.header:
        output = output.removesuffix(".csv") + (".txt" if answer.kind == "DDL" else "")
    body = csv_of(names, answer.rows) if answer.header else "\n".join(str(row[0]) for row in answer.rows).encode()
    bucket, key = split_uri(output)
    s3 = service.client("s3")
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    s3.put_object(Bucket=bucket, Key=f"{key}.metadata", Body=metadata_of(answer.columns))
    result = {"columns": answer.columns, "rows": answer.rows, "header": answer.header, "StatementType": answer.kind}
    _finish(service, identifier, "SUCCEEDED", "", statement, **result, ResultConfiguration={"OutputLocation": output})


def _finish(
    service: Service, identifier: str, state: str, reason: str, statement: Statement | None = None, **more: Any
) -> None:
    """The end; the first one counts."""
    records = service.records(_KIND)
    with records.locked():
        record = _record(service, identifier)
        if record["Status"]["State"] in _ENDED:
            return
        status = {**record["Status"], "State": state, "CompletionDateTime": now()}
        if reason:
            status["StateChangeReason"] = reason
        if state == "FAILED":
            error = {"ErrorCategory": 2, "ErrorType": 1, "Retryable": False, "ErrorMessage": reason}
            status["AthenaError"] = error
        record.update(more)
        record["Status"] = status
        took = _took(record)
        record["Statistics"] = {
            "EngineExecutionTimeInMillis": took,
            "TotalExecutionTimeInMillis": took,
            "QueryQueueTimeInMillis": 0,
            "DataScannedInBytes": statement.reader.scanned if statement is not None else 0,
        }
        records.put(identifier, record)


def _took(record: dict[str, Any]) -> int:
    status = record["Status"]
    return int(1000 * (status.get("CompletionDateTime", now()) - status["SubmissionDateTime"]))


def _told(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in ("columns", "rows", "header")}


def _record(service: Service, identifier: str) -> dict[str, Any]:
    found = service.records(_KIND).get(identifier)
    if found is None:
        raise _invalid(f"QueryExecution {identifier} was not found")
    return found


def _workgroup(service: Service, name: str) -> dict[str, Any]:
    from botocore.exceptions import ClientError

    with suppress(ClientError):
        found = service.client("athena").get_work_group(WorkGroup=name)["WorkGroup"]
        return dict(found.get("Configuration", {}))
    raise _invalid(f"WorkGroup {name} is not found.")


def _invalid(message: str) -> ApiError:
    return ApiError("InvalidRequestException", message)
