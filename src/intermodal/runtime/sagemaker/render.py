"""Tasks as requests to SageMaker: pure functions of a plan; nothing is asked of AWS, and nothing is sent."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from intermodal.aws.job_channels import lists_of
from intermodal.aws.job_environment import JobMark
from intermodal.aws.job_input import FILE_NAME, MANAGED, TRAINING, executor_input_text, job_executor_input, kind_of
from intermodal.aws.job_kinds import PROCESSING as PROCESSING_KIND
from intermodal.aws.job_kinds import TRAINING as TRAINING_KIND
from intermodal.aws.names import job_name
from intermodal.aws.render_processing import processing_job
from intermodal.aws.render_training import training_job
from intermodal.aws.request import Request, TaskPlan
from intermodal.aws.script_mode import Source, pack_source
from intermodal.aws.secrets import check_no_secrets
from intermodal.aws.service_model import check_request
from intermodal.errors import UsageError

__all__ = ["UNKNOWN", "RenderedJob", "Staged", "job_executor_input", "render_job", "render_task"]

UNKNOWN = "unknown-until-run"
_TRAINING_ONLY = ("input_mode", "spot", "warm_pool", "attempts", "checkpoints", "debugger", "profiler", "tensorboard")
_ANY_NAME = JobMark("job", "0" * 64)  # stands in a request while its digest is computed


@dataclass(frozen=True)
class Staged:
    """A file that must lie in the store before the job is created.

    Attributes:
        key: Its key below the store's root.
        content: Its bytes.
    """

    key: str
    content: bytes


@dataclass(frozen=True)
class RenderedJob:
    """A task's job, ready to be submitted.

    Attributes:
        request: CreateTrainingJob or CreateProcessingJob.
        staged_files: Files that it reads, to be uploaded before.
        name: Its name.
        digest: Digest of the work: request without name and tags, staged files, nonce; the same in every run.
        collects: Whether the outputs lie at STORE/jobs/NAME/output/ when the job has ended, to be published
            by whoever follows it: the container has no network, or the script is not ours.
    """

    request: Request
    staged_files: tuple[Staged, ...]
    name: str
    digest: str
    collects: bool = False

    @property
    def requests(self) -> list[Request]:
        """The request, as a list like that of managed steps."""
        return [self.request]


def render_task(plan: TaskPlan) -> list[Request]:
    """The requests that do a task's work, in order; every one is within AWS's limits.

    Args:
        plan: The task.

    Raises:
        UsageError: Something in it cannot be sent to AWS; it is named.
    """
    if kind_of(plan) != MANAGED:
        return render_job(plan).requests
    check_no_secrets(plan.parameters)
    made = [replace(request, task=request.task or plan.task) for request in _managed(plan)(plan)]
    for request in made:
        check_request(request.service, request.operation, request.parameters)
    return made


def render_job(plan: TaskPlan) -> RenderedJob:
    """A task as a training or processing job.

    Args:
        plan: The task; its step is not a managed one.

    Raises:
        UsageError: Something in it cannot be sent to SageMaker; it is named.
    """
    check_no_secrets(plan.parameters)
    _check_sharded(plan)
    _check_instances(plan)
    training = kind_of(plan) == TRAINING
    if not training:
        _check_processing(plan)
    source = _source(plan, training=training)
    kind = TRAINING_KIND if training else PROCESSING_KIND
    text = executor_input_text(plan)

    def body(mark: JobMark) -> dict[str, Any]:
        return training_job(plan, mark, source) if training else processing_job(plan, mark)

    digest = _digest(kind.create, body(_ANY_NAME), text, plan.nonce)
    mark = JobMark(job_name([plan.pipeline, plan.task], digest, plan.attempt), digest)
    parameters = body(mark)
    check_request("sagemaker", kind.create, parameters)
    staged = Staged(f"jobs/{mark.name}/input/{FILE_NAME}", text.encode())
    lists = (Staged(f"jobs/{mark.name}/{name}", text.encode()) for name, text in lists_of(plan).items())
    files = (Staged(source.key, source.content) if source else staged, *lists)
    request = Request("sagemaker", kind.create, parameters, plan.task, unknown_members(plan, parameters, digest))
    return RenderedJob(request, files, mark.name, digest, bool(source) or plan.job.network_isolation)


def _digest(operation: str, body: dict[str, Any], text: str, nonce: str) -> str:
    plain = {name: value for name, value in body.items() if name != "Tags"}
    parts = [operation, plain, text, nonce]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _source(plan: TaskPlan, *, training: bool) -> Source | None:
    if not plan.job.source_dir:
        return None
    if not training:
        raise UsageError(
            "sagemaker.source_dir is for training jobs",
            seen=f"step {plan.spec.name}, a processing job",
            expected=f'kind = "training" under [sagemaker.steps.{plan.spec.name}], or source_dir there alone',
        )
    return pack_source(Path(plan.job.source_dir), plan.job.entry_point)


def _check_sharded(plan: TaskPlan) -> None:
    """What every step is given may name inputs that this one has not; what it is given itself may not."""
    names = {item.name for item in plan.spec.inputs}
    unknown = [name for name in plan.job.sharded if name not in names]
    if unknown and plan.job.sharded != plan.settings.job.sharded:
        raise UsageError(
            f"[sagemaker.steps.{plan.spec.name}] sharded names an input that the step has not",
            seen=unknown[0],
            expected=", ".join(sorted(names)) or "nothing: the step has no inputs",
        )


def _check_processing(plan: TaskPlan) -> None:
    """What every step is given may be for training jobs alone; what a processing step is given itself may not."""
    given, shared = plan.job, plan.settings.job
    for name in (item for item in _TRAINING_ONLY if getattr(given, item) != getattr(shared, item)):
        raise UsageError(
            f"[sagemaker.steps.{plan.spec.name}] {name} is for training jobs",
            seen=f"{name} = {getattr(given, name)!r} for a processing job",
            expected=f'kind = "training" beside it, or no {name} there',
        )


def _check_instances(plan: TaskPlan) -> None:
    """Several machines are for steps that say how they share their work; every one of them would do all of it."""
    if plan.job.instances > 1 and not (plan.spec.needs.parallel or plan.job.source_dir):
        raise UsageError(
            f"step {plan.spec.name} cannot share its work over several instances",
            seen=f"instances = {plan.job.instances}",
            expected="instances = 1, or a step with @step(parallel=…)",
            next_step="set instances under [sagemaker.steps.NAME], for the steps that can",
        )


def _managed(plan: TaskPlan) -> Callable[[TaskPlan], list[Request]]:
    module, _, name = plan.spec.needs.managed.partition(":")
    found: Callable[[TaskPlan], list[Request]] = getattr(importlib.import_module(module), name)
    return found


def unknown_members(plan: TaskPlan, parameters: dict[str, Any], digest: str) -> tuple[str, ...]:
    """Paths of the members that hold something not yet known, the digest among it: it is one of everything.

    Args:
        plan: The task.
        parameters: The request.
        digest: The digest of the work, which names what belongs to the job.
    """
    derived = digest[:12] if plan.unknown_inputs or plan.unknown_parameters else UNKNOWN
    return tuple(path for path, text in _leaves(parameters, "") if UNKNOWN in text or derived in text)


def _leaves(value: Any, path: str) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in _leaves(item, f"{path}.{key}" if path else key)]
    if isinstance(value, list):
        return [leaf for index, item in enumerate(value) for leaf in _leaves(item, f"{path}.{index}")]
    return [(path, value)] if isinstance(value, str) else []
