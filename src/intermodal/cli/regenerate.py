"""`intermodal regenerate`: write the files that are made from the steps, or check them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from intermodal.cli.main import new_parser
from intermodal.errors import UsageError


def main(arguments: Sequence[str]) -> int:
    """Write or check the generated files of this repository.

    Args:
        arguments: The words after the verb.

    Returns:
        0.

    Raises:
        UsageError: `--check` found a file that differs.
    """
    parser = new_parser("regenerate")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file differs")
    parser.add_argument("--root", default=".", help="the repository (default: here)")
    options = parser.parse_args(arguments)
    from intermodal.runtime.generated import drift, generated_files

    root = Path(options.root).absolute()
    changed = drift(root)
    if options.check and changed:
        raise UsageError("generated files have drifted", seen=", ".join(changed), next_step="intermodal regenerate")
    for path, content in ({} if options.check else generated_files(root)).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    print(json.dumps({"changed": changed}) if options.json else f"{len(changed)} files written")
    return 0
