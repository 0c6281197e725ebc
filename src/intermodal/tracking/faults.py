"""Which faults of MLflow pass by themselves, and how they are told."""

from __future__ import annotations

import re

from intermodal.errors import IntermodalError

_CODES = ("TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "DEADLINE_EXCEEDED")
_AWAY = re.compile(r"API request to .* failed with (exception|error code 5)|Max retries exceeded", re.DOTALL)
_STATUSES = (408, 429, 500, 502, 503, 504)
# By name, since requests, SQLAlchemy and botocore each have their own and none may be imported here.
_TYPES = ("OperationalError", "ConnectTimeout", "ReadTimeout", "ChunkedEncodingError", "EndpointConnectionError")
_LENGTH = 500


def is_transient(error: BaseException) -> bool:
    """Whether trying again may help: the server or the database is away, busy, or starting.

    Args:
        error: What MLflow raised; its causes are looked at too.
    """
    cause: BaseException | None = error
    while cause is not None:
        if _passes(cause):
            return True
        cause = cause.__cause__
    return False


def describe(error: BaseException) -> str:
    """The error in one short paragraph."""
    text = str(error) if isinstance(error, IntermodalError) else f"{type(error).__name__}: {error}"
    return text if len(text) <= _LENGTH else text[:_LENGTH] + " …"


def _passes(error: BaseException) -> bool:
    name = type(error).__name__
    if isinstance(error, (ConnectionError, TimeoutError)) or name in _TYPES or name.endswith("ConnectionError"):
        return True
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status in _STATUSES or getattr(error, "error_code", "") in _CODES or bool(_AWAY.search(str(error)))
