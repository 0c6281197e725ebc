"""Expressions of a SageMaker pipeline definition: what stands for a value that is known only in an execution."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from intermodal.core.nested import members

GET, JOIN, JSON_GET = "Get", "Std:Join", "Std:JsonGet"
EXECUTION_ID = {GET: "Execution.PipelineExecutionId"}


def parameter(name: str) -> dict[str, Any]:
    """A parameter of the pipeline."""
    return {GET: f"Parameters.{name}"}


def step_property(step: str, path: str) -> dict[str, Any]:
    """What the service's Describe says of a step's job, such as "TrainingJobName"."""
    return {GET: f"Steps.{step}.{path}"}


def join(values: list[Any], on: str = "") -> dict[str, Any]:
    """Texts and expressions as one text."""
    return {JOIN: {"On": on, "Values": values}}


def from_property_file(step: str, name: str, path: str) -> dict[str, Any]:
    """A value in a JSON file that a processing step has left.

    Args:
        step: The step.
        name: Its property file.
        path: Where in the JSON, such as "values.Output".
    """
    return {JSON_GET: {"PropertyFile": {GET: f"Steps.{step}.PropertyFiles.{name}"}, "Path": path}}


def from_object(uri: dict[str, Any], path: str) -> dict[str, Any]:
    """A value in a JSON object on S3.

    Args:
        uri: Its URI, a `join`.
        path: Where in the JSON.
    """
    return {JSON_GET: {"S3Uri": uri, "Path": path}}


def is_expression(value: Any) -> bool:
    """Whether a value is one of these expressions."""
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)) in (GET, JOIN, JSON_GET)


def references(value: Any) -> Iterator[str]:
    """What all `Get`s inside a value name, such as "Parameters.rows"."""
    for key, item in members(value):
        if key == GET and isinstance(item, str):
            yield item


def referenced_steps(value: Any) -> set[str]:
    """The steps whose properties or files a value reads."""
    return {name.split(".")[1] for name in references(value) if name.startswith("Steps.")}
