"""Pods that have their work done on SageMaker or EMR: what `--place STEP=sagemaker` tells them."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Any

from intermodal.aws.data_settings import emr_settings, emr_variables
from intermodal.aws.emr import PLACES as SPARK_PLACES
from intermodal.aws.emr import require_named
from intermodal.aws.secrets import check_no_secrets
from intermodal.aws.settings import SECTION, SECTION_VARIABLE
from intermodal.core.config import Settings, load_settings
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
        UsageError: `[sagemaker]` or `[emr]` holds a secret, or `[emr]` does not name the place.
    """
    section = extra.get(SECTION, {})
    if isinstance(section, dict):  # a pod has neither this machine's profiles nor its files
        section = {name: value for name, value in section.items() if name not in ("profile", "prices")}
    check_no_secrets(section if isinstance(section, dict) else {}, "[sagemaker]")
    told = {"INTERMODAL_PIPELINE": request.pipeline.name}
    if section:
        told[SECTION_VARIABLE] = json.dumps(section, sort_keys=True)
    places = {step: place for step, place in request.placements.items() if place != "kubeflow"}
    return {step: {"INTERMODAL_ON": place, **told, **_of_emr(place, extra)} for step, place in places.items()}


def _of_emr(place: str, extra: dict[str, Any]) -> dict[str, str]:
    """`[emr]`, for a pod that has its work done there; refused here what it would refuse there."""
    if place not in SPARK_PLACES:
        return {}
    settings = replace(load_settings(), extra=extra)
    require_named(place, emr_settings(settings))
    variables = emr_variables(settings)
    check_no_secrets(variables, "[emr]")
    return variables


def stop_delegated(run_id: str, placements: dict[str, str], settings: Settings) -> None:
    """Stop the jobs that a stopped run's pods had started: Kubeflow's launcher dies without telling its step.

    Whoever stops the run may have no leave to do so; then it is said that jobs may go on.

    Args:
        run_id: The run's id in Kubeflow, by which its pods' jobs are known.
        placements: Step or task → runtime.
        settings: Where things live.
    """
    if not {"sagemaker", *SPARK_PLACES} & set(placements.values()):
        return
    from intermodal.aws.settings import sagemaker_settings
    from intermodal.runtime.sagemaker.reaping import Order, reap

    try:
        for _verdict in reap(Order(run=run_id), settings, sagemaker_settings(settings)):
            pass
    except IntermodalError as error:
        line = f"warning: jobs of this run may go on at AWS: {error.headline}; intermodal reap --run {run_id}"
        print(line, file=sys.stderr, flush=True)
