"""The plan of the task that this very process does: for steps whose work a service of AWS does itself.

Such a step runs beside its launcher, and renders the requests that `intermodal render` shows; what it needs to
know besides its own arguments stands in the environment and in `intermodal.toml`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from intermodal.aws.client import find_place
from intermodal.aws.request import TaskPlan
from intermodal.aws.settings import sagemaker_settings
from intermodal.core.attempt import machine_mark
from intermodal.core.component import image_of
from intermodal.core.config import load_settings
from intermodal.core.step import StepSpec

PIPELINE_VARIABLE = "INTERMODAL_PIPELINE"
SERVICE_VARIABLE = "INTERMODAL_SERVICE"
RUN_VARIABLE = "INTERMODAL_RUN_ID"
SAGEMAKER = "sagemaker"


def on_sagemaker() -> bool:
    """Whether the runtime wants SageMaker to do the work of this step."""
    return os.environ.get(SERVICE_VARIABLE) == SAGEMAKER


def wants_sagemaker(engine: str = "") -> bool:
    """Whether SageMaker is to do the work of a step.

    Args:
        engine: The service that the runtime names; the one that this very process was told by default.
    """
    return engine == SAGEMAKER or on_sagemaker()


def cached_facts(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a cached step says of its work; `engine` names the service that did it. Empty when it says nothing.

    Args:
        metadata: The cached outputs' metadata, by output name.
    """
    return next((item for item in metadata.values() if isinstance(item, Mapping) and "engine" in item), {})


def current_plan(spec: StepSpec, parameters: dict[str, Any], inputs: dict[str, tuple[str, ...]]) -> TaskPlan:
    """The plan of this task.

    Args:
        spec: The step.
        parameters: Its parameters, complete.
        inputs: Input name → URIs on S3.

    Raises:
        UsageError: The settings are wrong.
        RuntimeFailed: AWS does not say which account this is.
    """
    sagemaker = sagemaker_settings(load_settings())
    family = spec.needs.image
    run_id, task = os.environ.get(RUN_VARIABLE, ""), os.environ.get("INTERMODAL_TASK") or spec.name
    shared = os.environ.get("INTERMODAL_USE_CACHE", "1") != "0"
    image = os.environ.get("INTERMODAL_IMAGE", "")
    return TaskPlan(
        pipeline=os.environ.get(PIPELINE_VARIABLE) or spec.name,
        run_id=run_id,
        task=task,
        spec=spec,
        parameters=parameters,
        inputs=inputs,
        image=sagemaker.job_of(spec.name).image or image or sagemaker.images.get(family) or image_of(family),
        settings=sagemaker,
        place=find_place(sagemaker),
        nonce="" if shared else f"{run_id}-{task}",
        machine=machine_mark(),
    )
