"""MLflow's limits on keys, values and batches, kept here so that no call is refused for its size.

Source: mlflow.utils.validation (3.17): 6,000 characters a parameter, 8,000 a tag, 250 a key; 100 parameters
or tags, or 1,000 metrics, a request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

PARAMETER_LENGTH = 6000
TAG_LENGTH = 8000
KEY_LENGTH = 250
PARAMETERS_PER_REQUEST = 100
METRICS_PER_REQUEST = 1000

_FORBIDDEN = re.compile(r"[^\w\-. :/]")
Item = TypeVar("Item")


def clean_key(name: str) -> str:
    """A name as MLflow accepts it: word characters and `-. :/`, 250 at most, no empty path parts."""
    parts = [part for part in _FORBIDDEN.sub("_", name).split("/") if part.strip(".")]
    return "/".join(parts)[:KEY_LENGTH] or "_"


def as_text(value: Any) -> str:
    """A parameter's raw value as text: strings unchanged, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)


def cut(text: str, length: int) -> str:
    """A value that fits.

    Args:
        text: The value; NUL characters, which PostgreSQL refuses, are dropped.
        length: Characters allowed.

    Returns:
        The text; when too long, its beginning and a note with the full length.
    """
    text = text.replace("\x00", "")
    if len(text) <= length:
        return text
    note = f" … [cut: {len(text)} characters in all]"
    return text[: length - len(note)] + note


def fit(values: Mapping[str, Any], length: int) -> dict[str, str]:
    """Parameters or tags with keys and values that MLflow accepts.

    Args:
        values: Name → raw value.
        length: Characters allowed in a value.

    Returns:
        Clean name → text.
    """
    return {clean_key(name): cut(as_text(value), length) for name, value in values.items()}


def chunks(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """The items in pieces of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
