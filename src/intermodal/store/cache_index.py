"""The memory of finished work: cache key → outputs, beside the artifacts in the same store.

An entry is written after all outputs of a task have their manifests, and only if there is none yet: of
two runs that do the same work at the same time, the first to finish wins and the other uses its result.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from intermodal.core.cachekey import KeyParts, differences
from intermodal.core.manifest import damage
from intermodal.errors import ArtifactCorrupt
from intermodal.store.base import Store
from intermodal.store.locate import find_manifest

_VERIFY_BYTES = 4 << 30
NEVER_RAN = "this step has not run yet"


@dataclass(frozen=True)
class CachedOutput:
    """One remembered artifact.

    Attributes:
        uri: What KFP is given: the prefix, or the single file in it.
        schema: KFP's schema title.
        digest: Digest of its manifest.
        metadata: KFP's metadata.
    """

    uri: str
    schema: str
    digest: str
    metadata: dict[str, Any]


@dataclass(frozen=True)
class CachedResult:
    """What a finished task is remembered by.

    Attributes:
        parts: What its key was made of.
        outputs: Output name → artifact.
        values: Returned plain value → value.
        mlflow_run_id: The MLflow run that recorded the work.
        seconds: How long the work took.
    """

    parts: KeyParts
    outputs: dict[str, CachedOutput]
    values: dict[str, Any]
    mlflow_run_id: str = ""
    seconds: float = 0.0

    def to_json(self) -> bytes:
        """The entry's text, sealed: plain values lie nowhere else."""
        fields = json.loads(json.dumps(asdict(self), default=str))
        return (json.dumps({**fields, "seal": _seal(fields)}, indent=1, sort_keys=True) + "\n").encode()

    @classmethod
    def from_json(cls, content: bytes) -> CachedResult:
        """Read back what `to_json` wrote.

        Raises:
            ValueError: It was altered; also KeyError or TypeError when it is something else.
        """
        fields = json.loads(content)
        if fields.pop("seal") != _seal(fields):
            raise ValueError("altered")
        fields["parts"] = KeyParts.from_json(fields["parts"])
        fields["outputs"] = {name: CachedOutput(**item) for name, item in fields["outputs"].items()}
        return cls(**fields)


class CacheIndex:
    """Remembered results in a store.

    Args:
        store: The artifact store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, parts: KeyParts) -> tuple[CachedResult | None, str]:
        """Look a result up.

        Args:
            parts: What the task's key is made of.

        Returns:
            The result and why it hit; or None and why it missed.
        """
        result = self._load(f"cache/{parts.key}.json")
        if result is None:
            return None, self._why_missed(parts)
        damaged = [name for name, item in sorted(result.outputs.items()) if not _intact(item)]
        if damaged:
            self._store.remove(f"cache/{parts.key}.json")
            return None, f"the remembered output {', '.join(damaged)} is missing or was altered"
        return result, "same step source, packages, parameters and inputs"

    def remember(self, result: CachedResult, task: str, *, replace: bool = False) -> CachedResult:
        """Record a finished task, unless another was faster.

        Args:
            result: Its outputs, all published.
            task: Name of the task, under which a later miss is explained.
            replace: Put it in the place of an earlier result, as asked when the cache is switched off.

        Returns:
            `result`, or the one that was there first.
        """
        key = f"cache/{result.parts.key}.json"
        written = self._store.write(key, result.to_json(), only_if_absent=not replace)
        winner = result if written else self._load(key) or result
        self._store.write(_history(result.parts.target, task), json.dumps(result.parts.to_json()).encode())
        return winner

    def last_seconds(self, target: str, task: str) -> float:
        """How long a task took when its work was last done; 0 when nothing remembers it.

        Args:
            target: Its step, "module:function".
            task: Its name.
        """
        parts = self._read_parts(_history(target, task))
        result = self._load(f"cache/{parts.key}.json") if parts is not None else None
        return result.seconds if result is not None else 0.0

    def _why_missed(self, parts: KeyParts) -> str:
        keys = list(self._store.keys(_history(parts.target, "")))
        known = [old for key in keys if (old := self._read_parts(key)) is not None]
        if not known:
            return NEVER_RAN
        # Several tasks may share the step: the one that is nearest is the one that is meant.
        changes = min((differences(old, parts) for old in known), key=len)
        return "; ".join(changes) if changes else "its remembered result was removed"

    def forget(self, key: str, uri: str) -> None:
        """Take back the result that an artifact belongs to, so that the work is done again.

        Args:
            key: Cache key of the result.
            uri: The artifact; a result that has another in its place is kept.
        """
        result = self._load(f"cache/{key}.json")
        if result is not None and any(item.uri == uri for item in result.outputs.values()):
            self._store.remove(f"cache/{key}.json")

    def _read_parts(self, key: str) -> KeyParts | None:
        content = self._store.read(key)
        try:
            return KeyParts.from_json(json.loads(content)) if content else None
        except (ValueError, TypeError):
            return None

    def _load(self, key: str) -> CachedResult | None:
        content = self._store.read(key)
        try:
            return CachedResult.from_json(content) if content else None
        except (ValueError, KeyError, TypeError, AttributeError):
            return None  # an entry of another version, or altered: the work is repeated


def _seal(fields: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def _history(target: str, task: str) -> str:
    return f"history/{target.replace(':', '.')}/{task + '.json' if task else ''}"


def _intact(output: CachedOutput) -> bool:
    """Whether an artifact is still what was published; every byte is read where that is cheap."""
    try:
        found = find_manifest(output.uri)
    except ArtifactCorrupt:
        return False
    if found is None or found[1].digest != output.digest:
        return False
    prefix, manifest = found
    if prefix.startswith("s3://") or manifest.size > _VERIFY_BYTES:
        return True  # read in full, and verified, by the first task that needs it
    return not damage(manifest, Path(prefix))
