"""Expressions and conditions of a definition, held against what is there to be named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from intermodal.runtime.sagemaker.pipelines.expressions import GET, JOIN, JSON_GET
from intermodal.runtime.sagemaker.pipelines.step_types import STEP_TYPES

_COMPARISONS = ("Equals", "GreaterThan", "GreaterThanOrEqualTo", "LessThan", "LessThanOrEqualTo")
_EXECUTION = (
    "StartDateTime",
    "CurrentDateTime",
    "PipelineName",
    "PipelineArn",
    "PipelineExecutionId",
    "PipelineExecutionArn",
    "TrainingJobName",
    "ProcessingJobName",
)


def condition_step_problems(arguments: dict[str, Any]) -> Iterator[str]:
    """What is wrong with a condition step's arguments, the steps inside it aside."""
    for name in sorted(set(arguments) - {"Conditions", "IfSteps", "ElseSteps"}):
        yield f"unknown argument {name}"
    conditions = arguments.get("Conditions")
    if not isinstance(conditions, list) or not conditions:
        yield "Conditions must be a list with at least one condition"
        return
    for item in conditions:
        yield from _condition_problems(item)


def _condition_problems(item: Any) -> Iterator[str]:
    kind = item.get("Type") if isinstance(item, dict) else None
    expected = {"Not": {"Condition"}, "Or": {"Conditions"}, "In": {"QueryValue", "Values"}}
    members = {"LeftValue", "RightValue"} if kind in _COMPARISONS else expected.get(str(kind))
    if members is None:
        yield f"there is no condition of type {kind!r}"
    elif set(item) - {"Type"} != members:
        yield f"a condition of type {kind} has {', '.join(sorted(members))}"
    elif kind == "Not":
        yield from _condition_problems(item["Condition"])
    elif kind == "Or":
        for inner in item["Conditions"]:
            yield from _condition_problems(inner)


def expression_problems(value: Any, named: dict[str, Any], parameters: set[Any]) -> Iterator[str]:
    """What is wrong with the expressions inside a value.

    Args:
        value: The value.
        named: The definition's steps by name.
        parameters: Names of its parameters.
    """
    if isinstance(value, list):
        for item in value:
            yield from expression_problems(item, named, parameters)
    elif isinstance(value, dict):
        if GET in value and (len(value) != 1 or not isinstance(value[GET], str)):
            yield f"malformed Get: {value}"
        elif GET in value:
            yield from _get_problems(value[GET], named, parameters)
        elif JOIN in value and set(value[JOIN]) - {"On", "Values"}:
            yield f"malformed Std:Join: {value}"
        elif JSON_GET in value and not {"Path"} < set(value[JSON_GET]) <= {"Path", "PropertyFile", "S3Uri"}:
            yield f"malformed Std:JsonGet: {value}"
        for item in value.values():
            yield from expression_problems(item, named, parameters)


def _get_problems(text: str, named: dict[str, Any], parameters: set[Any]) -> Iterator[str]:
    root, _, rest = text.partition(".")
    first, _, path = rest.partition(".")
    if root == "Parameters" and first not in parameters:
        yield f"{text}: there is no such parameter"
    elif root == "Execution" and first not in _EXECUTION:
        yield f"{text}: there is no such execution variable"
    elif root == "Steps" and first not in named:
        yield f"{text}: there is no such step"
    elif root == "Steps" and path.startswith("PropertyFiles."):
        files = [item.get("PropertyFileName") for item in named[first].get("PropertyFiles", [])]
        if path.partition(".")[2] not in files:
            yield f"{text}: there is no such property file"
    elif root == "Steps" and not STEP_TYPES[named[first]["Type"]].has_property(path):
        yield f"{text}: a {named[first]['Type']} step has no such property"
    elif root not in ("Parameters", "Execution", "Steps"):
        yield f"{text}: Parameters, Execution or Steps is expected"
