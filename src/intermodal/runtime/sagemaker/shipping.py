"""What lies on this machine, brought to where jobs can read it: once, by content, the manifest last."""

from __future__ import annotations

import glob
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

from intermodal.core.manifest import MANIFEST_NAME, Manifest, Origin, describe_files, sha256_of
from intermodal.core.step import StepSpec
from intermodal.errors import UsageError
from intermodal.store.base import Store
from intermodal.store.locate import find_manifest, open_store

SOURCES = "sources"  # below the store's root: data that a parameter named on somebody's machine
SHIPPED = "artifacts/shipped"


def ship_artifact(uri: str, store: str, schema: str = "system.Artifact") -> str:
    """Bring an artifact to a store on S3.

    Args:
        uri: The artifact's URI; what is on S3 already stays where it is.
        store: Root of the store.
        schema: KFP's schema title, for data without a manifest.

    Returns:
        Its URI on S3; the same content always has the same.

    Raises:
        ArtifactCorrupt: Its manifest was altered.
        UsageError: There is nothing at the URI.
        StoreFailed: The store did not answer.
    """
    if uri.startswith("s3://"):
        return uri
    target = open_store(store)
    found = find_manifest(uri)
    if found is not None:
        prefix, manifest = found
        key = f"{SHIPPED}/{manifest.digest}"
        _publish_folder(target, Path(prefix.removeprefix("file://")), key)
    else:
        key, manifest = _publish_foreign(target, Path(uri.removeprefix("file://")), schema)
    return target.uri(f"{key}/{manifest.files[0].path}" if manifest.layout == "file" else key)


def ship_sources(spec: StepSpec, parameters: dict[str, Any], store: str) -> dict[str, Any]:
    """Bring local data that parameters name to a store on S3.

    Args:
        spec: The step; its `needs.sources` says which parameters name data.
        parameters: Its parameters.
        store: Root of the store.

    Returns:
        The parameters, with the URI of what was brought in the place of each local path.

    Raises:
        StoreFailed: The store did not answer.
    """
    return {
        name: ship_value(value, store) if name in spec.needs.sources else value for name, value in parameters.items()
    }


def shipped_name(uri: str, store: str) -> str:
    """The key of what `ship_sources` brought to a store; empty for any other value."""
    start = f"{store.rstrip('/')}/{SOURCES}/"
    return f"{SOURCES}/{uri.removeprefix(start)}" if isinstance(uri, str) and uri.startswith(start) else ""


def ship_value(value: Any, store: str) -> Any:
    """Bring what a value names on this machine to a store on S3; its URI there, or the value itself.

    Raises:
        StoreFailed: The store did not answer.
    """
    if isinstance(value, list):
        return [ship_value(item, store) for item in value]
    if not isinstance(value, str) or not value or "://" in value.removeprefix("file://"):
        return value
    path = Path(value.removeprefix("file://")).expanduser()
    if path.is_file():
        return _ship_files([path], path.parent, store, single=True)
    if path.is_dir():
        return _ship_files(sorted(item for item in path.rglob("*") if item.is_file()), path, store)
    found = [Path(item) for item in sorted(glob.glob(str(path), recursive=True)) if os.path.isfile(item)]
    root = Path(os.path.commonpath([item.parent for item in found])) if found else path
    return _ship_files(found, root, store) if found else value


def _ship_files(files: list[Path], root: Path, store: str, *, single: bool = False) -> str:
    """Upload files below a key made of their names and contents, those that are not there yet."""
    names = [item.relative_to(root).as_posix() for item in files]
    lines = [f"{name} {sha256_of(path)}" for name, path in zip(names, files, strict=True)]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
    target = open_store(store)
    key = f"{SOURCES}/{digest}" if single else f"{SOURCES}/{digest}/{root.name}"
    there = set(target.keys(key))
    missing = {name: path for name, path in zip(names, files, strict=True) if f"{key}/{name}" not in there}
    _publish_files(target, missing, key)
    return target.uri(f"{key}/{names[0]}" if single else key)


def _publish_files(target: Store, files: dict[str, Path], key: str, last: str = "") -> None:
    """Upload files from wherever they lie, without copying them first: the store follows links."""
    if not files:
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, path in files.items():
            link = Path(folder) / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path.resolve())
        target.publish(Path(folder), key, last or sorted(files)[-1])


def _publish_folder(target: Store, folder: Path, key: str) -> None:
    if target.read(f"{key}/{MANIFEST_NAME}") is None:
        target.publish(folder, key, MANIFEST_NAME)


def _publish_foreign(target: Store, path: Path, schema: str) -> tuple[str, Manifest]:
    """Data that no task of ours made gets a manifest on its way, so that the job can verify it."""
    if not path.exists():
        raise UsageError("there is no data at this path", seen=path, expected="a file or a folder, or an s3:// URI")
    layout, files = describe_files(path)
    manifest = Manifest(schema, layout, files, Origin(step=""))
    key = f"{SHIPPED}/{manifest.digest}"
    if target.read(f"{key}/{MANIFEST_NAME}") is None:
        root = path if path.is_dir() else path.parent
        _publish_files(target, {item.path: root / item.path for item in files}, key)
        target.write(f"{key}/{MANIFEST_NAME}", manifest.to_json().encode())
    return key, manifest
