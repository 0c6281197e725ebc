"""`intermodal render`: print what a runtime would be sent, without sending it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from intermodal.cli.main import new_parser
from intermodal.errors import UsageError

if TYPE_CHECKING:
    from intermodal.aws.request import Place
    from intermodal.aws.settings import SageMakerSettings
    from intermodal.runtime.sagemaker.rendered_pipeline import TaskRequests

ACCOUNT_VARIABLE = "INTERMODAL_AWS_ACCOUNT"
_NO_ACCOUNT = "000000000000"
_RUNTIMES = ("sagemaker", "kubeflow", "local")


def main(arguments: Sequence[str]) -> int:
    """Print the requests of a run.

    Args:
        arguments: The words after the verb.

    Returns:
        0.

    Raises:
        UsageError: The runtime is sent nothing, or a request would be refused.
    """
    options = _parser().parse_args(arguments)
    if options.on not in _RUNTIMES:
        raise UsageError("this runtime is sent no requests", seen=options.on, expected=", ".join(_RUNTIMES[:2]))
    if options.on == "kubeflow":
        print(_kubeflow(options))
        return 0
    name, tasks = _rendered(options)
    if options.json:
        print(json.dumps(_as_json(name, tasks), indent=1))
    else:
        print(_as_text(tasks))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("render")
    parser.add_argument("pipeline", help="a Python file with a @kfp.dsl.pipeline (file.py:name), or a compiled .yaml")
    parser.add_argument(
        "--on", default="sagemaker", metavar="RUNTIME", help="whose requests: sagemaker (default) or kubeflow"
    )
    parser.add_argument(
        "-p", "--param", action="append", default=[], metavar="NAME=VALUE", help="a pipeline parameter; repeatable"
    )
    parser.add_argument(
        "--place", action="append", default=[], metavar="STEP=RUNTIME", help="one step elsewhere; repeatable"
    )
    return parser


def _kubeflow(options: argparse.Namespace) -> str:
    """What `--on kubeflow` uploads: KFP's IR, with what pods that delegate are told."""
    from intermodal.core.config import load_settings
    from intermodal.runtime.base import RunRequest
    from intermodal.runtime.compiled import locked_images
    from intermodal.runtime.kubeflow.delegation import delegations
    from intermodal.runtime.kubeflow.render import render
    from intermodal.runtime.kubeflow.settings import kubeflow_settings
    from intermodal.runtime.pipeline import load_pipeline, read_arguments
    from intermodal.runtime.placements import read_placements
    from intermodal.runtime.step_names import warn_of_misspelt_names

    settings = load_settings()
    pipeline = load_pipeline(options.pipeline)
    warn_of_misspelt_names(pipeline, settings.extra)
    placed = read_placements(options.place, options.on, pipeline, settings.extra)
    request = RunRequest(pipeline, read_arguments(pipeline, options.param), placements=placed)
    told = delegations(request, settings.extra)
    made = render(pipeline, kubeflow_settings(settings), locked_images(), delegated=told)
    if not options.json:
        return made.yaml.rstrip("\n")
    import yaml

    documents = list(yaml.safe_load_all(made.yaml))
    return json.dumps({"pipeline": made.name, "version": made.version, "documents": documents}, indent=1)


def _rendered(options: argparse.Namespace) -> tuple[str, list[TaskRequests]]:
    """The pipeline's name, and its tasks' requests; AWS is not asked anything."""
    from intermodal.aws.settings import sagemaker_settings
    from intermodal.core.config import load_settings
    from intermodal.runtime.pipeline import load_pipeline, read_arguments
    from intermodal.runtime.placements import read_placements
    from intermodal.runtime.sagemaker.rendered_pipeline import rendered_pipeline
    from intermodal.runtime.step_names import warn_of_misspelt_names

    settings = load_settings()
    sagemaker = sagemaker_settings(settings)
    pipeline = load_pipeline(options.pipeline)
    warn_of_misspelt_names(pipeline, settings.extra)
    placed = read_placements(options.place, options.on, pipeline, settings.extra)
    given = read_arguments(pipeline, options.param)
    place = _place(sagemaker)
    return pipeline.name, rendered_pipeline(pipeline, given, settings, sagemaker, place, placed, options.on)


def _place(sagemaker: SageMakerSettings) -> Place:
    """The account's places: its number as somebody wrote it, or a stand-in that is told."""
    from intermodal.aws.client import place_in

    parts = sagemaker.role.split(":")
    account = os.environ.get(ACCOUNT_VARIABLE, "") or (parts[4] if len(parts) > 5 else "")
    if not account:
        print(
            f"the account is not known here, and stands as {_NO_ACCOUNT}; {ACCOUNT_VARIABLE} says it", file=sys.stderr
        )
    elif not (account.isdecimal() and len(account) == len(_NO_ACCOUNT)):
        raise UsageError(f"{ACCOUNT_VARIABLE} is no account of AWS", seen=account, expected="twelve digits")
    return place_in(sagemaker, account or _NO_ACCOUNT)


def _as_json(name: str, tasks: list[TaskRequests]) -> dict[str, Any]:
    return {
        "pipeline": name,
        "requests": [request for task in tasks for request in task.to_json()],
        "elsewhere": [{"task": task.task, "reason": task.elsewhere} for task in tasks if task.elsewhere],
    }


def _as_text(tasks: list[TaskRequests]) -> str:
    """One block a request, as YAML under a comment."""
    import yaml

    blocks = []
    for task in tasks:
        head = [f"# {task.task}" + (f": {task.elsewhere}" if task.elsewhere else "")]
        head += [f"# if {item.text}  ({_verdict(item.holds)})" for item in task.conditions]
        head += [f"# uploaded before: {item.key}" for item in task.staged]
        for request in task.requests:
            unknown = [f"# known only while it runs: {path}" for path in request.unknown]
            body = yaml.safe_dump(
                {request.operation: request.parameters}, sort_keys=False, allow_unicode=True, width=120
            )
            head += [*unknown, body.rstrip()]
        blocks.append("\n".join(head))
    return "\n\n".join(blocks)


def _verdict(holds: bool | None) -> str:
    return "known only while it runs" if holds is None else "holds" if holds else "does not hold"
