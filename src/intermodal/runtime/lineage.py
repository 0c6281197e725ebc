"""What an artifact was made from, down to the data from outside."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from intermodal.core.manifest import Manifest, Origin
from intermodal.errors import ArtifactCorrupt
from intermodal.store.locate import prefix_of, read_manifest

OUTSIDE = "from outside: no step made it"
MISSING = "it is not there any more"
ALTERED = "it was altered since"
REPEATED = "its origin is told above"
_PUBLISHED = re.compile(r"/artifacts/[^/]+/[0-9a-f]{16}-[^/]+/")


@dataclass(frozen=True)
class Ancestry:
    """One artifact and what it was made from.

    Attributes:
        uri: Where it lies.
        digest: Its digest; of an input, the digest it had when it was used.
        type: KFP's schema title; empty when it is not known.
        rows: Rows of tabular content; None when it has none.
        bytes: Its size; None when it is not known.
        note: Why nothing, or not all, is known of it; empty when all is.
        origin: Who made it; None when it is not known.
        inputs: Input name of the step that made it → the artifacts it was given.
    """

    uri: str
    digest: str
    type: str = ""
    rows: int | None = None
    bytes: int | None = None
    note: str = ""
    origin: Origin | None = None
    inputs: dict[str, tuple[Ancestry, ...]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The ancestry as a JSON-serialisable mapping, nested."""
        own = {name: getattr(self, name) for name in ("uri", "digest", "type", "rows", "bytes", "note")}
        if self.origin is None:
            return own
        made_by = {name: value for name, value in asdict(self.origin).items() if name != "inputs"}
        inputs = {name: [item.to_json() for item in items] for name, items in self.inputs.items()}
        return {**own, "made_by": {**made_by, "inputs": inputs}}


def trace(uri: str) -> Ancestry:
    """Follow an artifact back to data from outside.

    An artifact that is reached on several ways is followed once, and noted as `REPEATED` after that.

    Args:
        uri: The artifact's URI.

    Raises:
        ArtifactCorrupt: It has no manifest, or the manifest was altered.
        StoreFailed: The store did not answer.
    """
    return _known(uri, read_manifest(uri), set())


def _known(uri: str, manifest: Manifest, seen: set[str]) -> Ancestry:
    found = Ancestry(uri, manifest.digest, manifest.type, manifest.rows, manifest.size)
    if uri in seen:
        return replace(found, note=REPEATED)
    seen.add(uri)
    inputs = {
        name: tuple(_input(item["uri"], item["digest"], seen) for item in items)
        for name, items in sorted(manifest.origin.inputs.items())
    }
    return replace(found, origin=manifest.origin, inputs=inputs)


def _input(uri: str, digest: str, seen: set[str]) -> Ancestry:
    """An input as it was used; what lies there now counts only if it is still the same."""
    if not prefix_of(uri):
        return Ancestry(uri, digest, note=_without_manifest(uri))
    try:
        manifest = read_manifest(uri)
    except ArtifactCorrupt:
        return Ancestry(uri, digest, note=ALTERED)
    return _known(uri, manifest, seen) if manifest.digest == digest else Ancestry(uri, digest, note=ALTERED)


def _without_manifest(uri: str) -> str:
    """Data that came from outside has no manifest; in the place of an artifact it is missed."""
    here = Path(uri.removeprefix("file://")).exists()
    return OUTSIDE if here and not _PUBLISHED.search(uri) else MISSING
