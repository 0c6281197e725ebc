"""Input artifacts of a task: found, verified byte for byte, and readable as local files."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from intermodal.core.attempt import attempt_name
from intermodal.core.manifest import MANIFEST_NAME, Manifest, Origin, damage, describe_files
from intermodal.errors import ArtifactCorrupt
from intermodal.store.locate import open_store, prefix_of, read_manifest


@dataclass(frozen=True)
class ResolvedInput:
    """An input artifact, as a step may read it.

    Attributes:
        uri: Where it was published.
        digest: Its content's digest.
        path: Local file or directory.
        manifest: Its manifest; None for data that no task of ours made (an importer's).
    """

    uri: str
    digest: str
    path: Path
    manifest: Manifest | None


def input_digest(uri: str) -> str:
    """The digest of an artifact without reading its files, from its manifest.

    Args:
        uri: The artifact's URI.

    Returns:
        The manifest's digest; for data without a manifest, the digest of the files themselves.

    Raises:
        ArtifactCorrupt: There is nothing at the URI, or the manifest was altered.
    """
    return read_manifest(uri).digest if prefix_of(uri) else _foreign(uri).digest


def resolve_input(uri: str, cache: Path) -> ResolvedInput:
    """Make an input readable, and verify every byte of it.

    Args:
        uri: The artifact's URI.
        cache: Directory for copies from remote stores, kept by digest.

    Returns:
        The input.

    Raises:
        ArtifactCorrupt: It is missing, or its bytes differ from its manifest.
        StoreFailed: The store did not answer.
    """
    prefix = prefix_of(uri)
    if not prefix:
        return _foreign(uri)
    manifest = read_manifest(uri)
    root = Path(prefix.removeprefix("file://")) if "s3://" not in prefix else _fetched(prefix, manifest, cache)
    problems = damage(manifest, root)
    if problems:
        if root.is_relative_to(cache):
            shutil.rmtree(root, ignore_errors=True)
        raise ArtifactCorrupt(
            f"artifact {uri} is damaged",
            seen="; ".join(problems[:5]),
            expected=f"the bytes of its manifest, digest {manifest.digest[:12]}…",
            next_step="run the same command again: the step that made it will be repeated",
        )
    path = root / manifest.files[0].path if manifest.layout == "file" else root
    return ResolvedInput(uri, manifest.digest, path, manifest)


def _fetched(prefix: str, manifest: Manifest, cache: Path) -> Path:
    target = cache / manifest.digest
    if target.is_dir():
        return target
    partial = cache.parent / "tmp" / attempt_name()
    partial.mkdir(parents=True)
    open_store(prefix).fetch("", [item.path for item in manifest.files], partial)
    target.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError):  # another task fetched the same: its copy is as good
        os.rename(partial, target)
    shutil.rmtree(partial, ignore_errors=True)
    return target


def _foreign(uri: str) -> ResolvedInput:
    path = Path(uri.removeprefix("file://"))
    if "s3://" in uri or not path.exists():
        raise ArtifactCorrupt(
            "there is no artifact here: neither a manifest nor a file",
            seen=uri,
            expected=f"a path with {MANIFEST_NAME}",
            next_step="run the pipeline again; the step that makes it will be repeated",
        )
    layout, files = describe_files(path)
    digest = Manifest("system.Artifact", layout, files, Origin(step="")).digest
    return ResolvedInput(uri, digest, path, None)
