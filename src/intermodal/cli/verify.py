"""`intermodal verify`: compare artifacts with their manifests, byte for byte."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from intermodal.cli.main import new_parser, report_error
from intermodal.cli.wording import bytes_text, count_text
from intermodal.errors import EXIT_DONE, ArtifactCorrupt, UsageError

if TYPE_CHECKING:
    from intermodal.core.config import Settings
    from intermodal.runtime.verification import Verdict


def main(arguments: Sequence[str]) -> int:
    """Verify artifacts.

    Args:
        arguments: The words after the verb.

    Returns:
        0 when all are whole, else 5.
    """
    options = _parser().parse_args(arguments)
    if bool(options.artifact) + bool(options.run) + options.all != 1:
        raise UsageError(
            "say what to verify",
            seen="nothing" if not (options.artifact or options.run or options.all) else "several ways at once",
            expected="artifacts, or --run RUN, or --all",
            next_step="intermodal verify --help",
        )
    from intermodal.core.config import load_settings

    verdicts = []
    for verdict in _verdicts(options, load_settings()):
        verdicts.append(verdict)
        if not options.json:
            print("\n".join(_lines(verdict)), flush=True)
    return _finish(verdicts, as_json=options.json)


def _verdicts(options: argparse.Namespace, settings: Settings) -> Iterator[Verdict]:
    from intermodal.runtime.artifact_names import artifacts_of, find_artifact
    from intermodal.runtime.record import find_record
    from intermodal.runtime.verification import verify, verify_store
    from intermodal.store.locate import open_store

    if options.all:
        return verify_store(open_store(settings.store))
    if options.run:
        return verify(artifacts_of(find_record(settings.runs, options.run)))
    # All names are looked up first: a mistyped one is told before gigabytes are read.
    return verify([find_artifact(name, settings) for name in options.artifact])


def _lines(verdict: Verdict) -> list[str]:
    if verdict.whole:
        size = f"{count_text(verdict.files, 'file')}, {bytes_text(verdict.bytes)}"
        return [f"✔ {verdict.name}  {verdict.note or f'{verdict.digest[:12]}  {size}'}"]
    return [f"✘ {verdict.name}  {verdict.uri}", *(f"    {line}" for line in verdict.damage)]


def _finish(verdicts: list[Verdict], *, as_json: bool) -> int:
    damaged = [item for item in verdicts if not item.whole]
    error = _error(damaged) if damaged else None
    if as_json:
        counts = {"whole": len(verdicts) - len(damaged), "damaged": len(damaged)}
        told = {"error": error.to_json()} if error else {}
        print(json.dumps({**counts, "artifacts": [item.to_json() for item in verdicts], **told}, indent=1))
    elif not damaged:
        size = bytes_text(sum(item.bytes for item in verdicts))
        print(f"{count_text(len(verdicts), 'artifact')} whole, {size} read")
    if error is None:
        return EXIT_DONE
    return report_error(error, as_json=False)


def _error(damaged: list[Verdict]) -> ArtifactCorrupt:
    first = damaged[0]
    return ArtifactCorrupt(
        f"{count_text(len(damaged), 'artifact')} damaged",
        seen=f"{first.uri}: {first.damage[0]}" + (" …" if len(damaged) + len(first.damage) > 2 else ""),
        expected="the bytes of its manifest",
        next_step="run the pipeline again, which repeats the work behind it; then delete what is damaged",
    )


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("verify")
    parser.add_argument(
        "artifact",
        nargs="*",
        help="path or URI, TASK.OUTPUT of the newest run, RUN:TASK.OUTPUT, or the start of a digest",
    )
    parser.add_argument("--run", default="", help="every artifact of a run (its name, or the start of it)")
    parser.add_argument("--all", action="store_true", help="everything in the store")
    return parser
