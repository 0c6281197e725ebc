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
from intermodal.store.cache_index import CacheIndex
from intermodal.store.locate import find_manifest, open_store

DIGEST_KEY = "intermodal_digest"  # in an artifact's KFP metadata, where its files travel without their manifest
URI_KEY = "intermodal_uri"
DELIVERY_KEYS = (DIGEST_KEY, URI_KEY, "mlflow_run_id", "mlflow_url")  # what a task in a pod adds to that metadata


@dataclass(frozen=True)
class Stated:
    """What whoever hands an artifact over says of it.

    Attributes:
        schema: KFP's schema title.
        digest: Its digest; empty when not said.
    """

    schema: str = "system.Artifact"
    digest: str = ""


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


def input_digest(uri: str, store: str = "", stated: Stated | None = None) -> str:
    """The digest of an artifact without reading its files, from its manifest.

    Args:
        uri: The artifact's URI.
        store: Root of the artifact store, in which everything has a manifest.
        stated: What is said of it; a digest that is not the artifact's is an error.

    Returns:
        The manifest's digest; for data outside the store, the digest of the files themselves.

    Raises:
        ArtifactCorrupt: There is nothing at the URI, or the manifest is missing or was altered.
    """
    found = find_manifest(uri)
    digest = found[1].digest if found else _foreign(uri, store, stated).digest
    return _as_stated(uri, digest, stated)


def resolve_input(uri: str, cache: Path, store: str = "", stated: Stated | None = None) -> ResolvedInput:
    """Make an input readable, and verify every byte of it.

    Args:
        uri: The artifact's URI.
        cache: Directory for copies from remote stores, kept by digest.
        store: As for `input_digest`; there, the result that a damaged artifact belongs to is forgotten.
        stated: As for `input_digest`.

    Returns:
        The input.

    Raises:
        ArtifactCorrupt: It is missing, or its bytes differ from its manifest.
        StoreFailed: The store did not answer.
    """
    found = find_manifest(uri)
    if found is None:
        made = _foreign(uri, store, stated)
        _as_stated(uri, made.digest, stated)
        return made
    prefix, manifest = found
    _as_stated(uri, manifest.digest, stated)
    root, problems = _verified(prefix, manifest, cache)
    if problems:
        if store:
            CacheIndex(open_store(store)).forget(manifest.origin.cache_key, uri)
        raise ArtifactCorrupt(
            f"artifact {uri} is damaged",
            seen="; ".join(problems[:5]),
            expected=f"the bytes of its manifest, digest {manifest.digest[:12]}…",
            next_step="run the same command again: the step that made it will be repeated",
        )
    path = root / manifest.files[0].path if manifest.layout == "file" else root
    return ResolvedInput(uri, manifest.digest, path, manifest)


def _verified(prefix: str, manifest: Manifest, cache: Path) -> tuple[Path, list[str]]:
    """A local directory with an artifact's files, and what is wrong with them."""
    if not prefix.startswith("s3://"):
        root = Path(prefix.removeprefix("file://"))
        return root, damage(manifest, root)
    copy = cache / manifest.digest
    if copy.is_dir() and not damage(manifest, copy):
        return copy, []
    shutil.rmtree(copy, ignore_errors=True)  # a copy altered on this machine: the original may be whole
    _fetch(prefix, manifest, copy)
    problems = damage(manifest, copy)
    if problems:
        shutil.rmtree(copy, ignore_errors=True)
    return copy, problems


def _fetch(prefix: str, manifest: Manifest, copy: Path) -> None:
    partial = copy.parent.parent / "tmp" / attempt_name()
    partial.mkdir(parents=True)
    try:
        open_store(prefix).fetch("", [item.path for item in manifest.files], partial)
        # As in a local store: a step that asks what it was given must not be told of files that came later.
        (partial / MANIFEST_NAME).write_text(manifest.to_json())
        copy.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError):  # another task fetched the same: its copy is as good
            os.rename(partial, copy)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _as_stated(uri: str, digest: str, stated: Stated | None) -> str:
    if stated is None or stated.digest in ("", digest):
        return digest
    raise ArtifactCorrupt(
        f"artifact {uri} is not the one that was handed over",
        seen=f"digest {digest[:12]}…",
        expected=f"digest {stated.digest[:12]}…",
        next_step="run the pipeline again; if it happens again, somebody else writes there",
    )


def _foreign(uri: str, store: str, stated: Stated | None) -> ResolvedInput:
    """Data that no task of ours made, an importer's say; inside the store there is no such thing."""
    path = Path(uri.removeprefix("file://"))
    ours = store and (f"{uri}/").startswith(f"{store.rstrip('/')}/")
    if ours or "s3://" in uri or not path.exists():
        raise ArtifactCorrupt(
            "there is no artifact here: " + ("its manifest is missing" if ours else "neither a manifest nor a file"),
            seen=uri,
            expected=f"a path with {MANIFEST_NAME}",
            next_step="run the pipeline again; the step that makes it will be repeated",
        )
    layout, files = describe_files(path)
    schema = stated.schema if stated and stated.digest else "system.Artifact"
    digest = Manifest(schema, layout, files, Origin(step="")).digest
    return ResolvedInput(uri, digest, path, None)
