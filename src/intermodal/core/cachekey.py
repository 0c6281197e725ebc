"""The cache key of a task, and why two keys differ.

The key covers everything that can change a result: the step's source files, the packages it runs with,
its image when that is not one of ours, its parameters, the content of its input artifacts, and the
content of data outside the store that a parameter names. The parts are kept beside the key, so that a
miss can say which of them changed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

_VERSION = 1


@dataclass(frozen=True)
class KeyParts:
    """Everything a cache key is made of.

    Attributes:
        target: The step, "module:function".
        source: Source file → sha256.
        environment: Distribution → version.
        image: A foreign image's reference; empty for the image families.
        parameters: Parameter → value.
        inputs: Input → digests of its artifacts.
        sources: Parameter naming outside data → fingerprint of that data.
    """

    target: str
    source: dict[str, str]
    environment: dict[str, str]
    image: str
    parameters: dict[str, Any]
    inputs: dict[str, list[str]]
    sources: dict[str, Any]

    @property
    def key(self) -> str:
        """sha256 over all parts, in hexadecimal."""
        text = json.dumps([_VERSION, asdict(self)], sort_keys=True, separators=(",", ":"), default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """The parts as a JSON-serialisable mapping."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> KeyParts:
        """Read back what `to_json` wrote."""
        return cls(**fields)


def differences(old: KeyParts, new: KeyParts) -> list[str]:
    """Why `new` is not served by the result of `old`.

    Args:
        old: Parts of an earlier execution of the same step.
        new: Parts of the one at hand.

    Returns:
        One short line for each part that changed, such as "parameter seed: 7 → 8".
    """
    lines = _changed("parameter", old.parameters, new.parameters, show=True)
    lines += _changed("input", old.inputs, new.inputs)
    lines += _changed("data of parameter", old.sources, new.sources)
    lines += _changed("source file", old.source, new.source)
    lines += _changed("package", old.environment, new.environment, show=True)
    if old.image != new.image:
        lines.append(f"image: {old.image or 'none'} → {new.image or 'none'}")
    return lines


def _changed(label: str, old: dict[str, Any], new: dict[str, Any], *, show: bool = False) -> list[str]:
    lines = []
    for name in sorted(set(old) | set(new)):
        if old.get(name) == new.get(name) and (name in old) == (name in new):
            continue
        detail = f": {_short(old, name)} → {_short(new, name)}" if show else " changed"
        lines.append(f"{label} {name}{detail}")
    return lines


def _short(values: dict[str, Any], name: str) -> str:
    if name not in values:
        return "none"
    text = json.dumps(values[name], default=str)
    return text if len(text) <= 40 else text[:39] + "…"
