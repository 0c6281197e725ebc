"""Which function answers which operation of AWS's API; everything that none answers goes to moto."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from intermodal.runtime.sagemaker_local.service import Service

Operation = Callable[["Service", dict[str, Any]], dict[str, Any]]

# Modules that answer operations; importing one registers its functions.
_MODULES = ("training", "processing")
_KNOWN: dict[tuple[str, str], Operation] = {}


class ApiError(Exception):
    """An error as AWS answers it.

    Args:
        code: Such as "ValidationException" or "ResourceInUse".
        message: The service's words.
        status: HTTP status.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status = code, message, status


def operation(*names: str, service: str = "sagemaker") -> Callable[[Operation], Operation]:
    """Let a function answer operations: it is given the service and the checked request, and gives the answer.

    Args:
        names: Operations, such as "CreateTrainingJob".
        service: The service's name in boto3.
    """

    def register(function: Operation) -> Operation:
        for name in names:
            _KNOWN[service, name] = function
        return function

    return register


def find_operation(service: str, name: str) -> Operation | None:
    """The function that answers an operation; None where moto does."""
    for module in _MODULES:
        importlib.import_module(f"intermodal.runtime.sagemaker_local.{module}")
    return _KNOWN.get((service, name))
