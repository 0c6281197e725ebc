"""A pipeline as a SageMaker pipeline definition, version 2020-12-01: a value, rendered without asking anybody."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from intermodal.aws.request import Place, TaskPlan
from intermodal.aws.secrets import check_no_secrets, is_secret_name
from intermodal.aws.settings import SageMakerSettings
from intermodal.core.config import Settings
from intermodal.core.registry import load_spec
from intermodal.runtime.pipeline import Pipeline
from intermodal.runtime.placing import is_reachable
from intermodal.runtime.sagemaker.pipelines.conditions import conditions_of
from intermodal.runtime.sagemaker.pipelines.flat_task import FlatTask, Guard
from intermodal.runtime.sagemaker.pipelines.flatten import flatten
from intermodal.runtime.sagemaker.pipelines.job_steps import JobStep, as_job, job_step, reading, step_kind
from intermodal.runtime.sagemaker.pipelines.operands import operand_of
from intermodal.runtime.sagemaker.pipelines.packages import register_model
from intermodal.runtime.sagemaker.pipelines.parameters import declarations, parameter_list
from intermodal.runtime.sagemaker.pipelines.schema import check_definition
from intermodal.runtime.sagemaker.pipelines.sources import Argument, Constant
from intermodal.runtime.sagemaker.pipelines.task_file import TaskFile, constants_of, task_file
from intermodal.runtime.sagemaker.planning import image_for

VERSION = "2020-12-01"
FAIL_STEP = "intermodal.steps.fail:fail"
TRACKING_VARIABLE = "MLFLOW_TRACKING_URI"
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+")
_NAME_LENGTH = 64


@dataclass(frozen=True)
class Definition:
    """A rendered pipeline.

    Attributes:
        name: The pipeline's name.
        description: Its description.
        body: The definition.
        files: Files of its tasks, which must lie in the store before it runs.
        plans: The plans of its tasks' jobs.
        role: ARN of the role that it runs under.
        store: Root of the artifact store, s3://….
        sources: Parameters of the pipeline that name data: a step reads them where the job runs.
        untracked: Steps that need MLflow, though their jobs are not told where it is.
        secrets: Parameters of the pipeline that may hold only references, since a step takes them for secrets.
    """

    name: str
    description: str
    body: dict[str, Any]
    files: tuple[TaskFile, ...]
    plans: tuple[TaskPlan, ...]
    role: str
    store: str
    sources: tuple[str, ...] = ()
    untracked: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The definition as JSON."""
        return json.dumps(self.body, indent=1, ensure_ascii=False) + "\n"

    @property
    def digest(self) -> str:
        """sha256 of the definition: two with the same one are the same pipeline."""
        return hashlib.sha256(json.dumps(self.body, sort_keys=True).encode()).hexdigest()

    @property
    def steps(self) -> list[str]:
        """Names of all steps."""
        inner = [item["Name"] for step in self.body["Steps"] for item in step["Arguments"].get("IfSteps", [])]
        return [step["Name"] for step in self.body["Steps"]] + inner


def render_definition(
    pipeline: Pipeline,
    settings: SageMakerSettings,
    place: Place,
    *,
    tracking: dict[str, str] | None = None,
    model_package_group: str = "",
) -> Definition:
    """Render a pipeline.

    Args:
        pipeline: The pipeline.
        settings: `[sagemaker]`.
        place: The account's places.
        tracking: Variables by which jobs find MLflow; `tracking_variables`.
        model_package_group: Also register every model that is registered in MLflow, as a model package of this
            group that waits for approval; where its training is a training job.

    Raises:
        UsageError: Something in it cannot be said in a SageMaker pipeline.
    """
    tasks = {task.name: task for task in flatten(pipeline.spec)}
    made = _Rendering(pipeline, settings, place, tasks, tracking or {}).steps(model_package_group)
    body = {
        "Version": VERSION,
        "Metadata": {},
        "Parameters": parameter_list(pipeline, made.facts[2]),
        "Steps": made.steps,
    }
    check_definition(body)
    about = pipeline.spec.pipeline_info.description
    return Definition(
        pipeline.name, about, body, tuple(made.files), tuple(made.plans), place.role, place.store, *made.facts
    )


def tracking_variables(settings: Settings, *, local: bool = False) -> dict[str, str]:
    """The variables by which jobs find MLflow; none when they cannot reach it.

    Args:
        settings: Where things live.
        local: Whether a local SageMaker runs the jobs, on the very machine where a database of MLflow lies.

    Raises:
        UsageError: There is a password in the address.
    """
    uri = settings.tracking_uri
    if not (is_reachable(uri) or uri.startswith("arn:") or (local and uri.startswith("sqlite:////"))):
        return {}
    found = {TRACKING_VARIABLE: uri, "MLFLOW_EXPERIMENT_NAME": settings.experiment}
    check_no_secrets(found, "setting")
    return found


@dataclass
class _Made:
    steps: list[dict[str, Any]]
    files: list[TaskFile]
    plans: list[TaskPlan]
    facts: tuple[tuple[str, ...], ...]


class _Rendering:
    """One rendering: the steps of all tasks, and the conditions around them."""

    def __init__(
        self,
        pipeline: Pipeline,
        settings: SageMakerSettings,
        place: Place,
        tasks: dict[str, FlatTask],
        tracking: dict[str, str],
    ) -> None:
        self._pipeline, self._tasks, self._store, self._tracking = pipeline, tasks, place.store, tracking
        self._specs = {task.step: load_spec(task.step) for task in tasks.values()}
        self._plans = {name: self._plan(task, settings, place) for name, task in tasks.items()}
        self._kinds = {name: step_kind(plan) for name, plan in self._plans.items()}
        self._ancestors: dict[str, set[str]] = {}
        for name, task in tasks.items():
            before = {*task.reads, *task.after}
            self._ancestors[name] = before.union(*(self._ancestors[item] for item in before))

    def steps(self, group: str) -> _Made:
        """All steps, those without a condition first."""
        files: list[TaskFile] = []
        branches: dict[tuple[str, ...], list[dict[str, Any]]] = {(): []}
        around: dict[tuple[str, ...], tuple[Guard, ...]] = {}
        for task in self._tasks.values():
            key = tuple(guard.name for guard in task.guards)
            around[key] = task.guards
            branches.setdefault(key, []).extend(self._of_task(task, group, files))
        conditions = [self._condition(around[key], steps) for key, steps in branches.items() if key]
        tasks = [(task, self._specs[task.step]) for task in self._tasks.values()]
        sources = {name for task, spec in tasks for name in _arguments_for(task, set(spec.needs.sources))}
        secret = {
            name for task, _spec in tasks for name in _arguments_for(task, set(filter(is_secret_name, task.parameters)))
        }
        untracked = {name for name, plan in self._plans.items() if self._is_untracked(plan)}
        plans = [as_job(plan) for name, plan in self._plans.items() if self._tasks[name].step != FAIL_STEP]
        facts = tuple(tuple(sorted(found)) for found in (sources, untracked, secret))
        return _Made([*branches[()], *conditions], files, plans, facts)

    def _is_untracked(self, plan: TaskPlan) -> bool:
        known = {**self._tracking, **plan.job.env}
        return "mlflow" in plan.spec.needs.capabilities and TRACKING_VARIABLE not in known

    def _of_task(self, task: FlatTask, group: str, files: list[TaskFile]) -> list[dict[str, Any]]:
        if task.step == FAIL_STEP:
            return [self._fail(task)]
        plan, spec = self._plans[task.name], self._specs[task.step]
        file = task_file(as_job(plan), task, declarations(self._pipeline), spec)
        files.append(file)
        made = [job_step(JobStep(task, plan, file, self._kinds, self._tracking), self._depends(task))]
        if group and spec.name == "register":
            made += register_model(task, self._plans, self._tasks, self._kinds, group)
        return made

    def _plan(self, task: FlatTask, settings: SageMakerSettings, place: Place) -> TaskPlan:
        spec = self._specs[task.step]
        known = {item.name for item in spec.parameters}
        return TaskPlan(
            pipeline=self._pipeline.name,
            run_id="",
            task=task.name,
            spec=spec,
            parameters={name: value for name, value in constants_of(task).items() if name in known},
            inputs={},
            image=image_for(spec, task.image, settings),
            settings=settings,
            place=place,
        )

    def _depends(self, task: FlatTask) -> list[str]:
        """What a task waits for without reading it, and without another that waits for it already."""
        before = {*task.reads, *task.after}
        covered = set().union(*(self._ancestors[item] for item in before)) if before else set()
        wanted = before - covered - set(task.reads)
        return sorted(name for name in wanted if self._tasks[name].step != FAIL_STEP)

    def _fail(self, task: FlatTask) -> dict[str, Any]:
        message = operand_of(task.parameters["message"], self._returned)
        depends = self._depends(task)
        made = {"Name": task.name, "Type": "Fail", "DisplayName": task.title, "Arguments": {"ErrorMessage": message}}
        return {**made, **({"DependsOn": depends} if depends else {})}

    def _condition(self, guards: tuple[Guard, ...], steps: list[dict[str, Any]]) -> dict[str, Any]:
        """One condition step for the tasks of a branch; conditions do not nest, so the outer ones stand in it too."""
        made = [item for guard in guards for item in self._conditions(guard)]
        last = guards[-1]
        return {
            "Name": last.name,
            "Type": "Condition",
            "DisplayName": _NOT_IN_NAMES.sub("-", last.title)[:_NAME_LENGTH],
            "Arguments": {"Conditions": made, "IfSteps": steps, "ElseSteps": []},
        }

    def _conditions(self, guard: Guard) -> list[dict[str, Any]]:
        def operand(name: str) -> Any:
            return operand_of(guard.values.get(name, Constant("")), self._returned)  # an optional one, not given

        return conditions_of(guard.expression, operand)

    def _returned(self, task: str, name: str) -> dict[str, Any]:
        return reading(task, self._kinds[task], f"values.{name}", self._store)


def _arguments_for(task: FlatTask, names: set[str]) -> set[str]:
    """Parameters of the pipeline from which some of a task's parameters are made."""
    found = [source for name, source in task.parameters.items() if name in names]
    return {part.name for source in found for part in source.parts() if isinstance(part, Argument)}
