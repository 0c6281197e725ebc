"""A definition held against what SageMaker accepts: names, types, references, conditions, circles.

The service checks a definition when a pipeline is created, and tells the first problem; here all of them
are told, before anything is sent. A job's arguments are compared with botocore's model of the operation
that the step calls, expressions passing as any value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from intermodal.errors import UsageError
from intermodal.runtime.sagemaker.pipelines.expressions import GET, JOIN, JSON_GET, is_expression, referenced_steps
from intermodal.runtime.sagemaker.pipelines.step_types import STEP_TYPES, StepType

_NAME = re.compile(r"[A-Za-z0-9\-_]{1,64}")
_PARAMETER_TYPES: dict[str, tuple[type, ...]] = {
    "String": (str,),
    "Integer": (int,),
    "Float": (int, float),
    "Boolean": (bool,),
}
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
_MEMBERS = {
    "Name",
    "Type",
    "DisplayName",
    "Description",
    "Arguments",
    "DependsOn",
    "CacheConfig",
    "RetryPolicies",
    "PropertyFiles",
    "SqsQueueUrl",
    "FunctionArn",
    "OutputParameters",
}
_TOP = {"Version", "Metadata", "Parameters", "PipelineExperimentConfig", "MlflowConfig", "Steps"}
_SHOWN = 5


def check_definition(body: Any) -> None:
    """Refuse a definition that SageMaker would refuse.

    Args:
        body: The definition.

    Raises:
        UsageError: SageMaker would refuse it; what is wrong is named.
    """
    found = definition_problems(body)
    if found:
        raise UsageError(
            "SageMaker would refuse this pipeline definition",
            seen="; ".join(found[:_SHOWN]),
            expected="a definition of version 2020-12-01",
        )


def definition_problems(body: Any) -> list[str]:
    """What SageMaker would refuse in a definition; empty when nothing.

    Args:
        body: The definition, parsed.
    """
    if not isinstance(body, dict):
        return ["the definition is no JSON object"]
    found = [f"unknown member {name}" for name in sorted(set(body) - _TOP)]
    if body.get("Version") != "2020-12-01":
        found.append(f"Version is {body.get('Version')!r}, expected '2020-12-01'")
    steps = body.get("Steps")
    if not isinstance(steps, list) or not steps:
        return [*found, "Steps must be a list with at least one step"]
    parameters = body.get("Parameters", [])
    found += _parameter_problems(parameters)
    shape = [line for step in all_steps(steps) for line in _shape_problems(step)]
    if shape:
        return found + shape
    named = {step["Name"]: step for step in all_steps(steps)}
    found += _repeated("step", [step["Name"] for step in all_steps(steps)])
    known = {item.get("Name") for item in parameters if isinstance(item, dict)}
    for step in named.values():
        found += [f"{step['Name']}: {line}" for line in _step_problems(step, named, known)]
    return found or _circle(named)


def all_steps(steps: list[Any]) -> Iterator[Any]:
    """The steps, and those inside conditions after their condition."""
    for step in steps:
        yield step
        yield from all_steps(inner_steps(step))


def inner_steps(step: Any) -> list[Any]:
    """The steps inside a condition step; none inside any other."""
    arguments = step.get("Arguments") if isinstance(step, dict) else None
    if not isinstance(arguments, dict) or step.get("Type") != "Condition":
        return []
    return [*(arguments.get("IfSteps") or []), *(arguments.get("ElseSteps") or [])]


def own_arguments(step: dict[str, Any]) -> dict[str, Any]:
    """A step's arguments without the steps inside it."""
    return {name: value for name, value in step["Arguments"].items() if name not in ("IfSteps", "ElseSteps")}


def waits_for(step: dict[str, Any]) -> set[str]:
    """The steps that must be done before a step may start, its condition aside."""
    return {*step.get("DependsOn", []), *referenced_steps(own_arguments(step))}


def _parameter_problems(parameters: Any) -> Iterator[str]:
    if not isinstance(parameters, list) or not all(isinstance(item, dict) for item in parameters):
        yield "Parameters must be a list of objects"
        return
    yield from _repeated("parameter", [str(item.get("Name")) for item in parameters])
    for item in parameters:
        name, kind = item.get("Name"), item.get("Type", "String")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            yield f"parameter {name!r}: a name of letters, digits, - and _, at most 64, is expected"
        if kind not in _PARAMETER_TYPES:
            yield f"parameter {name}: there is no type {kind!r}"
        elif "DefaultValue" in item and not _is(item["DefaultValue"], _PARAMETER_TYPES[kind]):
            yield f"parameter {name}: the default {item['DefaultValue']!r} is no {kind}"


def _is(value: Any, kinds: tuple[type, ...]) -> bool:
    return isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))


def _shape_problems(step: Any) -> Iterator[str]:
    if not isinstance(step, dict) or not isinstance(step.get("Name"), str) or not _NAME.fullmatch(step["Name"]):
        name = step.get("Name") if isinstance(step, dict) else step
        yield f"step {name!r}: a name of letters, digits, - and _, at most 64, is expected"
        return
    if step.get("Type") not in STEP_TYPES:
        yield f"step {step['Name']}: there is no type {step.get('Type')!r}"
    elif not isinstance(step.get("Arguments"), dict):
        yield f"step {step['Name']}: Arguments are missing"
    for name in sorted(set(step) - _MEMBERS):
        yield f"step {step['Name']}: unknown member {name}"


def _repeated(what: str, names: list[str]) -> list[str]:
    return [
        f"{what} names must be unique: {name} is there twice" for name in sorted(set(names)) if names.count(name) > 1
    ]


def _step_problems(step: dict[str, Any], named: dict[str, Any], parameters: set[Any]) -> Iterator[str]:
    for other in step.get("DependsOn", []):
        if other not in named:
            yield f"DependsOn names {other}, which is not there"
    yield from _expression_problems(own_arguments(step), named, parameters)
    kind = STEP_TYPES[step["Type"]]
    if step["Type"] == "Condition":
        yield from _condition_step_problems(step["Arguments"])
        nested = [inner["Name"] for inner in inner_steps(step) if inner["Type"] == "Condition"]
        yield from (f"condition steps cannot be nested: {name}" for name in nested)
    elif step["Type"] == "Fail":
        if "ErrorMessage" not in step["Arguments"]:
            yield "a Fail step needs an ErrorMessage"
    elif kind.create:
        yield from _argument_problems(step, kind)
    outputs = _outputs(step)
    for file in step.get("PropertyFiles", []):
        if step["Type"] != "Processing" or file.get("OutputName") not in outputs:
            yield f"property file {file.get('PropertyFileName')} names no output of this processing step"


def _condition_step_problems(arguments: dict[str, Any]) -> Iterator[str]:
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


def _expression_problems(value: Any, named: dict[str, Any], parameters: set[Any]) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _expression_problems(item, named, parameters)
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
            yield from _expression_problems(item, named, parameters)


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


def _argument_problems(step: dict[str, Any], kind: StepType) -> Iterator[str]:
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
    elif shape.type_name in _SCALARS and not _is(value, _SCALARS[shape.type_name]):
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


def _outputs(step: dict[str, Any]) -> set[Any]:
    config = step["Arguments"].get("ProcessingOutputConfig", {})
    return {item.get("OutputName") for item in config.get("Outputs", [])}


def _circle(named: dict[str, Any]) -> list[str]:
    waiting = {name: {item for item in waits_for(step) if item in named} for name, step in named.items()}
    for step in named.values():
        if step["Type"] == "Condition":
            for inner in all_steps(
                [*(step["Arguments"].get("IfSteps") or []), *(step["Arguments"].get("ElseSteps") or [])]
            ):
                waiting[inner["Name"]].add(step["Name"])
    while waiting:
        ready = [name for name, before in waiting.items() if not before & set(waiting)]
        if not ready:
            return [f"steps wait for one another in a circle: {', '.join(sorted(waiting))}"]
        for name in ready:
            del waiting[name]
    return []
