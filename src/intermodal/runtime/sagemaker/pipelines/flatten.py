"""A compiled pipeline, flattened for SageMaker: sub-pipelines dissolved, loops over known items unrolled.

What SageMaker's pipelines cannot do is refused here, before anything is made: exit handlers, loops over
items that only a task knows, a task that takes what one of several branches made, components that are not
steps of ours.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from intermodal.errors import UsageError
from intermodal.runtime.graph import is_group, step_of
from intermodal.runtime.sagemaker.pipelines.flat_task import FlatTask, Guard, Made
from intermodal.runtime.sagemaker.pipelines.given import Result, Scope, inputs_of, items_of, refused
from intermodal.runtime.sagemaker.pipelines.sources import Argument, Constant, Returned, Several, Source

_NAME_LENGTH = 64
_PART = "--"


def flatten(spec: Any) -> list[FlatTask]:
    """The tasks of a pipeline as SageMaker runs them, each after those it waits for.

    Args:
        spec: KFP's `PipelineSpec` message.

    Raises:
        UsageError: Something in it cannot be said in a SageMaker pipeline.
    """
    found: dict[str, FlatTask] = {}
    arguments: dict[str, Source] = {name: Argument(name) for name in spec.root.input_definitions.parameters}
    _Walk(spec, found).dag(spec.root.dag, Scope(parameters=arguments))
    for task in found.values():
        _check_branches(task, found)
    return list(found.values())


class _Walk:
    """One pass over a pipeline, outside in."""

    def __init__(self, spec: Any, found: dict[str, FlatTask]) -> None:
        self._spec, self._found = spec, found

    def dag(self, dag: Any, scope: Scope) -> dict[str, Result]:
        """The tasks of one component, in the order of what they wait for."""
        done: dict[str, Result] = {}
        for name in _order(dag):
            done[name] = self._task(name, dag.tasks[name], scope, done)
        return done

    def _task(self, name: str, task: Any, scope: Scope, done: dict[str, Result]) -> Result:
        if task.trigger_policy.strategy == 2:  # ALL_UPSTREAM_TASKS_COMPLETED
            raise refused(name, "a task that also runs after a failure (dsl.ExitHandler, ignore_upstream_failure)")
        component = self._spec.components[task.component_ref.name]
        parameters, artifacts = inputs_of(task, component, scope, done, name)
        after = [*scope.after, *(one for item in task.dependent_tasks for one in done[item].names)]
        inner = replace(scope, parameters=parameters, artifacts=artifacts, after=tuple(dict.fromkeys(after)))
        if task.trigger_policy.condition:
            inner = replace(inner, guards=(*scope.guards, self._guard(name, task, inner)))
        if component.WhichOneof("implementation") != "dag":
            return self._leaf(name, task, component, inner)
        if task.WhichOneof("iterator"):
            return self._loop(name, task, component, inner)
        return self._part(name, component, inner)

    def _guard(self, name: str, task: Any, scope: Scope) -> Guard:
        full = _named((*scope.path, name), scope.suffix)
        return Guard(full, task.task_info.name or name, task.trigger_policy.condition, scope.parameters)

    def _part(self, name: str, component: Any, scope: Scope) -> Result:
        path = scope.path if is_group(name) else (*scope.path, name)
        done = self.dag(component.dag, replace(scope, path=path))
        result = Result(names=[one for item in done.values() for one in item.names])
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

    def _loop(self, name: str, task: Any, component: Any, scope: Scope) -> Result:
        iterator = task.parameter_iterator
        items = items_of(name, iterator, scope) if task.WhichOneof("iterator") == "parameter_iterator" else None
        if items is None:
            raise refused(name, "a loop over artifacts")
        rounds = []
        for index, item in enumerate(items):
            parameters = {**scope.parameters, iterator.item_input: Constant(item)}
            inner = replace(scope, parameters=parameters, suffix=f"{scope.suffix}_{index}")
            rounds.append(self._part(name, component, inner))
        result = Result(names=[one for item in rounds for one in item.names])
        for key in rounds[0].artifacts if rounds else ():
            result.artifacts[key] = tuple(made for item in rounds for made in item.artifacts[key])
        for key in rounds[0].parameters if rounds else ():
            result.parameters[key] = Several(tuple(item.parameters[key] for item in rounds))
        result.choices = {key for item in rounds for key in item.choices}
        return result

    def _leaf(self, name: str, task: Any, component: Any, scope: Scope) -> Result:
        from google.protobuf import json_format

        executor = json_format.MessageToDict(self._spec.deployment_spec["executors"][component.executor_label])
        container = executor.get("container", {})
        step = step_of(container.get("command", []))
        if not step:
            kind = "an importer" if "importer" in executor else "a component that is no step of intermodal"
            raise refused(name, kind)
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
        return Result(
            names=[full],
            parameters={key: Returned(full, key) for key in outputs.parameters},
            artifacts={key: (Made(full, key),) for key in outputs.artifacts},
        )


def _check_branches(task: FlatTask, found: dict[str, FlatTask]) -> None:
    """Refuse a task that would wait for one whose branch may not be taken: SageMaker would never start it."""
    around = [guard.name for guard in task.guards]
    for other in (*task.reads, *task.after):
        inside = [guard.name for guard in found[other].guards]
        if around[: len(inside)] != inside:
            raise refused(task.title, f"a task that waits for {found[other].title}, which is inside a condition")


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
