"""Running statements in Redshift through the Data API: started once, followed, cancelled once, results as Arrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from intermodal.aws.data_settings import RedshiftSettings
from intermodal.aws.following import followed, watched
from intermodal.aws.redshift import Sql, statement_request
from intermodal.aws.request import Request
from intermodal.aws.sending import answered, answered_pages, send
from intermodal.aws.settings import SageMakerSettings
from intermodal.errors import RuntimeFailed

if TYPE_CHECKING:
    import pyarrow as pa

_ENDED = ("FINISHED", "FAILED", "ABORTED")
_VALUES = ("stringValue", "longValue", "doubleValue", "booleanValue", "blobValue")


class Redshift:
    """Redshift in one workgroup or cluster.

    Args:
        redshift: `[redshift]`.
        settings: `[sagemaker]`: region, profile, poll, on_interrupt.
    """

    def __init__(self, redshift: RedshiftSettings, settings: SageMakerSettings) -> None:
        self.redshift, self.settings = redshift, settings

    def run(self, sql: Sql, nonce: str) -> dict[str, Any]:
        """Run a statement to its end.

        Args:
            sql: The statement.
            nonce: The same for a task that asks again after it was interrupted: the statement is joined then.

        Returns:
            What DescribeStatement says at the end.

        Raises:
            RuntimeFailed: It failed, with Redshift's own words, was cancelled, or took too long.
        """
        request = statement_request(sql, self.redshift, nonce)
        found = followed(
            lambda settings: str(answered(request, settings)["Id"]),
            self._wait,
            self.cancel,
            self.settings,
        )
        if found["Status"] != "FINISHED":
            raise RuntimeFailed(
                f"Redshift's statement {found['Id']} {'was cancelled' if found['Status'] == 'ABORTED' else 'failed'}",
                seen=found.get("Error", "no reason given"),
                expected="a statement that finishes",
                next_step=f"its text began: {sql.text[:160]}",
            )
        return found

    def rows(self, sql: Sql, nonce: str) -> pa.Table:
        """Run a query and give its rows; errors as for `run`."""
        found = self.run(sql, nonce)
        return self.result(str(found["Id"])) if found.get("HasResultSet") else typed([], [])

    def result(self, identifier: str) -> pa.Table:
        """The rows of a statement that finished, page after page."""
        columns: list[dict[str, Any]] = []
        records: list[list[dict[str, Any]]] = []
        request = Request("redshift-data", "GetStatementResult", {"Id": identifier})
        for page in answered_pages(request, self.settings):
            columns = columns or page["ColumnMetadata"]
            records += page["Records"]
        return typed(columns, records)

    def cancel(self, identifier: str) -> None:
        """Cancel a statement; one that has ended is left as it is."""
        request = Request("redshift-data", "CancelStatement", {"Id": identifier})
        send(request, self.settings.ending(), accept=("ValidationException", "ResourceNotFoundException"))

    def _wait(self, identifier: str) -> dict[str, Any]:
        request = Request("redshift-data", "DescribeStatement", {"Id": identifier})
        found, ended = watched(
            lambda: answered(request, self.settings),
            lambda seen: seen["Status"] in _ENDED,
            self.redshift.max_seconds,
            self.settings.poll,
        )
        if not ended:
            self.cancel(identifier)
            raise RuntimeFailed(
                f"Redshift's statement {identifier} takes too long and was cancelled",
                seen=f"{found['Status']} after {self.redshift.max_seconds} s",
                expected="an end within redshift.max_seconds",
                next_step="raise max_seconds under [redshift], or ask for less",
            )
        return found


def typed(columns: list[dict[str, Any]], records: list[list[dict[str, Any]]]) -> pa.Table:
    """The Data API's records as Arrow.

    Args:
        columns: ColumnMetadata.
        records: Rows of values, each under its kind ("longValue": 5).
    """
    import pyarrow as pa

    plain = {
        "int2": pa.int16(),
        "int4": pa.int32(),
        "int8": pa.int64(),
        "bool": pa.bool_(),
        "float4": pa.float32(),
        "float8": pa.float64(),
        "varbyte": pa.binary(),
    }
    late = {"date": pa.date32(), "timestamp": pa.timestamp("us")}
    made = []
    for index, column in enumerate(columns):
        kind = str(column.get("typeName", "varchar")).lower()
        values = [_value(record[index]) for record in records]
        if kind in plain:
            made.append(pa.array(values, plain[kind]))
        else:
            texts = pa.array([None if value is None else str(value) for value in values], pa.string())
            made.append(texts.cast(_decimal(column) if kind == "numeric" else late.get(kind, pa.string())))
    return pa.Table.from_arrays(made, names=[str(column["name"]) for column in columns])


def still_current(outputs: dict[str, dict[str, Any]]) -> str | None:
    """Why a remembered query of Redshift is asked again: nobody knows whether the tables changed.

    Args:
        outputs: Output name → its metadata.
    """
    return f"Redshift is asked anew every time ({len(outputs)} outputs remembered)"


def _value(cell: dict[str, Any]) -> Any:
    return next((cell[name] for name in _VALUES if name in cell), None)


def _decimal(column: dict[str, Any]) -> pa.DataType:
    import pyarrow as pa

    return pa.decimal128(int(column.get("precision") or 38), int(column.get("scale") or 0))
