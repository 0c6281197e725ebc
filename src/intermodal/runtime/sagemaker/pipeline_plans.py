"""A whole pipeline as plans of jobs, before anything runs: every task, every branch, in the order of the run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intermodal.aws.request import Place, TaskPlan
from intermodal.aws.settings import SageMakerSettings
from intermodal.core.registry import load_function
from intermodal.core.step import StepSpec, spec_of
from intermodal.errors import RuntimeFailed
from intermodal.runtime.graph import is_group, step_of, tasks_of, template_of
from intermodal.runtime.keys import complete_parameters
from intermodal.runtime.local.conditions import CHANNEL, holds, references
from intermodal.runtime.pipeline import Pipeline, all_arguments
from intermodal.runtime.sagemaker.bindings import Scope, Value, inner_scope, rounds_of
from intermodal.runtime.sagemaker.planning import image_for
from intermodal.runtime.sagemaker.render import UNKNOWN
from intermodal.runtime.sagemaker.shipping import SOURCES

_STAND_INS: dict[type, Any] = {str: UNKNOWN, int: 0, float: 0.0, bool: False, list: [], dict: {}}
_REFERENCE = re.compile(r"inputs\.parameter_values\['([^']+)'\]")


@dataclass(frozen=True)
class Condition:
    """A condition around a task.

    Attributes:
        text: As a person reads it: "framework == 'pytorch'".
        holds: Whether it holds; None when that is known only while the pipeline runs.
    """

    text: str
    holds: bool | None


@dataclass(frozen=True)
class BranchPlan:
    """A task of the pipeline, with its plan where it is a step.

    Attributes:
        name: The task; in a loop with the number of the round.
        step: "module:function"; empty for a component that is not a step.
        plan: Its plan; None for a component that is not a step.
        conditions: The conditions around it, outermost first.
    """

    name: str
    step: str
    plan: TaskPlan | None
    conditions: tuple[Condition, ...] = ()


def pipeline_plans(
    pipeline: Pipeline, arguments: dict[str, Any], settings: SageMakerSettings, place: Place
) -> list[TaskPlan]:
    """The plan of every step of a pipeline, in order; every branch and every known round of a loop.

    What comes from another task stands as it may look, and is listed as unknown in the plan.

    Args:
        pipeline: The pipeline.
        arguments: Its arguments; defaults fill the rest.
        settings: `[sagemaker]`.
        place: The account's places.

    Raises:
        UsageError: A step is not there, or a parameter of it is wrong.
    """
    return [item.plan for item in branch_plans(pipeline, arguments, settings, place) if item.plan is not None]


def branch_plans(
    pipeline: Pipeline, arguments: dict[str, Any], settings: SageMakerSettings, place: Place
) -> list[BranchPlan]:
    """The same with the conditions around each task, and with the components that are not steps."""
    given = {name: Value(value) for name, value in all_arguments(pipeline, arguments).items()}
    walk = _Walk(pipeline, settings, place)
    found = list(walk.dag(pipeline.spec.root.dag, Scope(given, {}), (), (), ()))
    order = {task.name: number for number, task in enumerate(tasks_of(pipeline.spec))}
    return sorted(found, key=lambda item: order[template_of(item.name)])


@dataclass(frozen=True)
class _Walk:
    """A walk through a pipeline and its parts."""

    pipeline: Pipeline
    settings: SageMakerSettings
    place: Place

    def dag(
        self, dag: Any, scope: Scope, parts: tuple[str, ...], rounds: tuple[int, ...], around: tuple[Condition, ...]
    ) -> Iterator[BranchPlan]:
        """The tasks of a part: of the pipeline, a branch, a loop, or a pipeline within."""
        spec = self.pipeline.spec
        for name, task in sorted(dag.tasks.items()):
            given = inner_scope(spec, dag, task, scope, self.place.store)
            text = task.trigger_policy.condition
            inside = (*around, _condition(text, given)) if text else around
            component = spec.components[task.component_ref.name]
            if component.WhichOneof("implementation") != "dag":
                label = ".".join(["--".join([*parts, name]), *(str(number) for number in rounds)])
                yield self._task(label, component, given, inside)
                continue
            inner = parts if is_group(name) else (*parts, name)
            looped = task.WhichOneof("iterator") is not None
            for number, once in enumerate(rounds_of(task, given)):
                turns = (*rounds, number) if looped else rounds
                yield from self.dag(component.dag, once, inner, turns, inside)

    def _task(self, label: str, component: Any, given: Scope, around: tuple[Condition, ...]) -> BranchPlan:
        from google.protobuf import json_format

        executor = json_format.MessageToDict(self.pipeline.spec.deployment_spec["executors"][component.executor_label])
        container = executor.get("container", {})
        target = step_of(container.get("command", []))
        if not target:
            return BranchPlan(label, "", None, around)
        spec = spec_of(load_function(target))
        return BranchPlan(label, target, self._plan(label, spec, container.get("image", ""), given), around)

    def _plan(self, label: str, spec: StepSpec, image: str, given: Scope) -> TaskPlan:
        declared = {item.name: item for item in spec.parameters}
        values = {name: value for name, value in given.values.items() if name in declared}
        local = {name for name in spec.needs.sources if name in values and _is_here(values[name])}
        unknown = sorted(local | {name for name, value in values.items() if not value.known})
        stand_ins = {name: _stand_in(self.place, values[name], declared[name].type) for name in unknown}
        plain = {name: value.value for name, value in values.items()}
        slots = {item.name for item in spec.inputs}
        artifacts = {name: item for name, item in given.artifacts.items() if name in slots}
        return TaskPlan(
            pipeline=self.pipeline.name,
            run_id=UNKNOWN,
            task=label,
            spec=spec,
            parameters=complete_parameters(spec, {**plain, **stand_ins}),
            inputs={name: item.uris for name, item in artifacts.items()},
            image=image_for(spec, image, self.settings),
            settings=self.settings,
            place=self.place,
            unknown_inputs=tuple(sorted(name for name, item in artifacts.items() if not item.known)),
            unknown_parameters=tuple(unknown),
            machine=UNKNOWN,
        )


def _is_here(value: Value) -> bool:
    """Whether a source is data on this machine, which a run brings to S3 first."""
    path = value.value
    return value.known and isinstance(path, str) and path != "" and "://" not in path and os.path.exists(path)


def _stand_in(place: Place, value: Value, kind: type) -> Any:
    if _is_here(value):
        return f"{place.store}/{SOURCES}/{UNKNOWN}/{Path(value.value).name}"
    return _STAND_INS[kind]


def _condition(text: str, given: Scope) -> Condition:
    """A condition with the names that people gave, and what it comes to."""
    plain = _REFERENCE.sub(lambda found: found[1].removeprefix(CHANNEL), text)
    return Condition(plain, _holds(text, given.values))


def _holds(text: str, values: Mapping[str, Value]) -> bool | None:
    read = [values.get(name, Value(known=False)) for name in references(text)]
    if not all(value.known for value in read):
        return None
    try:
        return holds(text, [value.value for value in read])
    except RuntimeFailed:
        return None
