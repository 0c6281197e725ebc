"""What each task of a compiled pipeline is given: followed through parts and loops to where it comes from."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from intermodal.errors import UsageError
from intermodal.runtime.sagemaker.pipelines.flat_task import Guard, Made
from intermodal.runtime.sagemaker.pipelines.sources import Constant, Field, Source, Template, placeholders

_ITEM_FIELD = 'parseJson(string_value)["'


@dataclass(frozen=True)
class Scope:
    """Where the walk is: what the surrounding component was given, and what is around."""

    parameters: dict[str, Source] = field(default_factory=dict)
    artifacts: dict[str, tuple[Made, ...]] = field(default_factory=dict)
    path: tuple[str, ...] = ()
    suffix: str = ""
    after: tuple[str, ...] = ()
    guards: tuple[Guard, ...] = ()


@dataclass
class Result:
    """What a task of the compiled pipeline came to: its steps, and what others may read of it."""

    names: list[str] = field(default_factory=list)
    parameters: dict[str, Source] = field(default_factory=dict)
    artifacts: dict[str, tuple[Made, ...]] = field(default_factory=dict)
    choices: set[str] = field(default_factory=set)


def inputs_of(
    task: Any, component: Any, scope: Scope, done: dict[str, Result], name: str
) -> tuple[dict[str, Source], dict[str, tuple[Made, ...]]]:
    """What a task is given, each value and artifact by where it comes from."""
    parameters: dict[str, Source] = {}
    for key, item in task.inputs.parameters.items():
        source = _parameter(key, item, scope, done, name)
        if source is not None:
            parameters[key] = source
    for key, source in list(parameters.items()):
        if isinstance(source, Constant) and placeholders(source.value):
            names = dict.fromkeys(placeholders(source.value))
            parameters[key] = Template(source.value, tuple((one, parameters[one]) for one in names))
    if component.WhichOneof("implementation") == "dag":  # a step's own defaults are filled in where it runs
        for key, declared in component.input_definitions.parameters.items():
            if key not in parameters and declared.HasField("default_value"):
                parameters[key] = Constant(_plain(declared.default_value))
    artifacts = {key: _artifact(item, scope, done, name) for key, item in task.inputs.artifacts.items()}
    return parameters, {key: found for key, found in artifacts.items() if found}


def _parameter(key: str, item: Any, scope: Scope, done: dict[str, Result], name: str) -> Source | None:
    source: Source | None
    kind = item.WhichOneof("kind")
    if kind == "runtime_value":
        source = Constant(_plain(item.runtime_value.constant))
    elif kind == "component_input_parameter":
        source = scope.parameters.get(item.component_input_parameter)
    elif kind == "task_output_parameter":
        wanted = item.task_output_parameter
        _check_choice(name, wanted.output_parameter_key, done[wanted.producer_task])
        source = done[wanted.producer_task].parameters[wanted.output_parameter_key]
    else:
        raise refused(name, "a task that is told how others ended (PipelineTaskFinalStatus)")
    selector = item.parameter_expression_selector
    return source if source is None or not selector else _field(source, selector, name)


def _artifact(item: Any, scope: Scope, done: dict[str, Result], name: str) -> tuple[Made, ...]:
    if item.WhichOneof("kind") == "component_input_artifact":
        return scope.artifacts.get(item.component_input_artifact, ())
    wanted = item.task_output_artifact
    _check_choice(name, wanted.output_artifact_key, done[wanted.producer_task])
    return done[wanted.producer_task].artifacts[wanted.output_artifact_key]


def _field(source: Source, selector: str, name: str) -> Source:
    if not selector.startswith(_ITEM_FIELD):
        raise refused(name, f"the expression {selector}")
    key = selector.removeprefix(_ITEM_FIELD).removesuffix('"]')
    if isinstance(source, Constant) and isinstance(source.value, dict) and key in source.value:
        return Constant(source.value[key])
    return Field(source, key)


def items_of(name: str, iterator: Any, scope: Scope) -> list[Any]:
    """What a loop goes over, where the pipeline itself says it."""
    if iterator.items.WhichOneof("kind") == "raw":
        return list(json.loads(iterator.items.raw))
    source = scope.parameters.get(iterator.items.input_parameter)
    value = source.value if isinstance(source, Constant) else None
    value = json.loads(value) if isinstance(value, str) else value
    if not isinstance(value, list):
        raise refused(name, "a loop over items that are known only when the pipeline runs")
    return value


def _check_choice(name: str, key: str, producer: Result) -> None:
    if key in producer.choices:
        raise refused(name, "a task that takes what one of several branches made (dsl.OneOf)")


def _plain(value: Any) -> Any:
    from google.protobuf import json_format

    plain = json_format.MessageToDict(value)
    return int(plain) if isinstance(plain, float) and plain.is_integer() else plain


def refused(name: str, what: str) -> UsageError:
    """The error for what SageMaker's pipelines cannot do.

    Args:
        name: The task.
        what: What it is.
    """
    return UsageError(
        "this cannot be said in a SageMaker pipeline",
        seen=f"{name}: {what}",
        expected="steps, conditions, loops over known items, sub-pipelines",
        next_step="intermodal run PIPELINE --on sagemaker runs it, with this machine or a pod in charge",
    )
