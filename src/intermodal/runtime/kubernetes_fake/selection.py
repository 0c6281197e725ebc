"""Selectors of lists: by label and by field."""

from __future__ import annotations

import re
from typing import Any

from intermodal.runtime.kubernetes_fake.fault import ApiFault

_SET = re.compile(r"(?P<key>[^\s!=]+)\s+(?P<how>in|notin)\s+\((?P<values>[^)]*)\)")
_EQUAL = re.compile(r"(?P<key>[^!=\s]+)\s*(?P<how>!=|==|=)\s*(?P<value>[^\s]*)")
_EXISTS = re.compile(r"(?P<no>!?)(?P<key>[^!=\s]+)")


def selected(items: list[dict[str, Any]], query: dict[str, str]) -> list[dict[str, Any]]:
    """The objects that a request's `labelSelector` and `fieldSelector` name.

    Args:
        items: The objects.
        query: The request's parameters.

    Raises:
        ApiFault: A selector cannot be read, or names a field other than metadata.name and metadata.namespace.
    """
    labels = [part for part in re.split(r",(?![^(]*\))", query.get("labelSelector", "")) if part]
    fields = [part for part in query.get("fieldSelector", "").split(",") if part]
    kept = [item for item in items if all(_label(part.strip(), item) for part in labels)]
    return [item for item in kept if all(_field(part, item) for part in fields)]


def _label(part: str, item: dict[str, Any]) -> bool:
    labels = item["metadata"].get("labels") or {}
    if match := _SET.fullmatch(part):
        inside = labels.get(match["key"]) in [value.strip() for value in match["values"].split(",")]
        return inside == (match["how"] == "in")
    if match := _EQUAL.fullmatch(part):
        return (labels.get(match["key"]) == match["value"]) == (match["how"] != "!=")
    if match := _EXISTS.fullmatch(part):
        return (match["key"] in labels) != bool(match["no"])
    raise ApiFault(400, f"unable to parse requirement: {part}")


def _field(part: str, item: dict[str, Any]) -> bool:
    match = _EQUAL.fullmatch(part)
    if not match or match["key"] not in ("metadata.name", "metadata.namespace"):
        raise ApiFault(400, f"field label not supported: {part}")
    value = item["metadata"].get(match["key"].rpartition(".")[2], "")
    return bool((value == match["value"]) == (match["how"] != "!="))
