"""From a task that is about to be launched to the plan of its job, and from the job's result back to the memory."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from intermodal.aws.job_channels import wants_files
from intermodal.aws.request import Place, TaskPlan
from intermodal.aws.settings import SageMakerSettings
from intermodal.core.attempt import machine_mark
from intermodal.core.cachekey import KeyParts
from intermodal.core.component import image_of
from intermodal.core.config import Settings
from intermodal.core.executor_input import ArtifactReference
from intermodal.core.step import StepSpec, spec_of
from intermodal.runtime.compiled import locked_images
from intermodal.runtime.keys import complete_parameters, declared_parameters
from intermodal.runtime.local.launch import Launch
from intermodal.runtime.outcome import SUCCEEDED, Outcome
from intermodal.runtime.sagemaker.shipping import ship_artifact, ship_sources
from intermodal.runtime.task import look_up, serve
from intermodal.store.cache_index import CachedResult, CacheIndex
from intermodal.store.inputs import URI_KEY
from intermodal.store.locate import find_manifest, open_store


def plan_of(launch: Launch, pipeline: str, sagemaker: SageMakerSettings, place: Place) -> TaskPlan:
    """The plan of a task's job; what lies on this machine is brought to S3.

    Args:
        launch: The task.
        pipeline: The pipeline's name.
        sagemaker: `[sagemaker]`.
        place: The account's places.

    Raises:
        UsageError: A parameter is wrong.
        StoreFailed: The store did not answer.
    """
    task, spec = launch.task, spec_of(launch.task.function)
    complete = complete_parameters(spec, declared_parameters(spec, task.given))
    # KFP adds values of its own, such as the final status that an exit handler is told.
    parameters = ship_sources(spec, {**task.given.parameters, **complete}, place.store)
    inputs = {
        name: tuple(ship_artifact(_best_uri(item), place.store, item.schema) for item in items)
        for name, items in task.given.inputs.items()
    }
    return TaskPlan(
        pipeline=pipeline,
        run_id=task.context.run_id,
        task=task.context.task,
        spec=spec,
        parameters=parameters,
        inputs=inputs,
        image=image_for(spec, launch.image, sagemaker),
        settings=with_tracking(spec, sagemaker, task.context.settings),
        place=place,
        nonce=_nonce(launch),
        use_cache=task.context.use_cache and task.given.use_cache,
        machine=machine_mark(),
        contents=_contents(spec, inputs, sagemaker),
    )


def _contents(spec: StepSpec, inputs: dict[str, tuple[str, ...]], sagemaker: SageMakerSettings) -> dict[str, Any]:
    """The files of the inputs that SageMaker is given file by file; those without a manifest go by their prefix."""
    job = sagemaker.job_of(spec.name)
    wanted = [uri for name, uris in inputs.items() if wants_files(job, name) for uri in uris]
    found = {uri: find_manifest(uri) for uri in wanted}
    return {uri: tuple(file.path for file in item[1].files) for uri, item in found.items() if item is not None}


def with_tracking(spec: StepSpec, sagemaker: SageMakerSettings, settings: Settings) -> SageMakerSettings:
    """The settings, with MLflow's address for the jobs of a step that needs it.

    Args:
        spec: The step.
        sagemaker: `[sagemaker]`.
        settings: Where things live; `placing.is_reachable` was asked before.
    """
    if "mlflow" not in spec.needs.capabilities:
        return sagemaker
    told = {"MLFLOW_TRACKING_URI": settings.tracking_uri, "MLFLOW_EXPERIMENT_NAME": settings.experiment}
    job = sagemaker.job_of(spec.name)
    return replace(sagemaker, steps={**sagemaker.steps, spec.name: replace(job, env={**told, **job.env})})


def _best_uri(item: ArtifactReference) -> str:
    """Where an input lies for a job: in the store, even when KFP has brought it to a path of this pod."""
    published = item.metadata.get(URI_KEY, "")
    return published if isinstance(published, str) and published.startswith("s3://") else item.uri


def image_for(spec: StepSpec, image: str, sagemaker: SageMakerSettings) -> str:
    """The image of a task's job: of its step's settings, of its family's, by digest, or as the component names it.

    Args:
        spec: Its step.
        image: As the component names it; empty for the family's.
        sagemaker: `[sagemaker]`.
    """
    family = spec.needs.image
    default = image_of(family)
    own = sagemaker.job_of(spec.name).image
    if own or (image and image != default):
        return own or image
    return sagemaker.images.get(family) or locked_images().get(family) or default


def remembered(launch: Launch, store: str) -> Outcome | None:
    """A result that the jobs' store remembers though this machine's does not; None when there is none.

    Args:
        launch: The task.
        store: Root of the jobs' store.
    """
    task, began = launch.task, time.monotonic()
    spec = spec_of(task.function)
    off = not (task.context.use_cache and task.given.use_cache) or spec.injected or spec.needs.still_valid
    if off or store == task.context.settings.store:
        return None
    parts = parts_of(launch)
    result, why = CacheIndex(open_store(store)).find(parts)
    return serve(task, result, why, began) if result is not None else None


def remember(launch: Launch, outcome: Outcome) -> CachedResult:
    """Remember a job's result under the key that the launcher looks up.

    The job has remembered it too, under the key of its own packages, which may be others.

    Args:
        launch: The task.
        outcome: How its job ended: well.

    Returns:
        The result.
    """
    parts, context = parts_of(launch), launch.task.context
    result = CachedResult(parts, outcome.outputs, outcome.values, context.mlflow_run_id, outcome.seconds)
    if not spec_of(launch.task.function).injected and outcome.state == SUCCEEDED:
        again = parts.key == outcome.cache_key or not context.use_cache or not launch.task.given.use_cache
        CacheIndex(open_store(context.settings.store)).remember(result, context.task, replace=again)
    return result


def parts_of(launch: Launch) -> KeyParts:
    """What the key of a task is made of, as its launcher has found out."""
    missed = launch.task.context.missed
    return KeyParts.from_json(json.loads(Path(missed).read_text())) if missed else look_up(launch.task)[0]


def _nonce(launch: Launch) -> str:
    """What tells apart jobs of equal requests: the content of what is named, and runs that want nothing remembered."""
    task = launch.task
    spec = spec_of(task.function)
    shared = task.context.use_cache and task.given.use_cache and not spec.injected and not spec.needs.still_valid
    return parts_of(launch).key + ("" if shared else f"-{task.context.run_id}-{task.context.task}")
