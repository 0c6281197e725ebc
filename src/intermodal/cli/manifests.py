"""`intermodal manifests`: check Kubernetes manifests, or put the digests of images into them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from intermodal.cli.main import new_parser
from intermodal.errors import EXIT_DATA_REJECTED, EXIT_DONE, UsageError


def main(arguments: Sequence[str]) -> int:
    """Check or pin.

    Args:
        arguments: The words after the verb.

    Returns:
        0, or 3 when a check found something.

    Raises:
        UsageError: A file or folder is not there.
    """
    parser = new_parser("manifests")
    parser.add_argument("action", choices=("check", "pin"))
    parser.add_argument("paths", nargs="*", help="check: files or folders of YAML, - for standard input (the default)")
    parser.add_argument("--crds", default="", help="check: a folder of CustomResourceDefinitions")
    parser.add_argument("--unpinned", action="store_true", help="check: accept digests that nobody has filled in yet")
    parser.add_argument("--lock", default="images.lock.json", help="pin: our images with their digests")
    parser.add_argument("--others", default="", help="pin: JSON of other images with tags, whose registry is asked")
    parser.add_argument("--file", default="k8s/components/images/kustomization.yaml", help="pin: the file to rewrite")
    options = parser.parse_intermixed_args(list(arguments))
    return _check(options) if options.action == "check" else _pin(options)


def _check(options: argparse.Namespace) -> int:
    from intermodal.runtime.manifests.checking import check, known_kinds, read_documents

    texts = {name: _text(name) for name in _files(options.paths or ["-"])}
    documents = [item for name, text in texts.items() for item in read_documents(text, name)]
    found = check(documents, known_kinds(Path(options.crds) if options.crds else None), pinned=not options.unpinned)
    if options.json:
        print(json.dumps({"objects": len(documents), "findings": [asdict(item) for item in found]}, indent=1))
    else:
        print(
            "\n".join(f"{item.check}: {item.what}: {item.sentence}" for item in found)
            or f"{len(documents)} objects, no findings"
        )
    return EXIT_DATA_REJECTED if found else EXIT_DONE


def _pin(options: argparse.Namespace) -> int:
    import yaml

    from intermodal.runtime.manifests.pinning import digest_of, pinned, read_lock, rewrite

    path = Path(options.file)
    if not path.is_file():
        raise UsageError(
            "there is no such kustomization", seen=path, next_step="run it in the repository, or give --file"
        )
    others = read_lock(Path(options.others)) if options.others else {}
    component = pinned(yaml.safe_load(path.read_text()), read_lock(Path(options.lock)), others, digest_of)
    rewrite(path, component)
    lines = [f"{item['newName']}@{item['digest']}" for item in component["images"]]
    print(json.dumps({"images": lines}) if options.json else "\n".join(lines))
    return 0


def _files(names: Sequence[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        path = Path(name)
        if name != "-" and not path.exists():
            raise UsageError("there is no such file or folder", seen=name)
        found += [str(item) for item in sorted(path.rglob("*.y*ml"))] if path.is_dir() else [name]
    return found


def _text(name: str) -> str:
    return sys.stdin.read() if name == "-" else Path(name).read_text()
