"""A request that the API server refuses, as the Status object which clients read."""

from __future__ import annotations

from typing import Any

_REASONS = {
    400: "BadRequest",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    415: "UnsupportedMediaType",
    422: "Invalid",
}


class ApiFault(Exception):
    """A refusal.

    Args:
        code: The HTTP status.
        message: What a person reads.
        reason: What a program reads; by default what belongs to the code.
    """

    def __init__(self, code: int, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason or _REASONS[code]

    def status(self) -> dict[str, Any]:
        """The Status object."""
        head = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        return {**head, "message": self.message, "reason": self.reason, "code": self.code}
