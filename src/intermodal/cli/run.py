"""`intermodal run`: run a pipeline, and record everything."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from intermodal.cli.main import new_parser
from intermodal.cli.present import finish, observer_for
from intermodal.errors import UsageError

ON_INTERRUPT = ("leave", "cancel")


def main(arguments: Sequence[str]) -> int:
    """Run a pipeline.

    Args:
        arguments: The words after the verb.

    Returns:
        The exit code of the run.
    """
    options = _parser().parse_args(arguments)
    from intermodal.core.config import load_settings
    from intermodal.runtime.base import RunRequest, open_runtime
    from intermodal.runtime.pipeline import load_pipeline, read_arguments
    from intermodal.runtime.placements import read_placements
    from intermodal.runtime.step_names import warn_of_misspelt_names

    settings = load_settings()
    runtime = open_runtime(options.on, settings)
    pipeline = load_pipeline(options.pipeline)
    request = RunRequest(
        pipeline=pipeline,
        arguments=read_arguments(pipeline, options.param),
        mode=mode_of(options),
        use_cache=not options.no_cache,
        placements=read_placements(options.place, options.on, pipeline, settings.extra),
        on_interrupt=options.on_interrupt,
        allow_mutable_tags=options.allow_mutable_tags,
        max_cost=limit_of(options.max_cost),
    )
    if request.max_cost and "sagemaker" not in (options.on, *request.placements.values()):
        raise UsageError(
            "--max-cost is for runs that use SageMaker", seen=f"--on {options.on}", expected="--on sagemaker"
        )
    warn_of_misspelt_names(pipeline, settings.extra)
    observer = observer_for(as_json=options.json, quiet=options.quiet)
    return finish(runtime.run(request, observer), settings, as_json=options.json)


def mode_of(options: argparse.Namespace) -> str:
    """How tasks are to be run, from the flags."""
    if options.on != "local" and (options.debug or options.containers):
        seen = "--debug" if options.debug else "--containers"
        raise UsageError(
            "this flag is for runs on this machine", seen=f"{seen} --on {options.on}", expected="--on local"
        )
    if options.debug and options.containers:
        raise UsageError(
            "a step in a container cannot be debugged", seen="--debug --containers", expected="one of them"
        )
    return "in-process" if options.debug else "container" if options.containers else "subprocess"


def limit_of(text: str) -> float:
    """The limit of cost that was typed, USD; 0 for none.

    Raises:
        UsageError: It is no amount above nothing.
    """
    if not text:
        return 0.0
    try:
        amount = float(text.removeprefix("$"))
    except ValueError:
        amount = 0.0
    if not 0 < amount < float("inf"):
        raise UsageError("--max-cost is an amount of USD", seen=text, expected="more than 0, such as 2.50")
    return amount


def add_mode_flags(parser: argparse.ArgumentParser) -> None:
    """The flags that say how tasks run."""
    parser.add_argument("--on", default="local", metavar="RUNTIME", help="where to run (default: local)")
    parser.add_argument(
        "--place", action="append", default=[], metavar="STEP=RUNTIME", help="run one step elsewhere; repeatable"
    )
    parser.add_argument("--debug", action="store_true", help="run steps in this process, so that breakpoint() works")
    parser.add_argument("--containers", action="store_true", help="run every step in a container of its image")
    add_interrupt_flag(parser)
    parser.add_argument("--allow-mutable-tags", action="store_true", help="submit images that are not named by digest")
    parser.add_argument("--no-cache", action="store_true", help="repeat all work, and remember the new results")
    parser.add_argument("-q", "--quiet", action="store_true", help="print only the result, and why a task failed")


def add_interrupt_flag(parser: argparse.ArgumentParser) -> None:
    """The flag that says what becomes of a run elsewhere when this process is told to stop."""
    parser.add_argument(
        "--on-interrupt",
        default="",
        choices=ON_INTERRUPT,
        help="at Ctrl-C, what becomes of a run on a cluster (default: leave) or of jobs on SageMaker (default: cancel)",
    )


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("run")
    parser.add_argument("pipeline", help="a Python file with a @kfp.dsl.pipeline (file.py:name), or a compiled .yaml")
    parser.add_argument(
        "-p", "--param", action="append", default=[], metavar="NAME=VALUE", help="a pipeline parameter; repeatable"
    )
    add_mode_flags(parser)
    parser.add_argument(
        "--max-cost", default="", metavar="USD", help="refuse to start when SageMaker would cost more by estimate"
    )
    return parser
