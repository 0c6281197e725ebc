"""Values of a pipeline as expressions that SageMaker itself can read: in conditions, in messages, as variables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from intermodal.errors import UsageError
from intermodal.runtime.sagemaker.pipelines.expressions import join, parameter
from intermodal.runtime.sagemaker.pipelines.sources import Argument, Constant, Returned, Source, Template

# Task and name of a value that it returned → the expression that reads it
Reading = Callable[[str, str], dict[str, Any]]


def operand_of(source: Source, reading: Reading) -> Any:
    """A value as an expression.

    Args:
        source: Where it comes from.
        reading: How a task's returned value is read.

    Raises:
        UsageError: SageMaker cannot read it.
    """
    if isinstance(source, Constant) and isinstance(source.value, str | int | float | bool):
        return source.value
    if isinstance(source, Argument):
        return parameter(source.name)
    if isinstance(source, Returned):
        return reading(source.task, source.name)
    if isinstance(source, Template) and isinstance(source.value, str):
        return join([piece if isinstance(piece, str) else operand_of(piece, reading) for piece in source.pieces()])
    raise UsageError(
        "SageMaker itself cannot read this value",
        seen=source.to_json(),
        expected="a text, number or truth value: of the pipeline's parameters, or returned by a step",
    )
