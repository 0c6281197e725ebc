"""`intermodal aws iam-policy`: the least that a pipeline's submitter, and its jobs, must be allowed."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from intermodal.errors import EXIT_DONE

if TYPE_CHECKING:
    from intermodal.aws.policy import Policy
    from intermodal.aws.request import Place, Request


def act(options: argparse.Namespace) -> int:
    """Print the policies as JSON; one alone is printed as IAM reads it.

    Args:
        options: What was typed.

    Returns:
        0.
    """
    from intermodal.aws.execution_policy import execution_policy, trust_policy
    from intermodal.aws.submitter_policy import submitter_policy

    pipeline, requests, place = requests_of(options.pipeline, options.param)
    inside = _asked_inside(options.pipeline, options.param, place)
    submitter = submitter_policy(requests, place, pipeline, reap=options.reap)
    execution = execution_policy(requests, place, inside)
    _warn(submitter, "submitter")
    _warn(execution, "execution")
    one = submitter if options.submitter else execution if options.execution else None
    told: dict[str, Any] = (
        one.to_json()
        if one is not None
        else {
            "pipeline": pipeline,
            "account": place.account,
            "region": place.region,
            "role": place.role,
            "submitter": submitter.to_json(),
            "execution": execution.to_json(),
            "trust": trust_policy(place, requests),
            "on_every_resource": _unscoped(submitter, execution),
        }
    )
    print(json.dumps(told, indent=1))
    return EXIT_DONE


def requests_of(name: str, given: list[str]) -> tuple[str, list[Request], Place]:
    """A pipeline's name, everything that it sends to AWS, and where; AWS is asked for its account at most.

    Args:
        name: The pipeline, as typed.
        given: Its arguments, NAME=VALUE.
    """
    from intermodal.aws.settings import sagemaker_settings
    from intermodal.cli.aws_place import place_for
    from intermodal.core.config import load_settings
    from intermodal.runtime.pipeline import load_pipeline, read_arguments
    from intermodal.runtime.placements import read_placements
    from intermodal.runtime.sagemaker.rendered_pipeline import rendered_pipeline

    settings = load_settings()
    sagemaker = sagemaker_settings(settings)
    pipeline = load_pipeline(name)
    place = place_for(sagemaker)
    placed = read_placements([], "sagemaker", pipeline, settings.extra)
    tasks = rendered_pipeline(pipeline, read_arguments(pipeline, given), settings, sagemaker, place, placed)
    return pipeline.name, [request for task in tasks for request in task.requests], place


def _asked_inside(name: str, given: list[str], place: Place) -> list[Request]:
    """What steps ask of Athena from inside their jobs: those with the parameter engine = "athena"."""
    from intermodal.aws.athena import query_of, query_request, workgroup_request
    from intermodal.aws.data_settings import athena_settings
    from intermodal.aws.settings import sagemaker_settings
    from intermodal.core.config import load_settings
    from intermodal.runtime.pipeline import load_pipeline, read_arguments
    from intermodal.runtime.sagemaker.pipeline_plans import pipeline_plans

    settings, pipeline = load_settings(), load_pipeline(name)
    plans = pipeline_plans(pipeline, read_arguments(pipeline, given), sagemaker_settings(settings), place)
    if not any(plan.parameters.get("engine") == "athena" for plan in plans):
        return []
    athena = athena_settings(settings)
    groups = [workgroup_request(athena, place, update) for update in (False, True)]
    return [*groups, query_request(query_of("SELECT 1", athena, place), place)]


def _unscoped(*policies: Policy) -> dict[str, str]:
    """Actions that are allowed on every resource since they know none, and what each is for."""
    from intermodal.aws.actions import UNSCOPED

    used = sorted(action for policy in policies for action in policy.actions if action in UNSCOPED)
    return {action: UNSCOPED[action] for action in used}


def _warn(policy: Policy, role: str) -> None:
    """Tell on standard error what AWS would refuse or a reviewer would not accept."""
    from intermodal.aws.policy import policy_problems

    for line in policy_problems(policy):
        print(f"warning: the {role}'s policy: {line}", file=sys.stderr)
