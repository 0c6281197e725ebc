"""What is refused before anything is submitted: an image that cannot be pulled, a request over a limit, the cost."""

from __future__ import annotations

from dataclasses import replace

from intermodal.aws.client import find_place, is_local
from intermodal.aws.cost import require_affordable
from intermodal.aws.job_images import require_images
from intermodal.aws.settings import SageMakerSettings
from intermodal.core.config import Settings
from intermodal.runtime.base import RunRequest
from intermodal.runtime.plan import make_plan
from intermodal.runtime.sagemaker.cost_plan import estimate_rendered
from intermodal.runtime.sagemaker.pipeline_plans import pipeline_plans
from intermodal.runtime.sagemaker.rendered_pipeline import rendered_pipeline


def require_acceptable(request: RunRequest, settings: Settings, sagemaker: SageMakerSettings, runtime: str) -> None:
    """Refuse what SageMaker, or the user's purse, would refuse later.

    Args:
        request: What is to be run.
        settings: Where things live.
        sagemaker: `[sagemaker]`.
        runtime: Where the tasks run that are not placed.

    Raises:
        UsageError: An image cannot be pulled or may change, a request is not within AWS's limits, or it costs too much.
        RuntimeFailed: AWS did not say which account this is.
    """
    place = find_place(sagemaker)
    every = rendered_pipeline(
        request.pipeline, request.arguments, settings, sagemaker, place, request.placements, runtime
    )
    rendered = [item for item in every if item.may_run]
    # An application of EMR Serverless has an image of its own.
    here = {item.task for item in rendered for request in item.requests if request.service != "emr-serverless"}
    plans = [
        plan for plan in pipeline_plans(request.pipeline, request.arguments, sagemaker, place) if plan.task in here
    ]
    tags = sagemaker.allow_mutable_tags or request.allow_mutable_tags
    require_images(plans, replace(sagemaker, allow_mutable_tags=tags), is_local(sagemaker))
    limit = request.max_cost or sagemaker.max_cost
    if limit:
        words = (request.pipeline, request.arguments, settings, request.placements, runtime)
        planned = make_plan(*words) if request.use_cache else []
        require_affordable(estimate_rendered(request.pipeline, rendered, planned, settings, sagemaker), limit)
