"""Refusals, as KFP's API server words them: an HTTP status, a gRPC code and a message."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

INVALID, NOT_FOUND, EXISTS, UNAUTHENTICATED, UNAVAILABLE, INTERNAL = 3, 5, 6, 16, 14, 13
_CODES = {400: INVALID, 401: UNAUTHENTICATED, 404: NOT_FOUND, 409: EXISTS, 429: 8, 500: INTERNAL, 503: UNAVAILABLE}


class Refused(Exception):
    """The request gets an error for an answer.

    Args:
        status: HTTP status.
        message: What was wrong.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    def to_json(self) -> dict[str, Any]:
        """The body: what grpc-gateway makes of KFP's error."""
        code = _CODES.get(self.status, 2)
        detail = {"@type": "type.googleapis.com/google.rpc.Status", "code": code, "message": self.message}
        return {"error": self.message, "code": code, "message": self.message, "details": [detail]}


def invalid(message: str) -> Refused:
    """The request cannot be right, whatever the state of the server."""
    return Refused(400, f"Invalid input error: {message}")


def missing(kind: str, name: str) -> Refused:
    """What the request names is not there."""
    return Refused(404, f"ResourceNotFoundError: {kind} {name} not found.")


def taken(kind: str, name: str) -> Refused:
    """The name is in use."""
    return Refused(409, f"Already exist error: Failed to create a new {kind}. The name {name} already exists.")


def now() -> str:
    """The time as KFP writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
