"""Whether artifacts still are what was published, byte for byte.

Every file is read and compared with the manifest; what the manifest does not list is found too. Files of
a remote store are fetched one at a time, so the check needs no more disk than the largest of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from intermodal.core.manifest import MANIFEST_NAME, FileEntry, Manifest, damage
from intermodal.errors import ArtifactCorrupt
from intermodal.runtime.artifact_names import NamedArtifact, published_artifacts, remembered_artifacts
from intermodal.store.base import Store
from intermodal.store.locate import open_store, prefix_of, read_manifest


@dataclass(frozen=True)
class Verdict:
    """What the check of one artifact found.

    Attributes:
        name: What the artifact was called.
        uri: Where it lies.
        digest: Its digest; the recorded one when the manifest is gone.
        files: Number of files that the manifest lists.
        bytes: Bytes in all, as the manifest says.
        damage: One line for each thing that is wrong; empty when it is whole.
        note: What is odd but no damage, such as the remains of an upload that never finished.
    """

    name: str
    uri: str
    digest: str = ""
    files: int = 0
    bytes: int = 0
    damage: tuple[str, ...] = ()
    note: str = ""

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.damage

    def to_json(self) -> dict[str, Any]:
        """The verdict as a JSON-serialisable mapping."""
        return {**asdict(self), "damage": list(self.damage), "whole": self.whole}


def verify(artifacts: Iterable[NamedArtifact]) -> Iterator[Verdict]:
    """Check artifacts one after another.

    Args:
        artifacts: Which.

    Yields:
        A verdict each.

    Raises:
        StoreFailed: The store did not answer.
    """
    with TemporaryDirectory(prefix="intermodal-verify-") as scratch:
        for item in artifacts:
            yield _verdict(item, Path(scratch))


def verify_store(store: Store) -> Iterator[Verdict]:
    """Check everything in a store: what is published, and what the memory of finished work points to.

    In a bucket an upload that was cut off leaves files without a manifest. By the rule that is no
    artifact, so it is told as a note. A directory is published by one rename, and an artifact that is
    remembered was finished: there a missing manifest is damage.
    """
    known = {item.name: item for item in published_artifacts(store)}
    remembered = {item.name: item for item in remembered_artifacts(store)}
    remote = store.root.startswith("s3://")
    for verdict in verify({**known, **remembered}.values()):
        unfinished = remote and verdict.name not in remembered and not prefix_of(verdict.uri)
        yield replace(verdict, damage=(), note="an upload that never finished") if unfinished else verdict


def _verdict(artifact: NamedArtifact, scratch: Path) -> Verdict:
    found = Verdict(artifact.name, artifact.uri, artifact.digest)
    prefix = prefix_of(artifact.uri)
    if not prefix:
        return replace(found, damage=(f"{MANIFEST_NAME}: missing",))
    try:
        manifest = read_manifest(prefix)
    except ArtifactCorrupt as error:
        return replace(found, damage=(f"{error.headline} ({error.seen})",))
    problems = _problems(manifest, open_store(prefix), scratch)
    if artifact.digest and manifest.digest != artifact.digest:
        recorded = f"{MANIFEST_NAME}: digest {manifest.digest[:12]}…, but {artifact.digest[:12]}… was recorded"
        problems.insert(0, recorded)
    files, size = len(manifest.files), manifest.size
    return replace(found, digest=manifest.digest, files=files, bytes=size, damage=tuple(problems))


def _problems(manifest: Manifest, store: Store, scratch: Path) -> list[str]:
    present = set(store.keys(""))
    listed = {item.path for item in manifest.files}
    problems = [f"{path}: missing" for path in sorted(listed - present)]
    for item in manifest.files:
        if item.path in present:
            problems += _compare(manifest, item, store, scratch)
    extra = sorted(present - listed - {MANIFEST_NAME})
    return problems + [f"{path}: not in the manifest" for path in extra]


def _compare(manifest: Manifest, item: FileEntry, store: Store, scratch: Path) -> list[str]:
    root = store.fetch("", [item.path], scratch)
    try:
        return damage(replace(manifest, files=(item,)), root)
    except OSError as error:  # a bad block of the disk, say
        return [f"{item.path}: cannot be read ({error.strerror})"]
    finally:
        if root == scratch:
            (scratch / item.path).unlink(missing_ok=True)
