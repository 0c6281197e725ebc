"""Publishing what a task made: manifest last, then the memory that it was made."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intermodal.core.manifest import MANIFEST_NAME, Manifest, Origin, describe_files
from intermodal.errors import StepFailed
from intermodal.store.base import Store
from intermodal.store.cache_index import CachedOutput

_METRIC_SCHEMAS = ("system.Metrics", "system.ClassificationMetrics", "system.SlicedClassificationMetrics")


@dataclass(frozen=True)
class MadeOutput:
    """One output as the step left it.

    Attributes:
        name: Name in the signature.
        schema: KFP's schema title.
        path: Where the step was told to write.
        metadata: What the step said of it.
    """

    name: str
    schema: str
    path: Path
    metadata: dict[str, Any]


def publish_output(store: Store, made: MadeOutput, staging: Path, prefix: str, origin: Origin) -> CachedOutput:
    """Publish one output artifact, its manifest last.

    Args:
        store: Where to.
        made: What the step left.
        staging: Directory of this attempt, on the machine's disk.
        prefix: Key prefix in the store, not used before.
        origin: Who made it.

    Returns:
        The published artifact.

    Raises:
        StepFailed: The step wrote nothing, or a link that leads nowhere.
        StoreFailed: The store did not answer, refused, or is full.
    """
    _write_metrics_file(made)
    if not made.path.exists() and not made.path.is_symlink():
        raise StepFailed(
            f"the step wrote no output {made.name}",
            seen=f"nothing at {made.path}",
            expected=f"a file or directory at {made.name}.path",
        )
    folder = _as_folder(made.path, published_folder(made, staging))
    _make_readable(folder)
    manifest = make_manifest(made, folder, origin)
    (folder / MANIFEST_NAME).write_text(manifest.to_json())
    store.publish(folder, prefix, MANIFEST_NAME)
    uri = store.uri(prefix)
    uri = f"{uri}/{manifest.files[0].path}" if manifest.layout == "file" else uri
    return CachedOutput(uri, made.schema, manifest.digest, made.metadata)


def published_folder(made: MadeOutput, staging: Path) -> Path:
    """Where an output that is one file is put, so that a manifest can lie beside it."""
    return staging / f"publish-{made.name}"


def make_manifest(made: MadeOutput, folder: Path, origin: Origin) -> Manifest:
    """Describe an output that lies in `folder`.

    Args:
        made: The output; its `path` says whether it was one file.
        folder: The directory that holds its files.
        origin: Who made it.

    Returns:
        The manifest, with schema and rows read from Parquet footers.
    """
    layout = "directory" if folder == made.path else "file"
    _, files = describe_files(folder)
    rows, columns = _parquet_facts(folder, [item.path for item in files])
    metadata = dict(made.metadata)
    stated = None if made.schema in _METRIC_SCHEMAS else metadata.get("rows")
    return Manifest(
        type=made.schema,
        layout=layout,
        files=files,
        origin=origin,
        rows=int(stated) if stated is not None else rows,
        columns=columns,
        splits=metadata.get("splits", {}),
        metadata=metadata,
    )


def _as_folder(path: Path, folder: Path) -> Path:
    """A directory with what the step wrote: itself, or a new one around its single file."""
    for link in [path, *sorted(path.rglob("*"))] if path.is_dir() else [path]:
        if link.is_symlink():
            _follow(link)
    if path.is_dir():
        return path
    folder.mkdir(parents=True)
    os.rename(path, folder / path.name)
    return folder


def _make_readable(folder: Path) -> None:
    """Let other users of the machine read an artifact: some libraries write for the owner alone."""
    for item in [folder, *folder.rglob("*")]:
        item.chmod(0o755 if item.is_dir() else 0o644)


def _follow(link: Path) -> None:
    """Put a copy in the place of a link: what it points to lies in another artifact, or is gone tomorrow."""
    target = link.resolve() if link.exists() else link
    if target == link or link.parent.resolve().is_relative_to(target):
        raise StepFailed(
            "an output holds a link that leads nowhere, or around in a circle",
            seen=f"{link.name} → {os.readlink(link)}",
            expected="files, or links to them",
        )
    link.unlink()
    if target.is_dir():
        shutil.copytree(target, link, ignore=shutil.ignore_patterns(MANIFEST_NAME))
    else:
        shutil.copyfile(target, link)


def _write_metrics_file(made: MadeOutput) -> None:
    """KFP keeps metrics in metadata only; a file makes them an artifact like any other."""
    if made.schema in _METRIC_SCHEMAS and not made.path.exists():
        made.path.parent.mkdir(parents=True, exist_ok=True)
        made.path.write_text(json.dumps(made.metadata, indent=1, sort_keys=True) + "\n")


def _parquet_facts(folder: Path, names: list[str]) -> tuple[int | None, dict[str, str]]:
    files = [folder / name for name in names if name.endswith(".parquet")]
    if not files:
        return None, {}
    from pyarrow import parquet

    footers = [parquet.read_metadata(file) for file in files]
    schema = footers[0].schema.to_arrow_schema()
    return sum(item.num_rows for item in footers), {field.name: str(field.type) for field in schema}
