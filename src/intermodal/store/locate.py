"""From a URI to the store that holds it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from intermodal.core.manifest import MANIFEST_NAME, Manifest
from intermodal.errors import ArtifactCorrupt, UsageError
from intermodal.store.base import Store


@lru_cache(maxsize=16)
def open_store(root: str) -> Store:
    """The store with this root.

    Args:
        root: An absolute path, file:// or s3:// URI.

    Raises:
        UsageError: Another scheme.
    """
    if root.startswith("s3://"):
        from intermodal.store.s3 import S3Store

        return S3Store(root)
    path = root.removeprefix("file://")
    if "://" in path:
        raise UsageError("unknown kind of store", seen=root, expected="a directory, or s3://bucket/prefix")
    from intermodal.store.local import LocalStore

    return LocalStore(str(Path(path).absolute()))


def prefix_of(uri: str) -> str:
    """The URI of the prefix that holds an artifact's manifest, tried at the URI and beside it.

    Args:
        uri: The artifact's URI, of a directory or of its single file.

    Returns:
        The prefix; empty when there is no manifest at either place.
    """
    for candidate in (uri.rstrip("/"), uri.rstrip("/").rpartition("/")[0]):
        if candidate and open_store(candidate).read(MANIFEST_NAME) is not None:
            return candidate
    return ""


def read_manifest(uri: str) -> Manifest:
    """The manifest of an artifact.

    Args:
        uri: As for `prefix_of`.

    Raises:
        ArtifactCorrupt: There is none, or it cannot be read, or it was altered.
        StoreFailed: The store did not answer.
    """
    prefix = prefix_of(uri)
    content = open_store(prefix).read(MANIFEST_NAME) if prefix else None
    if content is None:
        raise ArtifactCorrupt(
            "there is no artifact here: its manifest.json is missing",
            seen=uri,
            next_step="run the pipeline again; the step that makes it will be repeated",
        )
    return Manifest.from_json(content.decode("utf-8", "replace"), prefix)
