"""From a URI to the store that holds it."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from intermodal.core.manifest import MANIFEST_NAME, Manifest
from intermodal.errors import ArtifactCorrupt, UsageError
from intermodal.store.base import Store


@lru_cache(maxsize=16)
def open_store(root: str, key: str = "") -> Store:
    """The store with this root.

    Args:
        root: An absolute path, file:// or s3:// URI.
        key: KMS key by which a store on S3 encrypts what it writes, see `S3Store`.

    Raises:
        UsageError: Another scheme.
    """
    if root.startswith("s3://"):
        from intermodal.store.s3 import S3Store

        return S3Store(root, key)
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
    return _manifest_at(uri)[0]


def find_manifest(uri: str) -> tuple[str, Manifest] | None:
    """An artifact's prefix and manifest; None where there is no manifest.

    Raises:
        ArtifactCorrupt: The manifest cannot be read, or was altered.
        StoreFailed: The store did not answer.
    """
    prefix, content = _manifest_at(uri)
    return (prefix, Manifest.from_json(content.decode("utf-8", "replace"), prefix)) if prefix else None


def read_manifest(uri: str) -> Manifest:
    """The manifest of an artifact.

    Args:
        uri: As for `prefix_of`.

    Raises:
        ArtifactCorrupt: There is none, or it cannot be read, or it was altered.
        StoreFailed: The store did not answer.
    """
    found = find_manifest(uri)
    if found is None:
        raise ArtifactCorrupt(
            "there is no artifact here: its manifest.json is missing",
            seen=uri,
            next_step="run the pipeline again; the step that makes it will be repeated",
        )
    return found[1]


def _manifest_at(uri: str) -> tuple[str, bytes]:
    whole = uri.rstrip("/")
    content = open_store(whole).read(MANIFEST_NAME) if whole else None
    if content is not None:
        return whole, content
    parent, _, name = whole.rpartition("/")
    content = open_store(parent).read(MANIFEST_NAME) if parent and not parent.endswith("/") else None
    return (parent, content) if content is not None and _is_single_file(content, name) else ("", b"")


def _is_single_file(content: bytes, name: str) -> bool:
    """Whether a manifest is that of the single file; one that cannot be read may be, so that this is told."""
    try:
        fields = json.loads(content)
    except ValueError:
        return True
    files = fields.get("files") if isinstance(fields, dict) else None
    return isinstance(files, list) and [item.get("path") for item in files if isinstance(item, dict)] == [name]
