"""`intermodal compile --to sagemaker-pipeline`: write a pipeline's definition, make or change the pipeline, run it."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import uuid
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from intermodal.errors import Interrupted, UsageError

if TYPE_CHECKING:
    from intermodal.aws.calls import Calls
    from intermodal.runtime.pipeline import Pipeline
    from intermodal.runtime.sagemaker.pipelines.definition import Definition
    from intermodal.runtime.sagemaker.pipelines.executions import Ended


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags that are for SageMaker pipelines alone."""
    group = parser.add_argument_group("with --to sagemaker-pipeline")
    group.add_argument("--upsert", action="store_true", help="make the pipeline on SageMaker, or change it")
    group.add_argument("--start", action="store_true", help="and start it, following it to its end")
    group.add_argument(
        "-p", "--param", action="append", default=[], metavar="NAME=VALUE", help="of the execution; repeatable"
    )
    group.add_argument("--token", default="", metavar="TEXT", help="two starts with the same token are one execution")
    group.add_argument("--no-wait", action="store_true", help="start it, and do not follow it")
    group.add_argument(
        "--model-package-group", default="", metavar="NAME", help="also make a model package of every registered model"
    )


def check_flags(options: argparse.Namespace) -> None:
    """Refuse flags that mean nothing together.

    Raises:
        UsageError: They do not.
    """
    wanted = options.upsert or options.start or options.param or options.token or options.no_wait
    if options.to != "sagemaker-pipeline" and (wanted or options.model_package_group):
        raise UsageError("these flags are for SageMaker pipelines", seen=options.to, expected="--to sagemaker-pipeline")
    if options.start and not options.upsert:
        raise UsageError(
            "--start starts the pipeline that --upsert puts there",
            seen="--start alone",
            expected="--upsert --start",
            next_step="type both; what is there already and unchanged stays as it is",
        )
    if not options.start and (options.param or options.token or options.no_wait):
        raise UsageError("-p, --token and --no-wait are for an execution", expected="--upsert --start beside them")


def main(options: argparse.Namespace) -> int:
    """Do what the flags say.

    Args:
        options: The parsed words.

    Returns:
        0, or the exit code of the error that the execution ended with.
    """
    from intermodal.core.config import load_settings
    from intermodal.runtime.pipeline import load_pipeline, read_arguments
    from intermodal.runtime.step_names import warn_of_misspelt_names

    settings, pipeline = load_settings(), load_pipeline(options.pipeline)
    warn_of_misspelt_names(pipeline, settings.extra)
    definition, calls = _rendered(pipeline, settings, options)
    facts: dict[str, Any] = {
        "pipeline": definition.name,
        "digest": definition.digest,
        "to": options.to,
        "steps": definition.steps,
    }
    if options.output:
        _write(Path(options.output), definition.text)
        facts["file"] = options.output
    elif not options.upsert:
        print(definition.text, end="")
        return 0
    if options.upsert:
        arguments = read_arguments(pipeline, options.param) if options.start else {}
        facts |= _upserted(definition, calls)
        if options.start:
            return _started(definition, arguments, calls, options, facts)
    _tell(options, facts, _headline(definition, facts))
    return 0


def _rendered(pipeline: Pipeline, settings: Any, options: argparse.Namespace) -> tuple[Definition, Calls]:
    from intermodal.aws.calls import Calls
    from intermodal.aws.client import find_place, is_local
    from intermodal.aws.settings import sagemaker_settings
    from intermodal.cli.aws_place import place_for
    from intermodal.runtime.sagemaker.pipelines.definition import render_definition, tracking_variables

    sagemaker = sagemaker_settings(settings)
    place = find_place(sagemaker) if options.upsert else place_for(sagemaker)
    definition = render_definition(
        pipeline,
        sagemaker,
        place,
        tracking=tracking_variables(settings, local=is_local(sagemaker)),
        model_package_group=options.model_package_group,
    )
    return definition, Calls("sagemaker", sagemaker)


def _upserted(definition: Definition, calls: Calls) -> dict[str, Any]:
    from intermodal.runtime.sagemaker.pipelines.upsert import upsert

    done = upsert(definition, calls, calls.settings.tags)
    return {"arn": done.arn, "change": done.change}


def _started(
    definition: Definition,
    arguments: dict[str, Any],
    calls: Calls,
    options: argparse.Namespace,
    facts: dict[str, Any],
) -> int:
    from intermodal.runtime.sagemaker.pipelines.executions import start
    from intermodal.runtime.sagemaker.pipelines.parameters import argument_list
    from intermodal.runtime.sagemaker.shipping import ship_value

    brought = {
        name: ship_value(value, definition.store) if name in definition.sources else value
        for name, value in arguments.items()
    }
    given, token = argument_list(brought, definition.secrets), options.token or uuid.uuid4().hex
    begin = partial(start, definition.name, given, token)
    if options.no_wait:
        facts["execution"] = begin(calls)
        _tell(options, facts, f"{_headline(definition, facts)}; started as {facts['execution']}")
        return 0
    ended = _followed(begin, calls, _headline(definition, facts))
    facts["execution"] = ended.arn
    return _told(ended, definition, options, facts)


def _followed(begin: Callable[[Calls], str], calls: Calls, headline: str) -> Ended:
    """Start an execution and follow it; told to stop, stop it as the settings say, and wait."""
    from intermodal.runtime.sagemaker.pipelines.executions import follow, stop

    signal.signal(signal.SIGTERM, _interrupt)
    arn = ""
    try:
        arn = begin(calls)
        _say(f"{headline}; started as {arn}")
        return follow(arn, calls, _say)
    except KeyboardInterrupt as interrupt:
        if calls.settings.on_interrupt == "leave":
            raise Interrupted("the execution goes on without this command", seen=arn or headline) from interrupt
        arn = arn or begin(calls.ending())  # interrupted before the answer: the same token tells what to stop
        stop(arn, calls.ending())
        return follow(arn, calls, _say)


def _told(ended: Ended, definition: Definition, options: argparse.Namespace, facts: dict[str, Any]) -> int:
    from intermodal.runtime.sagemaker.pipelines.executions import error_of, outcomes

    made = outcomes(ended, definition.store)
    error = error_of(ended, made)
    if options.json:
        artifacts = {
            f"{step}.{name}": {"uri": item.uri, "digest": item.digest}
            for step, outcome in made.items()
            for name, item in outcome.outputs.items()
        }
        facts |= {"state": ended.status, "steps": [asdict(step) for step in ended.steps], "artifacts": artifacts}
        facts |= {"error": error.to_json()} if error else {}
    _tell(options, facts, f"{definition.name}: {ended.status}")
    if error is not None:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _headline(definition: Definition, facts: dict[str, Any]) -> str:
    parts = [f"{definition.name}: {len(definition.steps)} steps"]
    parts += [f"written to {facts['file']}"] if "file" in facts else []
    parts += [str(facts["change"])] if "change" in facts else []
    return ", ".join(parts)


def _tell(options: argparse.Namespace, facts: dict[str, Any], text: str) -> None:
    print(json.dumps(facts, indent=1) if options.json else text)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _write(path: Path, text: str) -> None:
    from intermodal.runtime.outcome import write_atomically

    try:
        write_atomically(path, text)
    except OSError as error:
        raise UsageError(f"{path} cannot be written", seen=error, expected="a file this user may write") from error
