"""A step's arguments held against botocore's model of the operation that the step calls; an expression is any value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from intermodal.runtime.sagemaker.pipelines.expressions import is_expression
from intermodal.runtime.sagemaker.pipelines.step_types import StepType


def argument_problems(step: dict[str, Any], kind: StepType) -> Iterator[str]:
    """What botocore's model says of the arguments; whatever an expression stands for is right."""
    shape = kind.input_shape()
    yield from _shape_lines(shape, step["Arguments"], "", kind.name_member)


def _shape_lines(shape: Any, value: Any, path: str, name_member: str = "") -> Iterator[str]:
    if is_expression(value):
        return
    where = path or "Arguments"
    if shape.type_name == "structure":
        if not isinstance(value, dict):
            yield f"{where}: an object is expected"
            return
        missing = [name for name in shape.required_members if name not in value and name != name_member]
        yield from (f"{where}: {name} is missing" for name in missing)
        for name, item in value.items():
            inner = f"{path}.{name}" if path else name
            if name not in shape.members:
                yield f"{inner}: unknown"
            else:
                yield from _shape_lines(shape.members[name], item, inner)
    elif shape.type_name == "list" and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _shape_lines(shape.member, item, f"{path}.{index}")
    elif shape.type_name == "map" and isinstance(value, dict):
        for key, item in value.items():
            yield from _shape_lines(shape.value, item, f"{path}.{key}")
    elif shape.type_name in _SCALARS and not is_of(value, _SCALARS[shape.type_name]):
        yield f"{where}: {value!r} is no {shape.type_name}"
    elif shape.type_name in ("list", "map"):
        yield f"{where}: a {shape.type_name} is expected"


_SCALARS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
}


def is_of(value: Any, kinds: tuple[type, ...]) -> bool:
    """Whether a value is of these types; a truth value is no number."""
    return isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))
