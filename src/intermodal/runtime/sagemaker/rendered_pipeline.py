"""A whole pipeline as the requests that a run would send, in order; what `intermodal render` prints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from intermodal.aws.data_settings import emr_settings
from intermodal.aws.emr import PLACES as SPARK_PLACES
from intermodal.aws.job_input import MANAGED, kind_of
from intermodal.aws.request import Place, Request, TaskPlan
from intermodal.aws.script_mode import script_mark
from intermodal.aws.settings import SageMakerSettings
from intermodal.core.config import Settings
from intermodal.core.executor_input import ArtifactReference, TaskInput
from intermodal.errors import IntermodalError
from intermodal.runtime.graph import template_of
from intermodal.runtime.keys import key_parts
from intermodal.runtime.pipeline import Pipeline
from intermodal.runtime.sagemaker.pipeline_plans import BranchPlan, Condition, branch_plans
from intermodal.runtime.sagemaker.planning import with_tracking
from intermodal.runtime.sagemaker.render import Staged, render_job, render_task

NAME = "sagemaker"
_CONTENT = "(content)"  # marks, in a plan, that the job's name depends on content that is not known yet


@dataclass(frozen=True)
class TaskRequests:
    """What a task comes to.

    Attributes:
        task: Its name.
        requests: The requests that do its work, in order; empty when it runs elsewhere.
        conditions: The conditions around it, outermost first.
        elsewhere: Why no service of AWS does its work; empty when one does.
        staged: Files that are uploaded before, below the store's root.
    """

    task: str
    requests: tuple[Request, ...] = ()
    conditions: tuple[Condition, ...] = ()
    elsewhere: str = ""
    staged: tuple[Staged, ...] = ()

    @property
    def may_run(self) -> bool:
        """Whether no condition around it is known not to hold."""
        return all(item.holds is not False for item in self.conditions)

    def to_json(self) -> list[dict[str, Any]]:
        """Its requests as `intermodal render --json` prints them."""
        told = [{"condition": item.text, "holds": item.holds} for item in self.conditions]
        files = {item.key: _as_json(item) for item in self.staged}
        return [{**request.to_json(), "conditions": told, "staged": files} for request in self.requests]


def rendered_pipeline(
    pipeline: Pipeline,
    arguments: dict[str, Any],
    settings: Settings,
    sagemaker: SageMakerSettings,
    place: Place,
    placements: Mapping[str, str] | None = None,
    runtime: str = NAME,
) -> list[TaskRequests]:
    """The requests of every task, in the order of the run.

    Args:
        pipeline: The pipeline.
        arguments: Its arguments; defaults fill the rest.
        settings: Where things live on this machine.
        sagemaker: `[sagemaker]`.
        place: The account's places.
        placements: Task or step → runtime, where it differs.
        runtime: The runtime of all others.

    Raises:
        UsageError: Something in a task cannot be sent to AWS; it is named.
    """
    branches = branch_plans(pipeline, arguments, sagemaker, place)
    return [_requests(item, settings, placements or {}, runtime) for item in branches]


def _requests(item: BranchPlan, settings: Settings, placements: Mapping[str, str], runtime: str) -> TaskRequests:
    placed = _place(item, placements, runtime)
    why = _elsewhere(item, settings, placed)
    if why or item.plan is None:
        return TaskRequests(item.name, (), item.conditions, why)
    plan = as_launched(item.plan, settings)
    if placed in SPARK_PLACES:
        from intermodal.runtime.emr.render import render_spark_job

        spark = render_spark_job(plan, placed, emr_settings(settings))
        return TaskRequests(item.name, (spark.request,), item.conditions, staged=spark.staged_files)
    if kind_of(plan) == MANAGED:
        return TaskRequests(item.name, tuple(render_task(plan)), item.conditions)
    job = render_job(plan)
    return TaskRequests(item.name, (job.request,), item.conditions, staged=job.staged_files)


def _as_json(staged: Staged) -> Any:
    """A staged file's content, where it is JSON; its size otherwise."""
    if staged.key.endswith(".json"):
        return json.loads(staged.content)
    if staged.key.endswith(".py"):
        return staged.content.decode()
    return {"bytes": len(staged.content)}


def as_launched(plan: TaskPlan, settings: Settings) -> TaskPlan:
    """The plan with what the launcher adds: the key of the work, source and packages included, so far as it is known.

    Args:
        plan: A plan of `pipeline_plans`.
        settings: Where things live on this machine.
    """
    plan = replace(plan, settings=with_tracking(plan.spec, plan.settings, settings))
    every_run = bool(plan.spec.injected or plan.spec.needs.still_valid)
    if plan.unknown_inputs or plan.unknown_parameters or every_run:
        return replace(plan, unknown_parameters=plan.unknown_parameters or (_CONTENT,))
    schemas = {item.name: item.schema for item in plan.spec.inputs}
    inputs = {
        name: tuple(ArtifactReference(name, schemas[name], uri, {}) for uri in uris)
        for name, uris in plan.inputs.items()
    }
    given = {name: value for name, value in plan.parameters.items() if value is not None}
    work = script_mark(plan.job)
    try:
        return replace(plan, nonce=key_parts(plan.spec, TaskInput({}, given, inputs, {}, ""), settings, work).key)
    except IntermodalError:  # what it reads cannot be read from here
        return replace(plan, unknown_parameters=(_CONTENT,))


def _place(item: BranchPlan, placements: Mapping[str, str], runtime: str) -> str:
    """Where a task was placed: by its own name, by its step's, or with all others."""
    names = (item.name, template_of(item.name), item.plan.spec.name if item.plan else item.name)
    spellings = [way for name in names for way in (name, name.replace("_", "-"), name.replace("-", "_"))]
    return next((placements[name] for name in spellings if name in placements), runtime)


def _elsewhere(item: BranchPlan, settings: Settings, placed: str) -> str:
    """Why a task's work is not done by a service of AWS; empty when it is."""
    from intermodal.runtime.placing import is_reachable

    if item.plan is None:
        return "it is not an intermodal step, and runs on this machine"
    if placed not in (NAME, *SPARK_PLACES):
        return f"it runs on {placed}"
    needs = item.plan.spec.needs  # a managed step's own process stays here, and reaches what we reach
    if needs.job != "managed" and "mlflow" in needs.capabilities and not is_reachable(settings.tracking_uri):
        return f"it needs MLflow, and no job can reach {settings.tracking_uri.partition('://')[0]}://…: it runs here"
    return ""
