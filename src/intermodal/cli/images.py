"""`intermodal images`: build the images that steps run in, push them, and record their digests."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from intermodal.cli.main import new_parser
from intermodal.errors import EXIT_DONE, EXIT_RUNTIME_FAILED, UsageError
from intermodal.runtime.images import Engine, Image, chosen_families, record_digests, reference_of


def main(arguments: Sequence[str]) -> int:
    """Build, push, or look up images.

    Args:
        arguments: The words after the verb.

    Returns:
        0; 5 when `digest` finds an image without one.
    """
    options = _parser().parse_args(arguments)
    families = chosen_families(options.family)
    engine = Engine(options.engine)
    work = {"build": _build, "push": _push, "digest": _digest}[options.action]
    images = work(engine, families, options)
    # Some engines give an image that was only built a digest too, which no registry knows.
    known = options.action != "build" and any(image.digest for image in images)
    lock = record_digests(images, Path.cwd()) if known else None
    if options.json:
        fields = {"engine": engine.name, "images": [asdict(item) for item in images], "lock": str(lock or "")}
        print(json.dumps(fields, indent=1))
    else:
        _print(images, lock)
    complete = options.action == "build" or all(image.digest for image in images)
    return EXIT_DONE if complete else EXIT_RUNTIME_FAILED


def _build(engine: Engine, families: list[str], options: argparse.Namespace) -> list[Image]:
    made = []
    for family in families:
        reference = reference_of(family, tag=options.tag)
        _say(f"building {reference}")
        engine.build(family, reference, Path.cwd(), _say, options.run_as)
        made.append(engine.inspect(family, reference) or Image(family, reference))
    return made


def _push(engine: Engine, families: list[str], options: argparse.Namespace) -> list[Image]:
    if not options.registry:
        raise UsageError("a push needs a registry", expected="--registry HOST[/PATH]", next_step="add --registry …")
    made = []
    for family in families:
        local, remote = reference_of(family, tag=options.tag), reference_of(family, options.registry, options.tag)
        _require(engine, family, local)
        engine.tag(local, remote)
        _say(f"pushing {remote}")
        engine.push(remote, _say)
        made.append(engine.inspect(family, remote) or Image(family, remote))
    return made


def _digest(engine: Engine, families: list[str], options: argparse.Namespace) -> list[Image]:
    references = {family: reference_of(family, options.registry, options.tag) for family in families}
    if options.family:
        return [_require(engine, family, reference) for family, reference in references.items()]
    found = [engine.inspect(family, reference) for family, reference in references.items()]
    return [image for image in found if image is not None]


def _require(engine: Engine, family: str, reference: str) -> Image:
    image = engine.inspect(family, reference)
    if image is None:
        raise UsageError(
            "this image is not on this machine", seen=reference, next_step=f"intermodal images build {family}"
        )
    return image


def _print(images: list[Image], lock: Path | None) -> None:
    width = max((len(image.reference) for image in images), default=0)
    for image in images:
        told = image.digest or "no digest: it was never pushed"
        print(f"{image.reference.ljust(width)}  {image.bytes / 1e6:7,.0f} MB  {told}")
    if lock is not None:
        print(f"recorded in {lock}")
    elif not images:
        print("no images on this machine\n  intermodal images build makes them")
    elif not all(image.digest for image in images):
        print("a cluster needs a digest: intermodal images push --registry HOST/PATH gives each one")


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("images")
    parser.add_argument("action", choices=("build", "push", "digest"), help="what to do")
    parser.add_argument("family", nargs="*", help="core, spark, torch, tensorflow, serve; all of them by default")
    parser.add_argument("--registry", default="", metavar="HOST[/PATH]", help="where the images are pushed to")
    from intermodal import __version__

    parser.add_argument("--tag", default=__version__, help=f"tag of the images (default: {__version__})")
    help_text = "user of the containers (default: 1000); SageMaker expects 0"
    parser.add_argument("--run-as", type=int, metavar="UID", help=help_text)
    parser.add_argument("--engine", default="", metavar="NAME", help="docker or podman; the one that is installed")
    return parser
