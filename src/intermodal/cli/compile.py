"""`intermodal compile`: write a pipeline as a file that other tools read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from intermodal.cli.compile_sagemaker import add_flags, check_flags
from intermodal.cli.compile_sagemaker import main as compile_sagemaker
from intermodal.cli.main import new_parser
from intermodal.errors import UsageError

TARGETS = ("kfp", "kfp-manifest", "sagemaker-pipeline")


def main(arguments: Sequence[str]) -> int:
    """Compile a pipeline.

    Args:
        arguments: The words after the verb.

    Returns:
        0; with --start, the exit code of the execution.

    Raises:
        UsageError: The pipeline does not compile, or the file cannot be written.
    """
    parser = new_parser("compile")
    parser.add_argument("pipeline", help="a Python file with a @kfp.dsl.pipeline (file.py:name), or a compiled .yaml")
    parser.add_argument("--to", default="kfp", metavar="|".join(TARGETS), help="what to write (default: kfp)")
    parser.add_argument(
        "-o", "--output", "--out", default="", metavar="FILE", help="where to; standard output by default"
    )
    parser.add_argument("--with-config", action="store_true", help="add what [kubeflow] of intermodal.toml says")
    add_flags(parser)
    options = parser.parse_args(arguments)
    check_flags(options)
    _check(options.to, options.output or options.upsert, options.json)
    if options.to == "sagemaker-pipeline":
        return compile_sagemaker(options)
    text, facts = _compiled(options.pipeline, options.to, with_config=options.with_config)
    if not options.output:
        print(text, end="")
        return 0
    _write(Path(options.output), text)
    facts |= {"file": options.output}
    named = "" if facts["by_digest"] else "; its images are named by tag, not by digest"
    print(json.dumps(facts, indent=1) if options.json else f"{options.output}: {facts['version']}{named}")
    return 0


def _check(target: str, output: object, as_json: bool) -> None:
    if target not in TARGETS:
        raise UsageError("a pipeline cannot be compiled to this", seen=target, expected=", ".join(TARGETS))
    if as_json and not output:
        raise UsageError("standard output would hold two things", seen="--json", expected="-o FILE beside it")


def _compiled(reference: str, target: str, *, with_config: bool) -> tuple[str, dict[str, object]]:
    """The text, and what `--json` says of it."""
    from intermodal.core.config import load_settings
    from intermodal.runtime.compiled import images_by_digest, locked_images, plain
    from intermodal.runtime.kubeflow.render import render
    from intermodal.runtime.kubeflow.settings import kubeflow_settings
    from intermodal.runtime.pipeline import load_pipeline

    pipeline = load_pipeline(reference)
    settings = kubeflow_settings(load_settings())
    made = render(pipeline, settings, locked_images()) if with_config else plain(pipeline, locked_images())
    text = made.manifests(settings.namespace if with_config else "") if target == "kfp-manifest" else made.yaml
    facts = {"pipeline": made.name, "version": made.version, "digest": made.digest, "to": target}
    return text, {**facts, "by_digest": images_by_digest(made)}


def _write(path: Path, text: str) -> None:
    from intermodal.runtime.outcome import write_atomically

    try:
        write_atomically(path, text)
    except OSError as error:
        raise UsageError(f"{path} cannot be written", seen=error, expected="a file this user may write") from error
