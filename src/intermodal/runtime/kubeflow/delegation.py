"""Pods that have their work done on SageMaker: what `--place STEP=sagemaker` tells them."""

from __future__ import annotations

import json
from typing import Any

from intermodal.aws.secrets import check_no_secrets
from intermodal.aws.settings import SECTION, SECTION_VARIABLE
from intermodal.runtime.base import RunRequest


def delegations(request: RunRequest, extra: dict[str, Any]) -> dict[str, dict[str, str]]:
    """The variables of the pods that delegate.

    Args:
        request: What is to be run.
        extra: The parsed `intermodal.toml`; pods have no file, so its `[sagemaker]` travels with them.

    Returns:
        Step or task → variables; the pod's role is what gives it leave, never a key in here.

    Raises:
        UsageError: `[sagemaker]` holds a secret.
    """
    section = extra.get(SECTION, {})
    check_no_secrets(section if isinstance(section, dict) else {}, "[sagemaker]")
    told = {"INTERMODAL_PIPELINE": request.pipeline.name}
    if section:
        told[SECTION_VARIABLE] = json.dumps(section, sort_keys=True)
    places = {step: place for step, place in request.placements.items() if place != "kubeflow"}
    return {step: {"INTERMODAL_ON": place, **told} for step, place in places.items()}
