"""`intermodal conformance`: run the same small pipelines on a runtime, and compare with what they must come to."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from intermodal.cli.main import new_parser
from intermodal.errors import EXIT_DONE, EXIT_RUNTIME_FAILED, UsageError

if TYPE_CHECKING:
    from intermodal.conformance.cases import Case
    from intermodal.conformance.suite import Result


def main(arguments: Sequence[str]) -> int:
    """Run the cases.

    Args:
        arguments: The words after the verb.

    Returns:
        0 when all agree, else 5.
    """
    parser = new_parser("conformance")
    parser.add_argument("--runtime", required=True, metavar="NAME", help="local, local-container, kubeflow, …")
    parser.add_argument("--case", action="append", default=[], metavar="NAME", help="this case alone; repeatable")
    parser.add_argument("--list", action="store_true", help="say which cases there are, and run none")
    parser.add_argument("--allow-mutable-tags", action="store_true", help="submit images that are not named by digest")
    options = parser.parse_args(arguments)
    chosen = _chosen(options.case)
    if options.list:
        print("\n".join(f"{case.name.ljust(20)} {case.about}" for case in chosen))
        return EXIT_DONE
    from intermodal.conformance.suite import place_for, run_case
    from intermodal.core.config import load_settings

    place = place_for(options.runtime, load_settings(), allow_mutable_tags=options.allow_mutable_tags)
    place.open()  # a runtime that is not there is told once, not once a case
    results = []
    for case in chosen:
        results.append(run_case(case, place))
        print(_line(results[-1]), file=sys.stderr if options.json else sys.stdout, flush=True)
    agree = all(result.agrees for result in results)
    if options.json:
        cases = [{**asdict(result), "agrees": result.agrees} for result in results]
        print(json.dumps({"runtime": options.runtime, "agrees": agree, "cases": cases}, indent=1))
    else:
        print(f"{sum(result.agrees for result in results)} of {len(results)} cases agree on {options.runtime}")
    return EXIT_DONE if agree else EXIT_RUNTIME_FAILED


def _chosen(names: list[str]) -> list[Case]:
    from intermodal.conformance.cases import CASES

    known = {case.name: case for case in CASES}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError("there is no such case", seen=unknown[0], expected=", ".join(known))
    return [known[name] for name in names] or list(known.values())


def _line(result: Result) -> str:
    """One line a case, and one for each difference."""
    head = f"{'✔' if result.agrees else '✘'} {result.case.ljust(20)} {result.seconds:6.1f} s  {result.about}"
    return "\n".join([head, *(f"    {difference}" for difference in result.differences)])
