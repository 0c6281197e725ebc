"""Requests checked against botocore's service model: types and required members, and lengths, patterns, ranges, enums.

botocore's own validator knows types, required members and minimal lengths; the service refuses far more
(names of 63 characters, arguments of 256, environment values of 256 or 512, hyperparameters of 2,500). All
of that stands in the same model, so it is read from there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from intermodal.errors import UsageError

_SHOWN = 5
# All stand inside brackets. Letters are taken with digits and the underscore, which every such pattern allows too.
_JAVA_CLASSES = {
    r"\p{L}": r"\w",
    r"\p{N}": r"\w",
    r"\p{Z}": r" \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000",
    r"\p{Alnum}": r"a-zA-Z0-9",
}


def problems(service: str, operation: str, request: dict[str, Any]) -> list[str]:
    """What AWS would refuse in a request, as far as its model tells; empty when nothing.

    Args:
        service: Such as "sagemaker".
        operation: Such as "CreateTrainingJob".
        request: The request.

    Returns:
        One line each: the member's path, what is wrong, and the value.

    Raises:
        UsageError: The service has no such operation.
    """
    from botocore.validate import ParamValidator

    shape = _operation(service, operation).input_shape
    if shape is None:
        return [f"{name}: unknown parameter" for name in request]
    report = ParamValidator().validate(request, shape)
    found = report.generate_report().splitlines() if report.has_errors() else []
    return found or list(_limits(shape, request, ""))


def check_request(service: str, operation: str, request: dict[str, Any]) -> None:
    """Refuse a request that AWS would refuse.

    Args:
        service: As for `problems`.
        operation: As for `problems`.
        request: The request.

    Raises:
        UsageError: AWS would refuse it; every reason is named.
    """
    found = problems(service, operation, request)
    if found:
        raise UsageError(
            f"{service} would refuse this {operation}",
            seen="; ".join(found[:_SHOWN]),
            expected="a request within the limits of AWS's service model",
            next_step="mend [sagemaker] in intermodal.toml, or the parameter that is named",
        )


@lru_cache(maxsize=512)
def _operation(service: str, operation: str) -> Any:
    model = _service(service)
    if operation not in model.operation_names:
        raise UsageError(f"{service} has no such operation", seen=operation)
    return model.operation_model(operation)


@lru_cache(maxsize=32)
def _service(service: str) -> Any:
    import botocore.session

    return botocore.session.get_session().get_service_model(service)


def _limits(shape: Any, value: Any, path: str) -> Iterator[str]:
    """Violations of lengths, ranges, patterns and enums, all the way down."""
    kind = shape.type_name
    if kind == "structure":
        for name, item in value.items():
            yield from _limits(shape.members[name], item, f"{path}.{name}" if path else name)
    elif kind == "list":
        yield from _size(shape, len(value), path, "elements")
        for index, item in enumerate(value):
            yield from _limits(shape.member, item, f"{path}.{index}")
    elif kind == "map":
        yield from _size(shape, len(value), path, "entries")
        for key, item in value.items():
            yield from _limits(shape.key, key, f"{path}.{key} (key)")
            yield from _limits(shape.value, item, f"{path}.{key}")
    elif kind == "string":
        yield from _text(shape, value, path)
    elif kind in ("integer", "long", "float", "double"):
        yield from _size(shape, value, path, "")


def _size(shape: Any, size: float, path: str, unit: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        yield f"{path}: {size} {unit}".rstrip() + f", at least {low} expected"
    if high is not None and size > high:
        yield f"{path}: {size} {unit}".rstrip() + f", at most {high} expected"


def _text(shape: Any, value: str, path: str) -> Iterator[str]:
    yield from _size(shape, len(value), path, "characters")
    pattern, known = shape.metadata.get("pattern"), getattr(shape, "enum", None)
    if known and value not in known:
        yield f"{path}: {value[:80]!r} is none of {', '.join(known[:8])}"
    if pattern and not _matches(pattern, value):
        yield f"{path}: {value[:80]!r} does not match {pattern}"


def _matches(pattern: str, value: str) -> bool:
    compiled = _compiled(pattern)
    return compiled is None or compiled.fullmatch(value) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """The pattern, or None where Java's dialect has something that Python's has not."""
    try:
        for java, python in _JAVA_CLASSES.items():
            pattern = pattern.replace(java, python)
        return re.compile(pattern)
    except re.error:
        return None
