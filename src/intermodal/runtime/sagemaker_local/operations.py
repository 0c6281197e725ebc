"""Which function answers which operation of AWS's API; everything that none answers goes to moto."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from intermodal.runtime.sagemaker_local.service import Service

Operation = Callable[["Service", dict[str, Any]], dict[str, Any]]
Route = Callable[..., "Response"]

# Modules that answer operations; importing one registers its functions.
_MODULES = (
    "training",
    "processing",
    "tuning",
    "automl",
    "tagging",
    "logs",
    "control",
    "athena",
    "redshift_data",
    "emr",
    "models",
    "endpoint_configs",
    "endpoints",
    "invocations",
    "transform",
    "model_packages",
    "monitoring",
    "pipelines",
    "pipeline_executions",
)
_KNOWN: dict[tuple[str, str], Operation] = {}
_ROUTES: list[tuple[str, str, Route]] = []


class ApiError(Exception):
    """An error as AWS answers it.

    Args:
        code: Such as "ValidationException" or "ResourceInUse".
        message: The service's words.
        status: HTTP status.
        fields: What else the error's shape has.
    """

    def __init__(self, code: str, message: str, status: int = 400, fields: dict[str, Any] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status, self.fields = code, message, status, fields or {}


class ToMoto(Exception):
    """Raised by an operation that leaves this request to moto: it is about something that was made there."""


def operation(*names: str, service: str = "sagemaker") -> Callable[[Operation], Operation]:
    """Let a function answer operations: it is given the service and the checked request, and gives the answer.

    Protocols do not matter: JSON (by X-Amz-Target) and REST-JSON (by method and path) alike are read and
    written as the service's model says. Times are seconds since 1970, in requests and answers.

    Args:
        names: Operations, such as "CreateTrainingJob".
        service: The service's name in boto3.
    """

    def register(function: Operation) -> Operation:
        for name in names:
            _KNOWN[service, name] = function
        return function

    return register


def route(method: str, pattern: str) -> Callable[[Route], Route]:
    """Let a function answer requests of a path that no operation of a model describes.

    It is given the service, the werkzeug request, and the pattern's groups as texts; it gives a response.

    Args:
        method: "GET", "POST", …, or "*".
        pattern: Regular expression over the whole path, with groups.
    """

    def register(function: Route) -> Route:
        _ROUTES.append((method, pattern, function))
        return function

    return register


def load_operations() -> None:
    """Import the modules that answer."""
    for module in _MODULES:
        importlib.import_module(f"intermodal.runtime.sagemaker_local.{module}")


def find_operation(service: str, name: str) -> Operation | None:
    """The function that answers an operation; None where moto does."""
    load_operations()
    return _KNOWN.get((service, name))


def find_route(method: str, path: str) -> tuple[Route, tuple[str, ...]] | None:
    """The function that answers a path, with the pattern's groups; None when none does."""
    import re

    for known, pattern, function in _ROUTES:
        match = re.fullmatch(pattern, path)
        if match and known in ("*", method):
            return function, match.groups()
    return None


def services() -> dict[str, list[str]]:
    """Services that have operations here, with their operations."""
    found: dict[str, list[str]] = {}
    for service, name in _KNOWN:
        found.setdefault(service, []).append(name)
    return found
