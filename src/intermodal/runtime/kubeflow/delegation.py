"""Pods that have their work done on SageMaker: what `--place STEP=sagemaker` tells them."""

from __future__ import annotations

import json
import sys
from typing import Any

from intermodal.aws.secrets import check_no_secrets
from intermodal.aws.settings import SECTION, SECTION_VARIABLE
from intermodal.core.config import Settings
from intermodal.errors import IntermodalError
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
    if isinstance(section, dict):  # a pod has neither this machine's profiles nor its files
        section = {name: value for name, value in section.items() if name not in ("profile", "prices")}
    check_no_secrets(section if isinstance(section, dict) else {}, "[sagemaker]")
    told = {"INTERMODAL_PIPELINE": request.pipeline.name}
    if section:
        told[SECTION_VARIABLE] = json.dumps(section, sort_keys=True)
    places = {step: place for step, place in request.placements.items() if place != "kubeflow"}
    return {step: {"INTERMODAL_ON": place, **told} for step, place in places.items()}


def stop_delegated(run_id: str, placements: dict[str, str], settings: Settings) -> None:
    """Stop the jobs that a stopped run's pods had started: Kubeflow's launcher dies without telling its step.

    Whoever stops the run may have no leave to do so; then it is said that jobs may go on.

    Args:
        run_id: The run's id in Kubeflow, by which its pods' jobs are known.
        placements: Step or task → runtime.
        settings: Where things live.
    """
    if "sagemaker" not in placements.values():
        return
    from intermodal.aws.settings import sagemaker_settings
    from intermodal.runtime.sagemaker.reaping import Order, reap

    try:
        for _verdict in reap(Order(run=run_id), settings, sagemaker_settings(settings)):
            pass
    except IntermodalError as error:
        line = f"warning: jobs of this run may go on at SageMaker: {error.headline}; intermodal reap --run {run_id}"
        print(line, file=sys.stderr, flush=True)
