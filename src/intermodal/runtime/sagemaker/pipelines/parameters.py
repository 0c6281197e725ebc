"""A pipeline's parameters as SageMaker has them: texts, numbers and truth values; lists and mappings as JSON."""

from __future__ import annotations

import json
from typing import Any

from intermodal.aws.secrets import check_no_secrets
from intermodal.core.values import from_text
from intermodal.errors import UsageError
from intermodal.runtime.pipeline import Pipeline, PipelineParameter

_TYPES = {str: "String", int: "Integer", float: "Float", bool: "Boolean", list: "String", dict: "String"}
_KINDS = {kind.__name__: kind for kind in _TYPES}
LONGEST = 256  # characters of a value, which reaches processing jobs as a variable


def parameter_list(pipeline: Pipeline, secrets: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """The `Parameters` of a definition.

    Args:
        pipeline: The pipeline.
        secrets: Those that may hold only references.

    Raises:
        UsageError: A default is a secret in plain text.
    """
    defaults = {item.name: item.default for item in pipeline.parameters if item.default is not None}
    _check_secrets(defaults, secrets)
    return [_parameter(item) for item in sorted(pipeline.parameters, key=lambda item: item.name)]


def argument_list(arguments: dict[str, Any], secrets: tuple[str, ...] = ()) -> list[dict[str, str]]:
    """The `PipelineParameters` of an execution.

    Args:
        arguments: Those that are given, of the declared types.
        secrets: Those that may hold only references.

    Raises:
        UsageError: A value is a secret in plain text, or too long.
    """
    _check_secrets(arguments, secrets)
    made = [{"Name": name, "Value": as_text(value)} for name, value in sorted(arguments.items())]
    for item in made:
        if len(item["Value"]) > LONGEST:
            raise UsageError(
                f"parameter {item['Name']} is too long for SageMaker",
                seen=f"{len(item['Value'])} characters",
                expected=f"at most {LONGEST}",
            )
    return made


def declarations(pipeline: Pipeline) -> dict[str, dict[str, Any]]:
    """What a task must know of the parameters to read their texts: name → type, and whether nothing means None."""
    return {
        item.name: {"type": item.type.__name__, "optional": not item.required and item.default is None}
        for item in pipeline.parameters
    }


def read_argument(name: str, declared: dict[str, Any], text: str) -> Any:
    """A parameter's value from its text.

    Args:
        name: Its name.
        declared: Its entry of `declarations`.
        text: As SageMaker handed it over.

    Raises:
        UsageError: The text is not of its type.
    """
    if declared["optional"] and not text:
        return None
    kind = _KINDS[declared["type"]]
    return from_text(name, kind, str(int(float(text))) if kind is int and _is_whole(text) else text)


def as_text(value: Any) -> str:
    """A value as SageMaker carries it."""
    return value if isinstance(value, str) else json.dumps(value)


def _check_secrets(values: dict[str, Any], secrets: tuple[str, ...]) -> None:
    check_no_secrets({name: {"secret": value} if name in secrets else value for name, value in values.items()})


def _parameter(item: PipelineParameter) -> dict[str, Any]:
    optional = not item.required and item.default is None
    made: dict[str, Any] = {"Name": item.name, "Type": "String" if optional else _TYPES[item.type]}
    if item.required:
        return made
    default = "" if optional else item.default
    return {**made, "DefaultValue": json.dumps(default) if isinstance(default, list | dict) else default}


def _is_whole(text: str) -> bool:
    try:
        return float(text).is_integer()
    except ValueError:
        return False
