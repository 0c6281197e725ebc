"""The manifest: what an artifact is, byte for byte, and where it came from.

It is written last. A prefix without `manifest.json` is not an artifact: this one rule gives crash
safety, caching, resume on another runtime, and lineage. The digest covers the content alone (type,
layout, files), so the same work done twice has the same digest, whoever did it and whenever. The seal
covers the whole text of the manifest, so that a lie about the origin is found as well.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from intermodal.errors import ArtifactCorrupt

MANIFEST_NAME = "manifest.json"
VERSION = 1
_BLOCK = 1 << 20


@dataclass(frozen=True)
class FileEntry:
    """One file of an artifact.

    Attributes:
        path: Relative to the artifact's prefix, with forward slashes.
        size: Bytes.
        sha256: Digest of the content, in hexadecimal.
    """

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Origin:
    """Who produced an artifact, from what, with which parameters.

    Attributes:
        step: Registry name or "module:function".
        task: Name of the task in its pipeline.
        run_id: The intermodal run.
        mlflow_run_id: The task's MLflow run; empty when not tracked.
        cache_key: The key the result is remembered under.
        source_digest: Digest of the step's source files.
        environment_digest: Digest of the packages it ran with.
        image: Image reference; empty when it ran outside a container.
        parameters: Plain parameters, as used.
        inputs: Input name → {"uri", "digest"}, one per artifact.
        sources: Parameter that named data outside the store → what was found there.
        produced: UTC time, ISO 8601.
        intermodal: Version of this package.
    """

    step: str
    task: str = ""
    run_id: str = ""
    mlflow_run_id: str = ""
    cache_key: str = ""
    source_digest: str = ""
    environment_digest: str = ""
    image: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    sources: dict[str, Any] = field(default_factory=dict)
    produced: str = ""
    intermodal: str = ""


@dataclass(frozen=True)
class Manifest:
    """An artifact's manifest.

    Attributes:
        type: KFP's schema title.
        layout: "directory", or "file" when the artifact is one file.
        files: Its files, sorted by path.
        origin: Who produced it.
        rows: Rows of tabular content; None when it has none.
        columns: Column name → type of tabular content.
        splits: Split name → {"rows", "digest"}.
        metadata: What the step said of it; not part of the digest.
    """

    type: str
    layout: str
    files: tuple[FileEntry, ...]
    origin: Origin
    rows: int | None = None
    columns: dict[str, str] = field(default_factory=dict)
    splits: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """sha256 over type, layout and every file's path, size and sha256."""
        lines = [f"{self.type} {self.layout}\n"]
        lines += [f"{item.sha256} {item.size} {item.path}\n" for item in self.files]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(item.size for item in self.files)

    def to_json(self) -> str:
        """The manifest as the text of `manifest.json`; its own seal makes any flipped byte of it known."""
        # Read back first: a key that is no text sorts otherwise once it has become text.
        stated = {"manifest_version": VERSION, "digest": self.digest, **asdict(self)}
        fields = json.loads(json.dumps(stated, default=str))
        seal = hashlib.sha256(_text(fields).encode()).hexdigest()
        return _text({**fields, "seal": seal})

    @classmethod
    def from_json(cls, text: str, where: str) -> Manifest:
        """Read a manifest, and check it against its own seal.

        Args:
            text: Content of `manifest.json`.
            where: The artifact's URI, for the error.

        Raises:
            ArtifactCorrupt: It is no manifest, or it was altered.
        """
        try:
            fields = json.loads(text)
            stated = {name: fields.pop(name) for name in ("digest", "manifest_version", "seal")}
            fields["files"] = tuple(FileEntry(**item) for item in fields["files"])
            fields["origin"] = Origin(**fields["origin"])
            manifest = cls(**fields)
            rewritten = manifest.to_json()
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ArtifactCorrupt("manifest.json cannot be read", seen=f"{where}: {error!r}") from error
        if manifest.digest != stated["digest"]:
            altered, right = manifest.digest, stated["digest"]
        elif rewritten != text:
            altered, right = "text that does not agree with its seal", f"seal {stated['seal']}"
        else:
            return manifest
        raise ArtifactCorrupt(f"manifest.json of {where} was altered", seen=altered, expected=right)


def describe_files(path: Path) -> tuple[str, tuple[FileEntry, ...]]:
    """Layout and files of what a step wrote.

    Args:
        path: The file or directory.

    Returns:
        "file" or "directory", and its files sorted by path; a manifest lying there is left out.
    """
    if path.is_file():
        return "file", (_entry(path, path.name),)
    names = sorted(_walk(path))
    return "directory", tuple(_entry(path / name, name) for name in names if name != MANIFEST_NAME)


def damage(manifest: Manifest, root: Path) -> list[str]:
    """Compare an artifact's bytes with its manifest.

    Args:
        manifest: What it should be.
        root: The directory that holds its files.

    Returns:
        One line for each file that is missing, has another size, or other bytes; empty when whole.
    """
    return [line for item in manifest.files if (line := _compare(item, root / item.path))]


def sha256_of(path: Path) -> str:
    """sha256 of a file, in hexadecimal, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _text(fields: dict[str, Any]) -> str:
    return json.dumps(fields, indent=1, sort_keys=True) + "\n"


def _walk(root: Path) -> Iterator[str]:
    for item in root.rglob("*"):
        if item.is_file():
            yield item.relative_to(root).as_posix()


def _entry(path: Path, name: str) -> FileEntry:
    return FileEntry(name, path.stat().st_size, sha256_of(path))


def _compare(item: FileEntry, path: Path) -> str:
    if not path.is_file():
        return f"{item.path}: missing"
    size = path.stat().st_size
    if size != item.size:
        return f"{item.path}: {size} bytes, expected {item.size}"
    digest = sha256_of(path)
    return "" if digest == item.sha256 else f"{item.path}: sha256 {digest[:12]}…, expected {item.sha256[:12]}…"
