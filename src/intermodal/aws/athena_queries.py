"""Running queries in Athena: started once, followed, stopped once when interrupted, results as Arrow."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from intermodal.aws.athena import Query, query_request, workgroup_request
from intermodal.aws.client import find_place
from intermodal.aws.data_settings import AthenaSettings, athena_settings
from intermodal.aws.following import followed, watched
from intermodal.aws.glue import ensure_database
from intermodal.aws.request import Place, Request
from intermodal.aws.sending import answered, answered_pages, holds, send
from intermodal.aws.settings import SageMakerSettings, sagemaker_settings
from intermodal.core.config import load_settings
from intermodal.errors import DataRejected, RuntimeFailed

if TYPE_CHECKING:
    import pyarrow as pa

_ATTEMPTS = 4
_ROWS_A_PAGE = 1000
_ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")
_USER_ERROR = 2  # AthenaError's ErrorCategory: 1 system, 2 user, 3 other


@dataclass(frozen=True)
class Execution:
    """A query that succeeded.

    Attributes:
        id: Athena's id.
        scanned_bytes: What it read.
        milliseconds: How long the engine took.
        output: Where its result lies.
        attempt: The attempt that succeeded.
    """

    id: str
    scanned_bytes: int
    milliseconds: int
    output: str
    attempt: int


class Athena:
    """Athena in one workgroup.

    Args:
        athena: `[athena]`.
        settings: `[sagemaker]`: region, profile, poll, on_interrupt.
        place: The account's places.
        sleep: How to wait.
    """

    def __init__(
        self,
        athena: AthenaSettings,
        settings: SageMakerSettings,
        place: Place,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.athena, self.settings, self.place, self._sleep = athena, settings, place, sleep

    def ensure_workgroup(self) -> None:
        """Make the workgroup, or bring it up to date when it is there and differs."""
        made = send(workgroup_request(self.athena, self.place), self.settings, accept=("InvalidRequestException",))
        if made is not None:
            return
        name = self.athena.workgroup
        found = answered(Request("athena", "GetWorkGroup", {"WorkGroup": name}), self.settings)["WorkGroup"]
        wanted = workgroup_request(self.athena, self.place).parameters["Configuration"]
        if not holds(found.get("Configuration", {}), wanted):
            answered(workgroup_request(self.athena, self.place, update=True), self.settings)

    def run(self, query: Query) -> Execution:
        """Run a query to its end; one that is running already, from an earlier try, is joined.

        Raises:
            DataRejected: Athena stopped it: it would scan more than the workgroup allows.
            RuntimeFailed: It failed, or was cancelled by somebody else; with Athena's own words.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            answer, found = self._followed(query_request(query, self.place, attempt))
            if found["Status"]["State"] == "SUCCEEDED":
                return _execution(found, attempt)
            if not (_earlier(found, answer) or _may_be_repeated(found)) or attempt == _ATTEMPTS:
                raise _failure(query, found)
        raise AssertionError("the last attempt returns or raises")

    def rows(self, query: Query) -> pa.Table:
        """Run a query and give its rows.

        Raises:
            DataRejected: As for `run`.
            RuntimeFailed: As for `run`.
        """
        return self.result(self.run(query).id)

    def result(self, identifier: str) -> pa.Table:
        """The rows of a query that succeeded, page after page."""
        names: list[str] = []
        kinds: list[str] = []
        rows: list[list[str | None]] = []
        parameters = {"QueryExecutionId": identifier, "MaxResults": _ROWS_A_PAGE}
        for answer in answered_pages(Request("athena", "GetQueryResults", parameters), self.settings):
            page = answer["ResultSet"]
            if not names:
                columns = page["ResultSetMetadata"]["ColumnInfo"]
                names, kinds = [item["Name"] for item in columns], [item["Type"] for item in columns]
            rows += [[item.get("VarCharValue") for item in row["Data"]] for row in page["Rows"]]
        return typed(names, kinds, rows[1:] if rows[:1] == [names] else rows)

    def stop(self, identifier: str) -> None:
        """Stop a query; one that has ended already is left as it is."""
        request = Request("athena", "StopQueryExecution", {"QueryExecutionId": identifier})
        send(request, self.settings.ending(), accept=("InvalidRequestException",))

    def _followed(self, request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
        """What starting a query was answered, and the query at its end."""
        return followed(
            lambda settings: answered(request, settings),
            lambda answer: (answer, self._wait(str(answer["QueryExecutionId"]))),
            lambda answer: self.stop(str(answer["QueryExecutionId"])),
            self.settings,
        )

    def _wait(self, identifier: str) -> dict[str, Any]:
        request = Request("athena", "GetQueryExecution", {"QueryExecutionId": identifier})
        found, ended = watched(
            lambda: dict(answered(request, self.settings)["QueryExecution"]),
            lambda seen: seen["Status"]["State"] in _ENDED,
            self.athena.max_seconds,
            self.settings.poll,
            self._sleep,
        )
        if not ended:
            self.stop(identifier)
            raise RuntimeFailed(
                f"Athena's query {identifier} takes too long and was stopped",
                seen=f"{found['Status']['State']} after {self.athena.max_seconds} s",
                expected="an end within athena.max_seconds",
                next_step="raise max_seconds under [athena], or ask for less",
            )
        return found


def open_athena() -> Athena:
    """Athena as the settings in force say; the workgroup and the database are made when they are not there.

    Raises:
        UsageError: The settings are wrong.
        RuntimeFailed: AWS did not answer, or refused.
    """
    athena = configured_athena()
    athena.ensure_workgroup()
    ensure_database(athena.athena.database, athena.settings)
    return athena


def configured_athena() -> Athena:
    """Athena as the settings in force say, without making anything; errors as for `open_athena`."""
    settings = load_settings()
    sagemaker = sagemaker_settings(settings)
    return Athena(athena_settings(settings), sagemaker, find_place(sagemaker))


def typed(names: list[str], kinds: list[str], rows: list[list[str | None]]) -> pa.Table:
    """Athena's answers, which are all text, as Arrow.

    Args:
        names: Columns.
        kinds: Athena's types, such as "bigint"; what is not plain stays text.
        rows: Rows of texts; None for NULL.
    """
    import pyarrow as pa

    plain = {
        "boolean": pa.bool_(),
        "tinyint": pa.int8(),
        "smallint": pa.int16(),
        "integer": pa.int32(),
        "int": pa.int32(),
        "bigint": pa.int64(),
        "float": pa.float32(),
        "real": pa.float32(),
        "double": pa.float64(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("ms"),
    }
    columns = [
        pa.array([row[index] if index < len(row) else None for row in rows], pa.string()).cast(
            plain.get(kind, pa.string())
        )
        for index, kind in enumerate(kinds)
    ]
    return pa.Table.from_arrays(columns, names=names)


def _execution(found: dict[str, Any], attempt: int) -> Execution:
    figures = found.get("Statistics", {})
    return Execution(
        found["QueryExecutionId"],
        int(figures.get("DataScannedInBytes", 0)),
        int(figures.get("EngineExecutionTimeInMillis", 0)),
        str(found.get("ResultConfiguration", {}).get("OutputLocation", "")),
        attempt,
    )


def _earlier(found: dict[str, Any], answer: dict[str, Any]) -> bool:
    """Whether a failed query was submitted before we asked, by an earlier try; by the service's own clock."""
    from email.utils import parsedate_to_datetime

    said = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    submitted = found["Status"].get("SubmissionDateTime")
    if not said or submitted is None:
        return False
    return bool((parsedate_to_datetime(said) - submitted).total_seconds() > 2.0)


def _may_be_repeated(found: dict[str, Any]) -> bool:
    error = found["Status"].get("AthenaError", {})
    return bool(error.get("Retryable")) and error.get("ErrorCategory") != _USER_ERROR


def _failure(query: Query, found: dict[str, Any]) -> RuntimeFailed | DataRejected:
    status = found["Status"]
    reason = status.get("StateChangeReason") or status.get("AthenaError", {}).get("ErrorMessage") or "no reason given"
    if "bytes scanned limit" in reason.lower():
        return DataRejected(
            f"Athena stopped query {found['QueryExecutionId']}: it would scan too much",
            seen=reason,
            expected=f"at most what workgroup {query.workgroup} allows for a query",
            next_step="ask for less, or raise bytes_cutoff under [athena]",
        )
    done = "was cancelled" if status["State"] == "CANCELLED" else "failed"
    return RuntimeFailed(
        f"Athena's query {found['QueryExecutionId']} {done}",
        seen=reason,
        expected="a query that succeeds",
        next_step=f"its text began: {query.sql[:160]}",
    )
