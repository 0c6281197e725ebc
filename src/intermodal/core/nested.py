"""Looking through documents of mappings and lists, such as requests of AWS, whatever their depth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def members(document: Any) -> Iterator[tuple[str, Any]]:
    """Every name with its value, of all mappings in a document; the outer ones come before those inside.

    Args:
        document: Mappings, lists and plain values.
    """
    if isinstance(document, dict):
        for name, value in document.items():
            yield name, value
            yield from members(value)
    elif isinstance(document, list):
        for item in document:
            yield from members(item)
