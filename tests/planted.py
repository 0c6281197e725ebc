"""Searching for planted words: in files, and in everything that is packed inside them."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Iterator

_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"


def opened(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """A file, and whatever is packed in it, however deep.

    Args:
        name: What it is called.
        content: Its bytes.

    Yields:
        Name and bytes; what is packed is named after its archive, as in `model.tar.gz!a/b.json`.
    """
    yield name, content
    if content.startswith(_GZIP):
        yield from opened(f"{name}!", gzip.decompress(content))
    elif content.startswith(_ZIP):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for item in archive.namelist():
                yield from opened(f"{name}!{item}", archive.read(item))
    elif content[257:262] == b"ustar":
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for member in archive.getmembers():
                found = archive.extractfile(member)
                yield from opened(f"{name}{member.name}", found.read() if found else b"")


def holders(found: Iterator[tuple[str, bytes]], mark: str) -> list[str]:
    """Where a planted word stands: in a name, or in bytes as they are or unpacked.

    Args:
        found: Names and bytes.
        mark: The word.
    """
    every = (inner for name, content in found for inner in opened(name, content))
    return [name for name, content in every if mark.encode() in content or mark in name]
