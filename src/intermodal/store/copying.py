"""Copying an artifact's files, without what was said of them."""

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
