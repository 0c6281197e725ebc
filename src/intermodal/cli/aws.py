"""`intermodal aws`: make what SageMaker needs in an account, look at it, and write the policies it takes."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence

from intermodal.cli.main import new_parser

_ACTIONS = {
    "init": "make the default bucket and the execution role, or say that they are there",
    "doctor": "look at credentials, bucket, role, quotas, images and the clock, and say what to type next",
    "iam-policy": "write the least-privilege policies of one pipeline: of its submitter, and of its jobs",
}


def main(arguments: Sequence[str]) -> int:
    """Do one of the three.

    Args:
        arguments: The words after the verb.

    Returns:
        The exit code of that action.
    """
    options = _parser().parse_args(arguments)
    module = importlib.import_module(f"intermodal.cli.aws_{options.action.replace('-', '_')}")
    code: int = module.act(options)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("aws")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    made = {name: actions.add_parser(name, help=text, description=f"{text}.") for name, text in _ACTIONS.items()}
    for one in made.values():
        one.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="print one JSON object instead of text"
        )
    init = made["init"]
    init.add_argument("--bucket", default="", help="the bucket (default: intermodal-ACCOUNT-REGION)")
    init.add_argument("--role", default="", help="the execution role's name (default: intermodal-execution)")
    init.add_argument("--dry-run", action="store_true", help="print the requests, and send none")
    made["doctor"].add_argument("pipeline", nargs="?", default="", help="look at what this pipeline needs, too")
    policy = made["iam-policy"]
    policy.add_argument("pipeline", help="a Python file with a @kfp.dsl.pipeline (file.py:name), or a compiled .yaml")
    policy.add_argument(
        "-p", "--param", action="append", default=[], metavar="NAME=VALUE", help="a pipeline parameter; repeatable"
    )
    role = policy.add_mutually_exclusive_group()
    role.add_argument("--submitter", action="store_true", help="the submitter's policy alone, ready for aws iam")
    role.add_argument("--execution", action="store_true", help="the execution role's policy alone")
    policy.add_argument("--reap", action="store_true", help="with what `intermodal reap` asks of AWS")
    return parser
