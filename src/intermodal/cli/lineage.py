"""`intermodal lineage`: show what an artifact was made from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from intermodal.cli.main import new_parser
from intermodal.cli.wording import count_text, facts_text, time_text, value_text

if TYPE_CHECKING:
    from intermodal.core.manifest import Origin
    from intermodal.runtime.lineage import Ancestry


def main(arguments: Sequence[str]) -> int:
    """Print the lineage of an artifact.

    Args:
        arguments: The words after the verb.

    Returns:
        0.
    """
    parser = new_parser("lineage")
    parser.add_argument(
        "artifact", help="path or URI, TASK.OUTPUT of the newest run, RUN:TASK.OUTPUT, or the start of a digest"
    )
    options = parser.parse_args(arguments)
    from intermodal.core.config import load_settings
    from intermodal.runtime.artifact_names import find_artifact
    from intermodal.runtime.lineage import trace

    found = find_artifact(options.artifact, load_settings())
    ancestry = trace(found.uri)
    if options.json:
        print(json.dumps({"name": found.name, **ancestry.to_json()}, indent=1, default=str))
    else:
        print("\n".join(tree(ancestry, found.name)))
    return 0


def tree(ancestry: Ancestry, label: str) -> list[str]:
    """An ancestry as lines with box drawing.

    Args:
        ancestry: The artifact.
        label: What to call it.

    Returns:
        Lines: the artifact, its URI, who made it, and below that what the maker was given.
    """
    facts = facts_text(ancestry.type, ancestry.rows, ancestry.bytes)
    lines = [f"{label}  {ancestry.digest[:12]}" + (f"  ({facts})" if facts else "")]
    if ancestry.note:
        lines[0] += f"  {ancestry.note}"
    if ancestry.origin is None:
        # The line above has told the URI of what is repeated.
        return lines if ancestry.rows is not None or ancestry.bytes is not None else [*lines, f"    {ancestry.uri}"]
    given = [tree(item, f"input {name}") for name, items in ancestry.inputs.items() for item in items]
    given += [[_source(ancestry.origin, name, found)] for name, found in ancestry.origin.sources.items() if found]
    step = [*_maker(ancestry.origin), *_branches(given)]
    return [*lines, f"    {ancestry.uri}", *_branches([step])]


def _branches(groups: list[list[str]]) -> list[str]:
    """Groups of lines hung below one another; the first line of each is its head."""
    lines = []
    for index, (head, *rest) in enumerate(groups):
        last = index == len(groups) - 1
        lines.append(("└─ " if last else "├─ ") + head)
        lines += [("   " if last else "│  ") + line for line in rest]
    return lines


def _maker(origin: Origin) -> list[str]:
    task = f" (task {origin.task})" if origin.task and origin.task != origin.step else ""
    run = f" in run {origin.run_id}" if origin.run_id else ""
    lines = [f"made by {origin.step}{task}{run}, {time_text(origin.produced)}"]
    digests = [f"source {origin.source_digest[:12]}", f"packages {origin.environment_digest[:12]}"]
    digests += [f"image {origin.image}"] if origin.image else []
    lines.append("    " + ", ".join(digests))
    sources = {name for name, found in origin.sources.items() if found}
    plain = {name: value for name, value in origin.parameters.items() if name not in sources}
    lines += [f"    {name} = {value_text(value)}" for name, value in sorted(plain.items())]
    return lines


def _source(origin: Origin, name: str, found: Any) -> str:
    """Data from outside: the parameter that named it, and what was found there."""
    where = value_text(origin.parameters.get(name, ""), limit=1000)  # a path cut short finds nothing
    return f"from outside, {name} = {where}  {str(found.get('digest', ''))[:12]}  ({_files(found)})"


def _files(found: Any) -> str:
    return count_text(int(found.get("files", 0)), "file")
