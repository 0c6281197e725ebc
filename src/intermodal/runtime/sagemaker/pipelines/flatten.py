"""A compiled pipeline, flattened for SageMaker: sub-pipelines dissolved, loops over known items unrolled.

What SageMaker's pipelines cannot do is refused here, before anything is made: exit handlers, loops over
items that only a task knows, a task that takes what one of several branches made, components that are not
steps of ours.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import Any

from intermodal.errors import UsageError
from intermodal.runtime.graph import is_group, step_of
from intermodal.runtime.sagemaker.pipelines.sources import (
    Argument,
    Constant,
    Field,
    Returned,
    Several,
    Source,
    Template,
    placeholders,
)

_NAME_LENGTH = 64
_PART = "--"
_ITEM_FIELD = 'parseJson(string_value)["'


@dataclass(frozen=True)
class Made:
    """An artifact that a task makes.

    Attributes:
        task: The task's name in the SageMaker pipeline.
        output: The output's name in its step.
    """

    task: str
    output: str


@dataclass(frozen=True)
class Guard:
    """A condition around tasks.

    Attributes:
        name: Its name, unique in the SageMaker pipeline.
        title: What the pipeline calls it.
        expression: As kfp wrote it.
        values: What it reads: name → where that comes from.
    """

    name: str
    title: str
    expression: str
    values: dict[str, Source]


@dataclass(frozen=True)
class FlatTask:
    """One task that becomes one step.

    Attributes:
        name: Its name in the SageMaker pipeline: letters, digits, "-" and "_", at most 64.
        title: Its name in the pipeline.
        step: "module:function".
        image: Image reference of its component.
        parameters: Parameter → where its value comes from.
        inputs: Input → the artifacts it is given.
        after: Tasks it waits for though it reads nothing of theirs.
        guards: The conditions around it, outermost first.
        use_cache: Whether the pipeline lets a remembered result stand.
        retries: How often it may be tried again.
    """

    name: str
    title: str
    step: str
    image: str
    parameters: dict[str, Source]
    inputs: dict[str, tuple[Made, ...]]
    after: tuple[str, ...]
    guards: tuple[Guard, ...]
    use_cache: bool = True
    retries: int = 0

    @property
    def reads(self) -> tuple[str, ...]:
        """The tasks whose values or artifacts it is given, in the order of their names."""
        made = {item.task for items in self.inputs.values() for item in items}
        parts = [part for source in self.parameters.values() for part in source.parts()]
        return tuple(sorted(made | {part.task for part in parts if isinstance(part, Returned)}))


@dataclass(frozen=True)
class _Scope:
    """Where the walk is: what the surrounding component was given, and what is around."""

    parameters: dict[str, Source] = field(default_factory=dict)
    artifacts: dict[str, tuple[Made, ...]] = field(default_factory=dict)
    path: tuple[str, ...] = ()
    suffix: str = ""
    after: tuple[str, ...] = ()
    guards: tuple[Guard, ...] = ()


@dataclass
class _Result:
    """What a task of the compiled pipeline came to: its steps, and what others may read of it."""

    names: list[str] = field(default_factory=list)
    parameters: dict[str, Source] = field(default_factory=dict)
    artifacts: dict[str, tuple[Made, ...]] = field(default_factory=dict)
    choices: set[str] = field(default_factory=set)


def flatten(spec: Any) -> list[FlatTask]:
    """The tasks of a pipeline as SageMaker runs them, each after those it waits for.

    Args:
        spec: KFP's `PipelineSpec` message.

    Raises:
        UsageError: Something in it cannot be said in a SageMaker pipeline.
    """
    found: dict[str, FlatTask] = {}
    arguments: dict[str, Source] = {name: Argument(name) for name in spec.root.input_definitions.parameters}
    _Walk(spec, found).dag(spec.root.dag, _Scope(parameters=arguments))
    for task in found.values():
        _check_branches(task, found)
    return list(found.values())


class _Walk:
    """One pass over a pipeline, outside in."""

    def __init__(self, spec: Any, found: dict[str, FlatTask]) -> None:
        self._spec, self._found = spec, found

    def dag(self, dag: Any, scope: _Scope) -> dict[str, _Result]:
        """The tasks of one component, in the order of what they wait for."""
        done: dict[str, _Result] = {}
        for name in _order(dag):
            done[name] = self._task(name, dag.tasks[name], scope, done)
        return done

    def _task(self, name: str, task: Any, scope: _Scope, done: dict[str, _Result]) -> _Result:
        if task.trigger_policy.strategy == 2:  # ALL_UPSTREAM_TASKS_COMPLETED
            raise _refused(name, "a task that also runs after a failure (dsl.ExitHandler, ignore_upstream_failure)")
        component = self._spec.components[task.component_ref.name]
        parameters, artifacts = _inputs(task, component, scope, done, name)
        after = [*scope.after, *(one for item in task.dependent_tasks for one in done[item].names)]
        inner = replace(scope, parameters=parameters, artifacts=artifacts, after=tuple(dict.fromkeys(after)))
        if task.trigger_policy.condition:
            inner = replace(inner, guards=(*scope.guards, self._guard(name, task, inner)))
        if component.WhichOneof("implementation") != "dag":
            return self._leaf(name, task, component, inner)
        if task.WhichOneof("iterator"):
            return self._loop(name, task, component, inner)
        return self._part(name, component, inner)

    def _guard(self, name: str, task: Any, scope: _Scope) -> Guard:
        full = _named((*scope.path, name), scope.suffix)
        return Guard(full, task.task_info.name or name, task.trigger_policy.condition, scope.parameters)

    def _part(self, name: str, component: Any, scope: _Scope) -> _Result:
        path = scope.path if is_group(name) else (*scope.path, name)
        done = self.dag(component.dag, replace(scope, path=path))
        result = _Result(names=[one for item in done.values() for one in item.names])
        outputs = component.dag.outputs
        for key, chosen in outputs.artifacts.items():
            ends = [
                done[item.producer_subtask].artifacts[item.output_artifact_key] for item in chosen.artifact_selectors
            ]
            result.artifacts[key] = tuple(made for end in ends for made in end)
            result.choices |= {key} if len(ends) > 1 else set()
        for key, one in outputs.parameters.items():
            several = one.WhichOneof("kind") == "value_from_oneof"
            items = one.value_from_oneof.parameter_selectors if several else [one.value_from_parameter]
            result.parameters[key] = done[items[0].producer_subtask].parameters[items[0].output_parameter_key]
            result.choices |= {key} if several and len(items) > 1 else set()
        return result

    def _loop(self, name: str, task: Any, component: Any, scope: _Scope) -> _Result:
        iterator = task.parameter_iterator
        items = _items(name, iterator, scope) if task.WhichOneof("iterator") == "parameter_iterator" else None
        if items is None:
            raise _refused(name, "a loop over artifacts")
        rounds = []
        for index, item in enumerate(items):
            parameters = {**scope.parameters, iterator.item_input: Constant(item)}
            inner = replace(scope, parameters=parameters, suffix=f"{scope.suffix}_{index}")
            rounds.append(self._part(name, component, inner))
        result = _Result(names=[one for item in rounds for one in item.names])
        for key in rounds[0].artifacts if rounds else ():
            result.artifacts[key] = tuple(made for item in rounds for made in item.artifacts[key])
        for key in rounds[0].parameters if rounds else ():
            result.parameters[key] = Several(tuple(item.parameters[key] for item in rounds))
        result.choices = {key for item in rounds for key in item.choices}
        return result

    def _leaf(self, name: str, task: Any, component: Any, scope: _Scope) -> _Result:
        from google.protobuf import json_format

        executor = json_format.MessageToDict(self._spec.deployment_spec["executors"][component.executor_label])
        container = executor.get("container", {})
        step = step_of(container.get("command", []))
        if not step:
            kind = "an importer" if "importer" in executor else "a component that is no step of intermodal"
            raise _refused(name, kind)
        full = _named((*scope.path, name), scope.suffix)
        options = task.caching_options
        self._found[full] = FlatTask(
            name=full,
            title=name,
            step=step,
            image=container.get("image", ""),
            parameters=scope.parameters,
            inputs=scope.artifacts,
            after=scope.after,
            guards=scope.guards,
            use_cache=options.enable_cache or not task.HasField("caching_options"),
            retries=task.retry_policy.max_retry_count,
        )
        outputs = component.output_definitions
        return _Result(
            names=[full],
            parameters={key: Returned(full, key) for key in outputs.parameters},
            artifacts={key: (Made(full, key),) for key in outputs.artifacts},
        )


def _inputs(
    task: Any, component: Any, scope: _Scope, done: dict[str, _Result], name: str
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


def _parameter(key: str, item: Any, scope: _Scope, done: dict[str, _Result], name: str) -> Source | None:
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
        raise _refused(name, "a task that is told how others ended (PipelineTaskFinalStatus)")
    selector = item.parameter_expression_selector
    return source if source is None or not selector else _field(source, selector, name)


def _artifact(item: Any, scope: _Scope, done: dict[str, _Result], name: str) -> tuple[Made, ...]:
    if item.WhichOneof("kind") == "component_input_artifact":
        return scope.artifacts.get(item.component_input_artifact, ())
    wanted = item.task_output_artifact
    _check_choice(name, wanted.output_artifact_key, done[wanted.producer_task])
    return done[wanted.producer_task].artifacts[wanted.output_artifact_key]


def _field(source: Source, selector: str, name: str) -> Source:
    if not selector.startswith(_ITEM_FIELD):
        raise _refused(name, f"the expression {selector}")
    key = selector.removeprefix(_ITEM_FIELD).removesuffix('"]')
    if isinstance(source, Constant) and isinstance(source.value, dict) and key in source.value:
        return Constant(source.value[key])
    return Field(source, key)


def _items(name: str, iterator: Any, scope: _Scope) -> list[Any]:
    """What a loop goes over, where the pipeline itself says it."""
    if iterator.items.WhichOneof("kind") == "raw":
        return list(json.loads(iterator.items.raw))
    source = scope.parameters.get(iterator.items.input_parameter)
    value = source.value if isinstance(source, Constant) else None
    value = json.loads(value) if isinstance(value, str) else value
    if not isinstance(value, list):
        raise _refused(name, "a loop over items that are known only when the pipeline runs")
    return value


def _check_choice(name: str, key: str, producer: _Result) -> None:
    if key in producer.choices:
        raise _refused(name, "a task that takes what one of several branches made (dsl.OneOf)")


def _check_branches(task: FlatTask, found: dict[str, FlatTask]) -> None:
    """Refuse a task that would wait for one whose branch may not be taken: SageMaker would never start it."""
    around = [guard.name for guard in task.guards]
    for other in (*task.reads, *task.after):
        inside = [guard.name for guard in found[other].guards]
        if around[: len(inside)] != inside:
            raise _refused(task.title, f"a task that waits for {found[other].title}, which is inside a condition")


def _order(dag: Any) -> list[str]:
    """Names of a component's tasks, each after those it waits for."""
    waiting = {name: set(_parents(task)) for name, task in sorted(dag.tasks.items())}
    order: list[str] = []
    while waiting:
        ready = next((name for name, before in waiting.items() if before <= set(order)), None)
        if ready is None:
            raise UsageError("the pipeline's tasks wait for one another in a circle", seen=", ".join(waiting))
        order.append(ready)
        del waiting[ready]
    return order


def _parents(task: Any) -> set[str]:
    names = set(task.dependent_tasks)
    names |= {item.task_output_parameter.producer_task for item in task.inputs.parameters.values()}
    names |= {item.task_output_artifact.producer_task for item in task.inputs.artifacts.values()}
    return names - {""}


def _named(path: tuple[str, ...], suffix: str) -> str:
    """A step's name; a long one keeps its end, and a digest of the whole."""
    full = _PART.join(path) + suffix
    if len(full) <= _NAME_LENGTH:
        return full
    return f"{hashlib.sha256(full.encode()).hexdigest()[:8]}{full[-_NAME_LENGTH + 8 :]}"


def _plain(value: Any) -> Any:
    from google.protobuf import json_format

    plain = json_format.MessageToDict(value)
    return int(plain) if isinstance(plain, float) and plain.is_integer() else plain


def _refused(name: str, what: str) -> UsageError:
    return UsageError(
        "this cannot be said in a SageMaker pipeline",
        seen=f"{name}: {what}",
        expected="steps, conditions, loops over known items, sub-pipelines",
        next_step="intermodal run PIPELINE --on sagemaker runs it, with this machine or a pod in charge",
    )
