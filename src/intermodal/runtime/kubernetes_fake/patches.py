"""How a patch changes an object: JSON merge patch, Kubernetes's strategic merge, and server-side apply.

The strategic merge knows from the schemas by which field the entries of a list are told apart; a list without one is
replaced as a whole, and so is every list of a custom kind.
"""

from __future__ import annotations

from typing import Any

from intermodal.runtime.kubernetes_fake.fault import ApiFault
from intermodal.runtime.manifests.kinds import Kind
from intermodal.runtime.manifests.schemas import merge_key

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
_ORDER, _RETAIN, _REMOVE = "$setElementOrder/", "$retainKeys", "$deleteFromPrimitiveList/"


def patched(live: Any, patch: Any, content_type: str, kind: Kind) -> Any:
    """The object that a patch makes of another.

    Args:
        live: The object; it stays as it is.
        patch: The patch.
        content_type: Which sort of patch it is.
        kind: The object's kind.

    Returns:
        A new object.

    Raises:
        ApiFault: The sort is not known, or is a strategic one for a custom kind, which Kubernetes refuses too.
    """
    if content_type == MERGE:
        return merge_patch(live, patch)
    if content_type == STRATEGIC and not kind.schema:
        return _strategic(live, patch, kind, ())
    known = f"{MERGE}, {APPLY}" if kind.schema else f"{MERGE}, {STRATEGIC}, {APPLY}"
    raise ApiFault(415, f"the body of the request was in an unknown format - accepted media types include: {known}")


def merge_patch(live: Any, patch: Any) -> Any:
    """RFC 7386: null removes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    result = dict(live) if isinstance(live, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), value)
    return result


def applied(live: Any, before: Any, desired: Any, kind: Kind, path: tuple[str, ...] = ()) -> Any:
    """Server-side apply: what one manager wants, over what others set.

    Args:
        live: The object as it is.
        before: What the same manager applied last; fields that it no longer names go away.
        desired: What it applies now.
        kind: The object's kind.
        path: Where in the object this is.

    Returns:
        The new object.
    """
    if isinstance(desired, dict):
        live, before = (item if isinstance(item, dict) else {} for item in (live, before))
        kept = {name: value for name, value in live.items() if name in desired or name not in before}
        merged = {
            name: applied(live.get(name), before.get(name), value, kind, (*path, name))
            for name, value in desired.items()
        }
        return {**kept, **merged}
    key = merge_key(kind, path) if isinstance(desired, list) else ""
    if not key:
        return desired
    entries = {item[key]: item for item in live or []}
    mine = {item[key]: item for item in before or []}
    wanted = [applied(entries.get(item[key]), mine.get(item[key]), item, kind, path) for item in desired]
    names = {item[key] for item in desired}
    return [*wanted, *(item for name, item in entries.items() if name not in names and name not in mine)]


def _strategic(live: Any, patch: Any, kind: Kind, path: tuple[str, ...]) -> Any:
    if isinstance(patch, list):
        return _strategic_list(live or [], patch, kind, path, merge_key(kind, path))
    if not isinstance(patch, dict):
        return patch
    if patch.get("$patch") == "replace":
        return {name: value for name, value in patch.items() if name != "$patch"}
    result = dict(live) if isinstance(live, dict) else {}
    if _RETAIN in patch:
        result = {name: value for name, value in result.items() if name in patch[_RETAIN]}
    for name, value in patch.items():
        if name.startswith(_REMOVE):
            field = name.removeprefix(_REMOVE)
            result[field] = [item for item in result.get(field, []) if item not in value]
        elif name.startswith("$"):
            continue
        elif value is None:
            result.pop(name, None)
        else:
            result[name] = _strategic(result.get(name), value, kind, (*path, name))
    return _in_order(result, patch, kind, path)


def _strategic_list(live: list[Any], patch: list[Any], kind: Kind, path: tuple[str, ...], key: str) -> list[Any]:
    if not key:
        return patch
    entries = {item[key]: item for item in live}
    for item in patch:
        if item.get("$patch") == "delete":
            entries.pop(item[key], None)
        else:
            entries[item[key]] = _strategic(entries.get(item[key]), item, kind, path)
    return list(entries.values())


def _in_order(result: dict[str, Any], patch: dict[str, Any], kind: Kind, path: tuple[str, ...]) -> dict[str, Any]:
    for name, wanted in patch.items():
        field = name.removeprefix(_ORDER)
        key = merge_key(kind, (*path, field)) if name.startswith(_ORDER) else ""
        if key and field in result:
            order = {item[key]: position for position, item in enumerate(wanted)}
            result[field] = sorted(result[field], key=lambda item: order.get(item[key], len(order)))
    return result
