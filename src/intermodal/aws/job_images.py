"""The images of jobs: what SageMaker can pull, and what may be sent to it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from intermodal.aws.dlc import container_image, is_container_name
from intermodal.aws.instances import has_accelerators
from intermodal.aws.job_input import MANAGED, kind_of
from intermodal.aws.job_parts import instance_type
from intermodal.aws.request import TaskPlan
from intermodal.aws.settings import SageMakerSettings
from intermodal.errors import UsageError

_REGISTRY = re.compile(r"\d{12}\.dkr\.ecr(-fips)?\.[a-z0-9-]+\.(amazonaws\.com(\.cn)?|on\.aws)/[a-z0-9._/-]+[:@].+")
_DIGEST = re.compile(r".+@sha256:[0-9a-f]{64}")


def job_image(plan: TaskPlan) -> str:
    """The image of a task's job, in full.

    Raises:
        UsageError: It is a Deep Learning Container that is not known, or without a script of the user's.
    """
    if not is_container_name(plan.image):
        return plan.image
    if not plan.job.source_dir:
        raise UsageError(
            "a Deep Learning Container cannot run this step by itself",
            seen=f"{plan.image} for {plan.spec.name}",
            expected="source_dir and entry_point beside it: script mode",
            next_step="or an image that intermodal is installed in",
        )
    return container_image(plan.image, plan.place.region, gpu=has_accelerators(instance_type(plan)))


def require_images(plans: Iterable[TaskPlan], settings: SageMakerSettings, local: bool) -> None:
    """Refuse images that SageMaker cannot pull, or that may be others tomorrow.

    Args:
        plans: The tasks; images of managed steps are their service's own matter.
        settings: `[sagemaker]`; `allow_mutable_tags` lets tags pass.
        local: Whether a local SageMaker answers, which takes any image.

    Raises:
        UsageError: An image is not in ECR, or not named by digest.
    """
    for plan in plans if not local else ():
        if kind_of(plan) == MANAGED or is_container_name(plan.image):
            continue
        if _REGISTRY.fullmatch(plan.image) is None:
            raise UsageError(
                "SageMaker cannot pull this image",
                seen=f"{plan.image} for {plan.task}",
                expected="one in Amazon ECR: ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME@sha256:…",
                next_step=f"intermodal images push --registry …, or [sagemaker.images] {plan.spec.needs.image} = …",
            )
        if _DIGEST.fullmatch(plan.image) is None and not settings.allow_mutable_tags:
            raise UsageError(
                "an image is not named by digest, so it may be another one when the job starts",
                seen=f"{plan.image} for {plan.task}",
                expected="ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME@sha256:…",
                next_step="intermodal images digest; or allow_mutable_tags = true under [sagemaker]",
            )
