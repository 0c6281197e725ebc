"""`intermodal doctor`: say what is missing for each runtime, and how to get it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from intermodal.cli.main import new_parser
from intermodal.errors import EXIT_DONE, EXIT_RUNTIME_FAILED

_MARKS = {"ok": "✔", "missing": "✘", "not here": "–"}


def main(arguments: Sequence[str]) -> int:
    """Look at everything that a run could need.

    Args:
        arguments: The words after the verb.

    Returns:
        0 when the local runtime is usable, else 5.
    """
    options = new_parser("doctor").parse_args(arguments)
    from intermodal import __version__
    from intermodal.cli.doors import examine
    from intermodal.core.config import load_settings

    findings = examine(load_settings())
    usable = all(item.state == "ok" for item in findings if item.door in ("local", "store"))
    if options.json:
        doors = [asdict(item) for item in findings]
        print(json.dumps({"intermodal": __version__, "local_usable": usable, "doors": doors}, indent=1))
        return EXIT_DONE if usable else EXIT_RUNTIME_FAILED
    width = max(len(item.door) for item in findings)
    for item in findings:
        print(f"{_MARKS[item.state]} {item.door.ljust(width)}  {item.detail}")
        if item.get:
            print(f"  {' ' * width}  → {item.get}")
    print("pipelines run on this machine" if usable else "pipelines cannot run on this machine yet")
    return EXIT_DONE if usable else EXIT_RUNTIME_FAILED
