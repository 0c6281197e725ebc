"""A plan: for every task of a pipeline, whether it would run, and why; nothing is run.

The plan goes through the very code that a run goes through: kfp.local orders the tasks and resolves
their inputs, and the same look-up answers. A task that would run gives out marked values, so that
what depends on it is known to depend on it.
"""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from intermodal.core.config import Settings
from intermodal.core.executor_input import TaskInput, parse
from intermodal.core.registry import load_function
from intermodal.core.step import StepSpec, spec_of
from intermodal.errors import IntermodalError
from intermodal.runtime.context import TaskContext
from intermodal.runtime.graph import GraphTask, tasks_of
from intermodal.runtime.local.hooks import hooked, run_pipeline
from intermodal.runtime.outcome import write_atomically
from intermodal.runtime.pipeline import PARAMETER_TYPES, Pipeline
from intermodal.runtime.placing import LOCAL, work_of
from intermodal.runtime.record import RunRecord
from intermodal.runtime.task import Task, look_up, serve

HIT, MISS, UNDETERMINED, SKIPPED = "hit", "miss", "undetermined", "skipped"
_MARK = "planned:"
_FIRST_NUMBER = -9_007_199_254_000_000  # far from any real count, and exact as a double


@dataclass(frozen=True)
class PlannedTask:
    """What a run would do with one task.

    Attributes:
        name: The task.
        step: "module:function"; empty for a component that is not one of ours.
        verdict: "hit", "miss", "undetermined" or "skipped".
        reason: Why.
        seconds: How long the work took when it was last done; 0 when not known.
    """

    name: str
    step: str
    verdict: str
    reason: str
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The entry as a mapping."""
        return asdict(self)


def make_plan(
    pipeline: Pipeline,
    arguments: dict[str, Any],
    settings: Settings,
    placements: Mapping[str, str] | None = None,
    runtime: str = LOCAL,
) -> list[PlannedTask]:
    """Plan a run.

    Args:
        pipeline: The pipeline.
        arguments: Its arguments.
        settings: Where things live.
        placements: Task or step → runtime, where it differs.
        runtime: The runtime of all others.

    Returns:
        One entry a task, in the order they would run; those that may or will not run come last.

    Raises:
        StoreFailed: The store did not answer.
    """
    tasks = tasks_of(pipeline.spec)
    record = RunRecord("", pipeline.name, "", {}, {}, runtime=runtime, placements=dict(placements or {}))
    planner = _Planner(settings, _conditions(pipeline.spec), record)
    with tempfile.TemporaryDirectory(prefix="intermodal-plan-") as folder:
        planner.folder = Path(folder)
        with hooked(planner.run_step, lambda label: Path(folder) / label, planner.decide):
            run_pipeline(pipeline.spec, arguments, Path(folder) / "kfp")
    return [*planner.entries.values(), *planner.rest(tasks)]


class _Planner:
    def __init__(self, settings: Settings, conditions: dict[str, list[str]], record: RunRecord) -> None:
        self.entries: dict[str, PlannedTask] = {}
        self.folder = Path()
        self._settings, self._record = settings, record
        self._conditions = conditions
        self._open: set[str] = set()
        self._counter = itertools.count()
        self._numbers: dict[float, str] = {}

    def run_step(self, label: str, step: str, fields: dict[str, Any], *_rest: Any) -> bool:
        """Look a task up; what `hooked` calls in place of running it."""
        if not step:
            self.entries[label] = PlannedTask(label, "", MISS, "not an intermodal step: it always runs")
            fields["outputs"].update(self._foreign_outputs(label, fields["component"]))
            return True
        given = parse(json.dumps(fields))
        function = load_function(step)
        waits = self._waits_for(given)
        work = work_of(label, spec_of(function), self._record, self._settings)
        context = TaskContext(self._settings, "", label, self.folder / label, image=work)
        entry = PlannedTask(label, step, MISS, "; ".join(waits))
        if not waits:
            entry = self._look(Task(function, given, context), entry)
        if entry.verdict == MISS:
            self._mark_outputs(label, given, spec_of(function))
        self.entries[label] = entry
        return True

    def decide(self, condition: str, values: list[Any]) -> bool | None:
        """Whether a condition holds; one that reads an unknown value is followed, once in its group."""
        if not any(self._mark_in(value) for value in values):
            return None
        groups = self._conditions.get(condition, [])
        followed = bool(self._open & set(groups))
        self._open |= set(groups)
        return not followed

    def rest(self, tasks: tuple[GraphTask, ...]) -> list[PlannedTask]:
        """Tasks that the plan did not come by."""
        seen = {name.partition(".")[0] for name in self.entries}
        found = []
        for task in tasks:
            if task.name in seen:
                continue
            unknown = self._open & set(task.inside)
            why = "its condition is known only when earlier tasks have run" if unknown else "its condition is not met"
            found.append(PlannedTask(task.name, task.step, UNDETERMINED if unknown else SKIPPED, why))
        return found

    def _look(self, task: Task, entry: PlannedTask) -> PlannedTask:
        try:
            _parts, result, why = look_up(task)
        except IntermodalError as error:
            return PlannedTask(entry.name, entry.step, MISS, f"it would fail: {error.headline}")
        if result is None:
            return PlannedTask(entry.name, entry.step, MISS, why)
        serve(task, result, why, 0.0)
        return PlannedTask(entry.name, entry.step, HIT, why, result.seconds)

    def _waits_for(self, given: TaskInput) -> list[str]:
        lines = []
        for name, items in sorted(given.inputs.items()):
            makers = [item.uri.removeprefix(_MARK) for item in items if item.uri.startswith(_MARK)]
            lines += [f"input {name} comes from {maker}, which will run" for maker in makers[:1]]
        for name, value in sorted(given.parameters.items()):
            maker = self._mark_in(value)
            lines += [f"parameter {name} comes from {maker}, which will run"] if maker else []
        return lines

    def _mark_in(self, value: Any) -> str:
        """The task behind a marked value; empty for a real one."""
        if isinstance(value, str):
            return value.removeprefix(_MARK) if value.startswith(_MARK) else ""
        if isinstance(value, int | float):
            return self._numbers.get(float(value), "")
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return next((mark for item in inner if (mark := self._mark_in(item))), "")

    def _mark_outputs(self, label: str, given: TaskInput, spec: StepSpec) -> None:
        artifacts = {
            name: {"artifacts": [{"name": name, "uri": _MARK + label, "metadata": {}}]} for name in given.outputs
        }
        values = {name: self._marked(label, kind) for name, kind in spec.return_types.items()}
        write_atomically(Path(given.output_file), json.dumps({"artifacts": artifacts, "parameterValues": values}))

    def _foreign_outputs(self, label: str, component: Any) -> dict[str, Any]:
        """Marked outputs of a component that is not one of ours, as kfp hands them on."""
        from kfp import dsl
        from kfp.pipeline_spec.pipeline_spec_pb2 import ParameterType

        made: dict[str, Any] = {
            name: dsl.Artifact(name=name, uri=_MARK + label, metadata={})
            for name in component.output_definitions.artifacts
        }
        for name, item in component.output_definitions.parameters.items():
            kind = PARAMETER_TYPES.get(ParameterType.ParameterTypeEnum.Name(item.parameter_type), str)
            made[name] = self._marked(label, kind)
        return made

    def _marked(self, label: str, kind: type) -> Any:
        if kind in (int, float, bool):
            number = float(_FIRST_NUMBER - next(self._counter))
            self._numbers[number] = label
            return number
        mark = _MARK + label
        return [mark] if kind is list else {"planned": mark} if kind is dict else mark


def _conditions(spec: Any) -> dict[str, list[str]]:
    """Condition expression → the tasks it guards, and their group of exclusive branches."""
    found: dict[str, list[str]] = {}
    groups = {"": spec.root.dag, **{name: item.dag for name, item in spec.components.items() if item.HasField("dag")}}
    for group, dag in groups.items():
        exclusive = [group.removeprefix("comp-")] if "condition-branches" in group else []
        for name, task in dag.tasks.items():
            if task.trigger_policy.condition:
                found.setdefault(task.trigger_policy.condition, []).extend([name, *exclusive])
    return found
