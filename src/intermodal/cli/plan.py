"""`intermodal plan`: say for every task whether it would run, and why; on SageMaker, what it would cost."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from intermodal.cli.main import new_parser
from intermodal.errors import UsageError

if TYPE_CHECKING:
    from intermodal.aws.cost import RunEstimate, TaskEstimate
    from intermodal.core.config import Settings
    from intermodal.runtime.pipeline import Pipeline
    from intermodal.runtime.plan import PlannedTask

_RUNTIMES = ("local", "sagemaker")


def main(arguments: Sequence[str]) -> int:
    """Print the plan of a run.

    Args:
        arguments: The words after the verb.

    Returns:
        0.

    Raises:
        UsageError: The runtime cannot be planned for, or the pipeline not be run there.
    """
    options = _parser().parse_args(arguments)
    from intermodal.core.config import load_settings
    from intermodal.runtime.pipeline import load_pipeline, read_arguments
    from intermodal.runtime.plan import make_plan
    from intermodal.runtime.step_names import warn_of_misspelt_names

    if options.on not in _RUNTIMES:
        raise UsageError("this runtime cannot be planned for", seen=options.on, expected=", ".join(_RUNTIMES))
    pipeline = load_pipeline(options.pipeline)
    settings = load_settings()
    warn_of_misspelt_names(pipeline, settings.extra)
    costs: RunEstimate | None = None
    if options.on == "local" and not any(word.endswith("=sagemaker") for word in options.place):
        entries = make_plan(pipeline, read_arguments(pipeline, options.param), settings)
    else:
        entries, costs = _with_cost(pipeline, settings, options)
    if options.json:
        told = {"pipeline": pipeline.name, "tasks": [item.to_json() for item in entries]}
        print(json.dumps({**told, **({"cost": costs.to_json()} if costs else {})}, indent=1))
    else:
        _print(entries, costs)
    return 0


def _with_cost(
    pipeline: Pipeline, settings: Settings, options: argparse.Namespace
) -> tuple[list[PlannedTask], RunEstimate]:
    """The plan against the jobs' store, and the estimate; without an account nothing counts as remembered."""
    from intermodal.aws.settings import sagemaker_settings
    from intermodal.cli.aws_place import NO_ACCOUNT, has_credentials, place_for
    from intermodal.runtime.pipeline import read_arguments
    from intermodal.runtime.placements import read_placements
    from intermodal.runtime.sagemaker.cost_plan import estimate_pipeline

    sagemaker = sagemaker_settings(settings)
    place = place_for(sagemaker)
    placed = read_placements(options.place, options.on, pipeline, settings.extra)
    given = read_arguments(pipeline, options.param)
    with tempfile.TemporaryDirectory(prefix="intermodal-plan-") as empty:
        if options.on == "sagemaker" and has_credentials(sagemaker) and place.account != NO_ACCOUNT:
            settings = replace(settings, store=place.store)
        elif options.on == "sagemaker":
            print("without an account the jobs' store is not asked: every task counts as new", file=sys.stderr)
            settings = replace(settings, store=empty)
        return estimate_pipeline(pipeline, given, settings, sagemaker, place, placed, options.on)


def _print(entries: list[PlannedTask], costs: RunEstimate | None) -> None:
    width = max((len(item.name) for item in entries), default=0)
    for item in entries:
        print(f"{item.verdict.ljust(12)}  {item.name.ljust(width)}  {item.reason}")
    if costs is None:
        return
    from intermodal.aws.cost import dollars

    print()
    width = max((len(item.task) for item in costs.tasks), default=0)
    for cost in costs.tasks:
        print(f"{cost.task.ljust(width)}  {_cost_line(cost)}")
    print(f"{'total'.ljust(width)}  {dollars(costs.usd)}, at most {dollars(costs.ceiling_usd)}")
    print(costs.caveat)


def _cost_line(cost: TaskEstimate) -> str:
    from intermodal.aws.cost import dollars

    parts = [f"{dollars(cost.usd)}, at most {dollars(cost.ceiling_usd)}"]
    if cost.instances:
        parts.append(f"{cost.instances} for {cost.seconds:.0f} s ({cost.basis})")
    if cost.usd_an_hour:
        parts.append(f"then {dollars(cost.usd_an_hour)} an hour until it is deleted")
    return "; ".join([*parts, *([cost.note] if cost.note else [])])


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("plan")
    parser.add_argument("pipeline", help="a Python file with a @kfp.dsl.pipeline (file.py:name), or a compiled .yaml")
    parser.add_argument(
        "-p", "--param", action="append", default=[], metavar="NAME=VALUE", help="a pipeline parameter; repeatable"
    )
    parser.add_argument("--on", default="local", metavar="RUNTIME", help="local (default), or sagemaker with its cost")
    parser.add_argument(
        "--place", action="append", default=[], metavar="STEP=RUNTIME", help="run one step elsewhere; repeatable"
    )
    return parser
