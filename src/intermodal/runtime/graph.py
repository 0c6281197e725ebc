"""The tasks of a compiled pipeline, flattened: what a plan lists and a report draws."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

STEP_FLAG = "--step"
_SEPARATOR = "--"  # between a sub-pipeline and its task; kfp allows single dashes in names alone
_GROUP = re.compile(r"(condition|condition-branches|for-loop|exit-handler)-\d+(-iteration-\d+)?")


@dataclass(frozen=True)
class GraphTask:
    """One task of a pipeline.

    Attributes:
        name: Its name, unique in the pipeline; "part--task" inside a sub-pipeline.
        step: "module:function" of its step; empty for a component that is not one of ours.
        image: Its image reference.
        depends_on: Names of the tasks it waits for.
        inside: Names of the conditions and loops around it, outermost first.
    """

    name: str
    step: str
    image: str
    depends_on: tuple[str, ...]
    inside: tuple[str, ...] = ()


def tasks_of(spec: Any) -> tuple[GraphTask, ...]:
    """Flatten a pipeline, sub-pipelines, conditions and loops included.

    Args:
        spec: KFP's `PipelineSpec` message.

    Returns:
        Its tasks, each after those it depends on.
    """
    found: dict[str, GraphTask] = {}
    _walk(spec, spec.root.dag, (), (), found)
    return _in_order(found)


def step_of(command: list[str]) -> str:
    """The step a component's command names; empty when it is not one of ours."""
    words = list(command)
    return words[words.index(STEP_FLAG) + 1] if STEP_FLAG in words and "intermodal" in words else ""


def label_of(task_name: str, resource: str) -> str:
    """The name of a running task: as `tasks_of` names it, and the iterations of the loops around it.

    Args:
        task_name: kfp's name of the task, unique in its pipeline function alone.
        resource: The way to it: "run/part-of-it/for-loop-1-iteration-0".
    """
    way = resource.split("/")[1:]
    iterations = [found[1] for item in way if (found := re.search(r"-iteration-(\d+)$", item))]
    parts = [item for item in way if not _GROUP.fullmatch(item)]
    return ".".join([_SEPARATOR.join([*parts, task_name]), *iterations])


def is_group(name: str) -> bool:
    """Whether a task of the compiled pipeline is a condition, a loop or an exit handler around others."""
    return _GROUP.fullmatch(name) is not None


def in_loop(task: GraphTask) -> bool:
    """Whether a task is inside a loop, and so runs any number of times."""
    return any(name.startswith("for-loop-") and is_group(name) for name in task.inside)


def template_of(label: str) -> str:
    """The task behind a label: without the iterations of loops."""
    return label.partition(".")[0]


def _walk(spec: Any, dag: Any, inside: tuple[str, ...], before: tuple[str, ...], found: dict[str, GraphTask]) -> None:
    from google.protobuf import json_format

    leaves = {name: _leaves(spec, task, _named(name, inside)) for name, task in dag.tasks.items()}
    for name, task in sorted(dag.tasks.items()):
        component = spec.components[task.component_ref.name]
        parents = [leaf for parent in _parents(task) for leaf in leaves.get(parent, ())]
        depends = tuple(dict.fromkeys((*parents, *(() if parents else before))))
        if component.WhichOneof("implementation") == "dag":
            _walk(spec, component.dag, (*inside, name), depends, found)
            continue
        executor = spec.deployment_spec["executors"][component.executor_label]
        container = json_format.MessageToDict(executor).get("container", {})
        command, image = container.get("command", []), container.get("image", "")
        full = _named(name, inside)
        found[full] = GraphTask(full, step_of(command), image, depends, inside)


def _named(name: str, inside: tuple[str, ...]) -> str:
    return _SEPARATOR.join([*(item for item in inside if not _GROUP.fullmatch(item)), name])


def _leaves(spec: Any, task: Any, name: str) -> tuple[str, ...]:
    """The plain tasks behind a task, which may be a condition, a loop or a sub-pipeline."""
    component = spec.components[task.component_ref.name]
    if component.WhichOneof("implementation") != "dag":
        return (name,)
    inner = component.dag.tasks
    *around, last = name.split(_SEPARATOR)
    way = around if _GROUP.fullmatch(last) else [*around, last]
    return tuple(leaf for key in sorted(inner) for leaf in _leaves(spec, inner[key], _SEPARATOR.join([*way, key])))


def _parents(task: Any) -> list[str]:
    names = list(task.dependent_tasks)
    for item in task.inputs.parameters.values():
        names.append(item.task_output_parameter.producer_task)
    for item in task.inputs.artifacts.values():
        names.append(item.task_output_artifact.producer_task)
    return sorted({name for name in names if name})


def _in_order(found: dict[str, GraphTask]) -> tuple[GraphTask, ...]:
    done: dict[str, GraphTask] = {}
    waiting = dict(sorted(found.items()))
    while waiting:
        ready = [name for name, task in waiting.items() if all(item in done for item in task.depends_on)]
        for name in ready or list(waiting):  # a compiled pipeline has no cycle; never hang on one that has
            done[name] = waiting.pop(name)
    return tuple(done.values())
