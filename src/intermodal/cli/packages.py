"""Installed packages against what intermodal's own metadata asks for; nothing is imported."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

_SELF = "intermodal"


def missing(extra: str, only: tuple[str, ...] = ()) -> list[str]:
    """Requirements of an extra that are not met.

    Args:
        extra: Name of an extra; empty for what every run needs.
        only: Look at these distributions alone.

    Returns:
        Requirements as pip writes them, with the version found where it is the wrong one.
    """
    from packaging.requirements import Requirement

    try:
        stated = [Requirement(text) for text in metadata.requires(_SELF) or []]
    except metadata.PackageNotFoundError:
        return [_SELF]
    wanted = [item for item in stated if (not only or item.name in only) and _belongs(item, extra)]
    found = [(item, _version(item.name)) for item in wanted]
    return [
        f"{item.name}{item.specifier}" + (f" (found {version})" if version else "")
        for item, version in found
        if not version or not item.specifier.contains(version, prereleases=True)
    ]


def described(*names: str) -> str:
    """Distributions with their versions: "torch 2.13.0, transformers 5.23.0"."""
    return ", ".join(f"{name} {_version(name) or 'absent'}" for name in names)


def install_command(extra: str, requirements: Iterable[str] = ()) -> str:
    """What to type to get an extra, or only some requirements of it, into this environment.

    Args:
        extra: Name of the extra; empty for what every run needs.
        requirements: Install these alone.
    """
    source = _checkout()
    pip = [sys.executable, "-m", "pip", "install"]
    constraints = source / "constraints.txt" if source else None
    if constraints and constraints.is_file():
        pip += ["-c", str(constraints)]
    alone = [item.partition(" ")[0] for item in requirements]
    suffix = f"[{extra}]" if extra else ""
    whole = ["-e", f"{source}{suffix}"] if source else [f"{_SELF}{suffix}"]
    return shlex.join([*pip, *(alone or whole)])


def _belongs(item: object, extra: str) -> bool:
    """Whether a requirement is one of an extra (of none, for the empty name)."""
    marker = getattr(item, "marker", None)
    if marker is None:
        return not extra
    return bool(marker.evaluate({"extra": extra})) and (not extra or not marker.evaluate({"extra": ""}))


def _version(name: str) -> str:
    try:
        return metadata.version(name) or ""
    except metadata.PackageNotFoundError:
        return ""


def _checkout() -> Path | None:
    """The directory that intermodal was installed from in editable mode."""
    try:
        text = metadata.distribution(_SELF).read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        text = None
    found = json.loads(text) if text else {}
    editable = found.get("dir_info", {}).get("editable", False)
    return Path(found["url"].removeprefix("file://")) if editable else None
