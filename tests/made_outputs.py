"""Outputs of a step that is not there, for tests of the store: what it made, and what its result is remembered by."""

from __future__ import annotations

from pathlib import Path

from intermodal.core.cachekey import KeyParts
from intermodal.core.manifest import Origin
from intermodal.store.base import Store
from intermodal.store.publish import MadeOutput

PARTS = KeyParts("acme:clean", {"acme": "1"}, {"python": "3.11"}, "", {"seed": 7}, {"data": ["d"]}, {})

ORIGIN = Origin("clean", cache_key=PARTS.key)


def made(
    staging: Path, files: dict[str, bytes] | bytes | None, schema: str = "system.Dataset", **metadata
) -> MadeOutput:
    """An output as a step leaves it: a directory, a file, or nothing."""
    path = staging / "outputs" / "data"
    if isinstance(files, bytes):
        path.write_bytes(files)
    elif files is not None:
        for name, content in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(content)
    return MadeOutput("data", schema, path, metadata)


FILES = {"a.txt": b"a", "part=1/b.txt": b"bb"}


def flip(store: Store, key: str) -> None:
    """Flip one bit of an object."""
    content = bytearray(store.read(key) or b"\0")
    content[len(content) // 2] ^= 1
    store.write(key, bytes(content))
