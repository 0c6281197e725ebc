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
from intermodal.runtime.sagemaker.pipelines.expressions import referenced_steps
from intermodal.runtime.sagemaker.pipelines.policies import policy_problems
from intermodal.runtime.sagemaker.pipelines.schema_arguments import argument_problems, is_of
from intermodal.runtime.sagemaker.pipelines.schema_expressions import condition_step_problems, expression_problems
from intermodal.runtime.sagemaker.pipelines.step_types import STEP_TYPES

_NAME = re.compile(r"[A-Za-z0-9\-_]{1,64}")
_PARAMETER_TYPES: dict[str, tuple[type, ...]] = {
    "String": (str,),
    "Integer": (int,),
    "Float": (int, float),
    "Boolean": (bool,),
}
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
        elif "DefaultValue" in item and not is_of(item["DefaultValue"], _PARAMETER_TYPES[kind]):
            yield f"parameter {name}: the default {item['DefaultValue']!r} is no {kind}"


def _shape_problems(step: Any) -> Iterator[str]:
    if not isinstance(step, dict) or not isinstance(step.get("Name"), str) or not _NAME.fullmatch(step["Name"]):
        name = step.get("Name") if isinstance(step, dict) else step
        yield f"step {name!r}: a name of letters, digits, - and _, at most 64, is expected"
        return
    if step.get("Type") not in STEP_TYPES:
        yield f"step {step['Name']}: the type {step.get('Type')!r} is not known"
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
    yield from policy_problems(step)
    yield from expression_problems(own_arguments(step), named, parameters)
    kind = STEP_TYPES[step["Type"]]
    if step["Type"] == "Condition":
        yield from condition_step_problems(step["Arguments"])
        nested = [inner["Name"] for inner in inner_steps(step) if inner["Type"] == "Condition"]
        yield from (f"condition steps cannot be nested: {name}" for name in nested)
    elif step["Type"] == "Fail":
        if "ErrorMessage" not in step["Arguments"]:
            yield "a Fail step needs an ErrorMessage"
    elif kind.create:
        yield from argument_problems(step, kind)
    outputs = _outputs(step)
    for file in step.get("PropertyFiles", []):
        if step["Type"] != "Processing" or file.get("OutputName") not in outputs:
            yield f"property file {file.get('PropertyFileName')} names no output of this processing step"


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
