"""Images by digest: from the lock file of our own images, and from a registry for everybody else's."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from intermodal.errors import RuntimeFailed, UsageError

Resolve = Callable[[str], str]
_REFERENCE = re.compile(r"(?P<name>[^@]+)@(?P<digest>sha256:[0-9a-f]{64})")
_TAG = re.compile(r":[^:/]+$")


def pinned(component: dict[str, Any], lock: dict[str, Any], others: dict[str, str], resolve: Resolve) -> dict[str, Any]:
    """A kustomize component whose images have digests.

    Args:
        component: The component; each of its `images` has a name, and gets newName and digest.
        lock: Our images, family → "REGISTRY/NAME@sha256:…".
        others: Everybody else's, the image's name → "REGISTRY/NAME:TAG".
        resolve: What digest a registry has for such a reference; asked for the others only.

    Returns:
        A new component; an image that neither names stays as it is.

    Raises:
        UsageError: A reference of the lock has no digest.
    """
    found = {f"intermodal/{family}": _parts(reference, family) for family, reference in lock.items()}
    for name, reference in others.items():
        found[name] = (_TAG.sub("", reference), resolve(reference))
    images = [_image(item, found.get(item["name"])) for item in component["images"]]
    return {**component, "images": images}


def read_lock(path: Path) -> dict[str, Any]:
    """Read a lock file: one JSON object of names and references.

    Raises:
        UsageError: It is not there, or is no such object.
    """
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        step = "intermodal images push, which writes it"
        raise UsageError("the lock file of images cannot be read", seen=error, next_step=step) from error
    if not isinstance(found, dict):
        raise UsageError("the lock file of images is no object", seen=path, expected='{"core": "NAME@sha256:…"}')
    return found


def rewrite(path: Path, component: dict[str, Any]) -> None:
    """Write a component back, under the comment that it began with."""
    import yaml

    lines = path.read_text().splitlines(keepends=True)
    head = next((index for index, line in enumerate(lines) if not line.startswith("#")), 0)
    path.write_text("".join(lines[:head]) + yaml.safe_dump(component, sort_keys=False, width=200))


def digest_of(reference: str) -> str:
    """The digest that a reference's registry has for it now, asked through the container engine.

    Raises:
        RuntimeFailed: The engine or the registry does not answer.
    """
    try:
        import docker

        return str(docker.from_env().images.get_registry_data(reference).id)
    except Exception as error:  # docker's, requests' and import errors alike
        step = "start a container engine that reaches the registry, or write the digest into the file by hand"
        raise RuntimeFailed(f"no digest for {reference}", seen=error, next_step=step) from error


def _image(item: dict[str, Any], found: tuple[str, str] | None) -> dict[str, Any]:
    return {"name": item["name"], "newName": found[0], "digest": found[1]} if found else dict(item)


def _parts(reference: Any, family: str) -> tuple[str, str]:
    match = _REFERENCE.fullmatch(str(reference))
    if not match:
        step = "intermodal images push"
        raise UsageError(
            f"the lock names no digest for {family}", seen=reference, expected="NAME@sha256:…", next_step=step
        )
    return match["name"], match["digest"]
