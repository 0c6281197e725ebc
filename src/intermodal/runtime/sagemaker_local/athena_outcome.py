"""What goes into a statement of Athena and what comes out: where it runs, its answer, why it failed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


class QueryFailed(Exception):
    """A query failed.

    Args:
        reason: The state's reason, such as "TABLE_NOT_FOUND: …".
        cancelled: Whether Athena cancelled it, as for a limit of bytes, rather than that it failed.
    """

    def __init__(self, reason: str, *, cancelled: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.cancelled = reason, cancelled


@dataclass(frozen=True)
class Setting:
    """Where a statement runs.

    Attributes:
        database: Database of unqualified names.
        results: Prefix of the workgroup's or the request's results.
        enforced: Whether the workgroup enforces that prefix, so that no CTAS may name another.
        cutoff: Most bytes that may be scanned; 0 for no limit.
        identifier: The execution's id.
    """

    database: str
    results: str
    enforced: bool
    cutoff: int
    identifier: str


@dataclass
class Answer:
    """What a statement gave.

    Attributes:
        kind: "DML", "DDL" or "UTILITY".
        columns: ColumnInfo.
        rows: Texts; None for NULL.
        header: Whether the rows are told with a header, as those of a SELECT.
        written: Prefix under which a CTAS wrote.
    """

    kind: str
    columns: list[dict[str, Any]] = field(default_factory=list)
    rows: list[list[str | None]] = field(default_factory=list)
    header: bool = False
    written: str = ""
