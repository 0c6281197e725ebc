"""`intermodal plan`: say for every task whether it would run, and why."""

from __future__ import annotations

import json
from collections.abc import Sequence

from intermodal.cli.main import new_parser


def main(arguments: Sequence[str]) -> int:
    """Print the plan of a run.

    Args:
        arguments: The words after the verb.

    Returns:
        0.
    """
    parser = new_parser("plan")
    parser.add_argument("pipeline", help="a Python file with a @kfp.dsl.pipeline (file.py:name), or a compiled .yaml")
    parser.add_argument(
        "-p", "--param", action="append", default=[], metavar="NAME=VALUE", help="a pipeline parameter; repeatable"
    )
    options = parser.parse_args(arguments)
    from intermodal.core.config import load_settings
    from intermodal.runtime.pipeline import load_pipeline, read_arguments
    from intermodal.runtime.plan import make_plan

    settings = load_settings()
    pipeline = load_pipeline(options.pipeline)
    entries = make_plan(pipeline, read_arguments(pipeline, options.param), settings)
    if options.json:
        print(json.dumps({"pipeline": pipeline.name, "tasks": [item.to_json() for item in entries]}, indent=1))
        return 0
    width = max((len(item.name) for item in entries), default=0)
    for item in entries:
        print(f"{item.verdict.ljust(12)}  {item.name.ljust(width)}  {item.reason}")
    return 0
