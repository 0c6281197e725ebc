"""`intermodal reap`: find jobs and endpoints of dead runs on SageMaker, and stop them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING

from intermodal.cli.main import new_parser
from intermodal.errors import EXIT_DONE, EXIT_RUNTIME_FAILED, UsageError

if TYPE_CHECKING:
    from intermodal.aws.leftovers import Unasked
    from intermodal.runtime.sagemaker.reaping import Verdict

_MARKS = {"stopped": "✔", "would be stopped": "·", "left": "–", "gone already": "≡", "failed": "✘"}
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def main(arguments: Sequence[str]) -> int:
    """Stop what dead runs left behind.

    Args:
        arguments: The words after the verb.

    Returns:
        0; 5 when something would not stop.

    Raises:
        UsageError: An age cannot be read.
        RuntimeFailed: AWS does not say which account this is.
    """
    parser = new_parser("reap")
    parser.add_argument("--run", default="", help="stop what this run made (its name, or the start of it), and no more")
    parser.add_argument("--older-than", default="", metavar="AGE", help="also older jobs, whoever's: 90m, 12h, 2d")
    parser.add_argument("--endpoints", action="store_true", help="let --older-than count for endpoints, too")
    parser.add_argument("--dry-run", action="store_true", help="say what would be stopped, and stop nothing")
    options = parser.parse_args(arguments)
    from intermodal.aws.settings import sagemaker_settings
    from intermodal.core.config import load_settings
    from intermodal.runtime.sagemaker.reaping import Order, reap

    settings = load_settings()
    order = Order(options.run, age_of(options.older_than), options.endpoints, options.dry_run)
    found = list(reap(order, settings, sagemaker_settings(settings)))
    return _finish(found, as_json=options.json)


def age_of(text: str) -> timedelta | None:
    """An age as people type it: "90m", "12h", "2d", or seconds; None for nothing.

    Raises:
        UsageError: It is no age.
    """
    if not text:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text)
    if match is None:
        raise UsageError("--older-than is an age", seen=text, expected="such as 90m, 12h or 2d")
    return timedelta(**{_UNITS[match[2] or "s"]: float(match[1])})


def _finish(found: list[Verdict | Unasked], *, as_json: bool) -> int:
    from intermodal.aws.leftovers import Unasked

    verdicts = [item for item in found if not isinstance(item, Unasked)]
    unasked = [item for item in found if isinstance(item, Unasked)]
    if as_json:
        told = {"found": [asdict(item) for item in verdicts], "not_asked": [asdict(item) for item in unasked]}
        print(json.dumps(told, indent=1))
    else:
        _print(verdicts, unasked)
    return EXIT_RUNTIME_FAILED if any(item.state == "failed" for item in verdicts) else EXIT_DONE


def _print(verdicts: list[Verdict], unasked: list[Unasked]) -> None:
    for item in verdicts:
        run = f"  (run {item.run})" if item.run else ""
        print(f"{_MARKS[item.state]} {item.kind} {item.name}: {item.state}, {item.why}{run}")
    for missing in unasked:
        print(f"? {missing.kind}s could not be listed: {missing.why}")
    stopped = sum(item.state in ("stopped", "would be stopped") for item in verdicts)
    left = sum(item.state == "left" for item in verdicts)
    print(f"{stopped} to stop, {left} left" if verdicts else "nothing of ours goes on")
