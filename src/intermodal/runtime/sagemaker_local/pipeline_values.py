"""Expressions of a pipeline definition, resolved while it runs: Get, Join, JsonGet, and conditions over them."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from intermodal.runtime.sagemaker.pipelines.expressions import GET, JOIN, JSON_GET
from intermodal.runtime.sagemaker.pipelines.step_types import path_words
from intermodal.runtime.sagemaker_local.operations import ApiError

# What an element of a list is known by, when a path names it by text.
_KEYS = ("OutputName", "InputName", "ChannelName", "Name", "MetricName")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": operator.eq,
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}


class Unresolved(Exception):
    """An expression stands for nothing; its text is the step's reason of failure."""


@dataclass
class Values:
    """What expressions may name.

    Attributes:
        parameters: The execution's arguments, of their types.
        variables: Execution variables, such as PipelineExecutionId.
        steps: Step → its properties, for the steps that are done.
        files: Step → its property files.
        read: Reads a JSON object on S3.
    """

    parameters: dict[str, Any]
    variables: dict[str, str]
    read: Callable[[str], Any]
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, list[dict[str, str]]] = field(default_factory=dict)

    def resolve(self, value: Any) -> Any:
        """A value without expressions.

        Raises:
            Unresolved: An expression stands for nothing.
        """
        if isinstance(value, list):
            return [self.resolve(item) for item in value]
        if not isinstance(value, dict):
            return value
        if GET in value:
            return self._get(value[GET])
        if JOIN in value:
            words = [as_text(self.resolve(item)) for item in value[JOIN]["Values"]]
            return str(value[JOIN].get("On", "")).join(words)
        if JSON_GET in value:
            return self._json(value[JSON_GET])
        return {key: self.resolve(item) for key, item in value.items()}

    def holds(self, condition: dict[str, Any]) -> bool:
        """Whether a condition holds.

        Raises:
            Unresolved: It names nothing, or compares a text with a number.
        """
        kind = condition["Type"]
        if kind == "Not":
            return not self.holds(condition["Condition"])
        if kind == "Or":
            return any(self.holds(item) for item in condition["Conditions"])
        if kind == "In":
            return self.resolve(condition["QueryValue"]) in self.resolve(condition["Values"])
        left, right = self.resolve(condition["LeftValue"]), self.resolve(condition["RightValue"])
        if _family(left) != _family(right):
            raise Unresolved(f"Condition {kind}: {left!r} and {right!r} are not of the same type")
        return _COMPARE[kind](left, right)

    def _get(self, text: str) -> Any:
        root, _, rest = text.partition(".")
        if root == "Parameters":
            return self.parameters[rest]
        if root == "Execution":
            return self._variable(rest)
        step, _, path = rest.partition(".")
        if step not in self.steps:
            raise Unresolved(f"{text}: the step has no properties, it did not run")
        return walk(self.steps[step], path, text)

    def _variable(self, name: str) -> str:
        if name == "CurrentDateTime":
            return datetime.now(UTC).isoformat(timespec="seconds")
        if name not in self.variables:
            raise Unresolved(f"Execution.{name} cannot be used here")
        return self.variables[name]

    def _json(self, fields: dict[str, Any]) -> Any:
        uri = self.resolve(fields["S3Uri"]) if "S3Uri" in fields else self._property_file(fields["PropertyFile"][GET])
        return walk(self.read(uri), fields["Path"], f"{uri}: {fields['Path']}")

    def _property_file(self, text: str) -> str:
        _steps, step, _files, name = text.split(".", 3)
        found = next(item for item in self.files[step] if item["PropertyFileName"] == name)
        output = f"ProcessingOutputConfig.Outputs['{found['OutputName']}'].S3Output.S3Uri"
        if step not in self.steps:
            raise Unresolved(f"{text}: the step has left no files, it did not run")
        return f"{walk(self.steps[step], output, text).rstrip('/')}/{found['FilePath']}"


def walk(value: Any, path: str, told: str) -> Any:
    """Follow a path such as "a.b['c'][0]".

    Args:
        value: Where it begins.
        path: The path.
        told: What to call it in the error.

    Raises:
        Unresolved: It leads nowhere.
    """
    for word in path_words(path):
        if isinstance(value, dict) and word in value:
            value = value[word]
        elif isinstance(value, list) and (found := _element(value, word)) is not None:
            value = found
        else:
            raise Unresolved(f"{told} is not there")
    return value


def json_reader(s3: Any) -> Callable[[str], Any]:
    """A function that reads JSON objects on S3.

    Args:
        s3: A client.
    """
    from botocore.exceptions import ClientError

    def read(uri: str) -> Any:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        try:
            return json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read(), parse_constant=_no_constant)
        except ClientError as error:
            raise Unresolved(f"{uri} cannot be read: {error.response['Error'].get('Code')}") from error
        except ValueError as error:
            raise Unresolved(f"{uri} is no JSON: {error}") from error

    return read


def typed_arguments(definition: dict[str, Any], given: dict[str, str]) -> dict[str, Any]:
    """The arguments of an execution, of the declared types, defaults included.

    Args:
        definition: The pipeline definition.
        given: Name → text.

    Raises:
        ApiError: ValidationException: one is unknown, missing, or of another type.
    """
    declared = {item["Name"]: item for item in definition.get("Parameters", [])}
    unknown = sorted(set(given) - set(declared))
    if unknown:
        raise ApiError("ValidationException", f"Undefined pipeline parameters: {', '.join(unknown)}")
    found = {}
    for name, item in declared.items():
        if name not in given and "DefaultValue" not in item:
            raise ApiError("ValidationException", f"Pipeline parameter {name} has no value and no default")
        found[name] = _typed(item, given[name]) if name in given else item["DefaultValue"]
    return found


def as_text(value: Any) -> str:
    """A value inside a joined text."""
    return value if isinstance(value, str) else json.dumps(value)


def _typed(item: dict[str, Any], text: str) -> Any:
    kind = item.get("Type", "String")
    try:
        if kind == "Boolean":
            return {"true": True, "false": False}[text.lower()]
        value = {"String": str, "Integer": int, "Float": float}[kind](text)
    except (ValueError, KeyError) as error:
        raise ApiError("ValidationException", f"Pipeline parameter {item['Name']}: {text!r} is no {kind}") from error
    if item.get("EnumValues") and value not in item["EnumValues"]:
        raise ApiError("ValidationException", f"Pipeline parameter {item['Name']}: {text!r} is not one of its values")
    return value


def _element(items: list[Any], word: str) -> Any:
    if word.isdigit():
        return items[int(word)] if int(word) < len(items) else None
    return next((item for item in items if isinstance(item, dict) and word in [item.get(key) for key in _KEYS]), None)


def _family(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else type(value).__name__


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
