"""`intermodal endpoint`: endpoints on SageMaker, seen, asked, shared out and deleted."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from intermodal.cli.main import new_parser
from intermodal.errors import UsageError

if TYPE_CHECKING:
    from intermodal.aws.endpoint_life import Endpoints


def main(arguments: Sequence[str]) -> int:
    """Do one thing with endpoints.

    Args:
        arguments: The words after the verb.

    Returns:
        0.

    Raises:
        UsageError: A word is wrong, or there is no such endpoint.
        RuntimeFailed: AWS refused, or did not answer.
        StepFailed: The endpoint does not come into service.
    """
    options = _parser().parse_args(arguments)
    from intermodal.aws.client import account_of
    from intermodal.aws.endpoint_life import Endpoints
    from intermodal.aws.settings import sagemaker_settings
    from intermodal.core.config import load_settings

    settings = sagemaker_settings(load_settings())
    account_of(settings)  # says at once that nobody answers, or that there are no credentials
    do: Callable[[Endpoints, argparse.Namespace], Any] = options.do
    answer = do(Endpoints(settings), options)
    print(json.dumps(answer, indent=1, default=str) if options.json else _text(answer))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("endpoint")
    verbs = parser.add_subparsers(dest="what", required=True, metavar="list|show|invoke|weights|monitor|delete")

    def verb(name: str, do: Callable[..., Any], text: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
        made.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print one JSON object")
        made.set_defaults(do=do)
        if name != "list":
            made.add_argument("name", help="the endpoint's name")
        return made

    verb("list", _list, "list the endpoints that intermodal made")
    verb("show", _show, "show an endpoint's state and variants")
    invoke = verb("invoke", _invoke, "ask an endpoint for ratings")
    invoke.add_argument("texts", nargs="*", help="texts to rate; else lines of standard input")
    invoke.add_argument("--variant", default="", help="the variant to ask (default: chosen by weight)")
    weights = verb("weights", _weights, "share the requests out to variants")
    weights.add_argument("weights", nargs="+", metavar="VARIANT=WEIGHT", help="such as champion=0.9 challenger=0.1")
    monitor = verb("monitor", _monitor, "look for drift in captured requests, every so many hours")
    monitor.add_argument("--hours", type=int, default=24, help="hours between two looks (default: 24)")
    monitor.add_argument("--once", action="store_true", help="look once, now")
    monitor.add_argument("--reference", default="", metavar="S3URI", help="reference.json of the model that answers")
    monitor.add_argument("--stop", action="store_true", help="delete the schedule instead")
    verb("delete", _delete, "delete an endpoint, and all that was made for it")
    return parser


def _list(endpoints: Endpoints, _options: argparse.Namespace) -> list[dict[str, Any]]:
    names = ("EndpointName", "EndpointStatus", "LastModifiedTime")
    return [{name: item[name] for name in names} for item in endpoints.all_of_ours()]


def _show(endpoints: Endpoints, options: argparse.Namespace) -> dict[str, Any]:
    found = endpoints.find(options.name)
    if found is None:
        raise UsageError("there is no such endpoint", seen=options.name, next_step="intermodal endpoint list")
    return {name: value for name, value in found.items() if name != "ResponseMetadata"}


def _invoke(endpoints: Endpoints, options: argparse.Namespace) -> list[dict[str, Any]]:
    texts = options.texts or [line.rstrip("\n") for line in sys.stdin if line.strip()]
    if not texts:
        raise UsageError("there is nothing to ask", expected="texts as words, or lines on standard input")
    body = json.dumps({"inputs": texts}).encode()
    answer = endpoints.invoke(options.name, body, variant=options.variant)
    rows = json.loads(answer.body)["predictions"]
    return [{"text": text, "variant": answer.variant, **row} for text, row in zip(texts, rows, strict=True)]


def _weights(endpoints: Endpoints, options: argparse.Namespace) -> dict[str, Any]:
    endpoints.share(options.name, dict(map(_weight, options.weights)))
    return _show(endpoints, options)


def _monitor(endpoints: Endpoints, options: argparse.Namespace) -> dict[str, Any]:
    from intermodal.aws.monitoring_life import delete_schedule, monitor_of, put_schedule

    monitor = monitor_of(endpoints.settings, options.name, options.hours, options.reference, once=options.once)
    if options.stop:
        return {"deleted": delete_schedule(endpoints.settings, monitor)}
    return {"schedule": put_schedule(endpoints.settings, monitor), "when": monitor.expression}


def _delete(endpoints: Endpoints, options: argparse.Namespace) -> dict[str, Any]:
    from intermodal.aws.endpoint_removal import delete_endpoint

    return {"deleted": delete_endpoint(endpoints, options.name)}


def _weight(word: str) -> tuple[str, float]:
    name, _, number = word.partition("=")
    try:
        return name, float(number)
    except ValueError as error:
        raise UsageError("this is no weight", seen=word, expected="VARIANT=WEIGHT, such as champion=0.9") from error


def _text(answer: Any) -> str:
    if isinstance(answer, list):
        return "\n".join("  ".join(str(value) for value in item.values()) for item in answer) or "none"
    return "\n".join(f"{name}: {_cell(value)}" for name, value in answer.items())


def _cell(value: Any) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
