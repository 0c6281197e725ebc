"""Copying files: an artifact's without what was said of them, and any without their modes and times."""

from __future__ import annotations

import shutil
from pathlib import Path

from intermodal.core.manifest import MANIFEST_NAME


def copy_artifact(source: Path, target: Path) -> None:
    """Copy an artifact's files but for its manifest: the copy gets a manifest, and so an origin, of its own.

    Its digest is the original's, since a digest covers type, layout and files only.

    Args:
        source: The artifact's directory.
        target: Where to; made.
    """
    shutil.copytree(source, target, ignore=lambda folder, _names: {MANIFEST_NAME} if Path(folder) == source else set())


def copy_plainly(source: Path, target: Path) -> None:
    """Copy what files hold, and no modes or times: these could not be set in a folder that is another user's.

    Args:
        source: A file or a folder.
        target: A folder, made where it is missing; a file keeps its name in it.
    """
    root = source if source.is_dir() else source.parent
    for path in source.rglob("*") if source.is_dir() else [source]:
        place = target / path.relative_to(root)
        if path.is_dir():
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
