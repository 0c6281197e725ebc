"""Lists: filtered, sorted and paged as KFP does it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from intermodal.runtime.kubeflow.fake.answers import Refused, invalid
from intermodal.runtime.kubeflow.fake.bodies import check

DEFAULT_PAGE, LARGEST_PAGE = 20, 200
# The client sends an operation by its number in filter.proto or by its name.
_NUMBERS = {
    1: "EQUALS",
    2: "NOT_EQUALS",
    3: "GREATER_THAN",
    5: "GREATER_THAN_EQUALS",
    6: "LESS_THAN",
    7: "LESS_THAN_EQUALS",
    8: "IN",
    9: "IS_SUBSTRING",
}
_VALUES = ("int_value", "long_value", "string_value", "timestamp_value", "int_values", "long_values", "string_values")
_OPERATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "EQUALS": lambda seen, wanted: seen == wanted,
    "NOT_EQUALS": lambda seen, wanted: seen != wanted,
    "GREATER_THAN": lambda seen, wanted: seen > wanted,
    "GREATER_THAN_EQUALS": lambda seen, wanted: seen >= wanted,
    "LESS_THAN": lambda seen, wanted: seen < wanted,
    "LESS_THAN_EQUALS": lambda seen, wanted: seen <= wanted,
    "IN": lambda seen, wanted: seen in wanted["values"],
    "IS_SUBSTRING": lambda seen, wanted: wanted in seen,
}


def page(items: list[dict[str, Any]], query: dict[str, str], name: str, keys: dict[str, str]) -> dict[str, Any]:
    """One page of a list.

    Args:
        items: All there are, oldest first.
        query: The request's `filter`, `sort_by`, `page_size` and `page_token`.
        name: Field of the answer that holds the items.
        keys: What may be filtered and sorted by → the item's field.

    Raises:
        Refused: 400, one of them cannot be right.
    """
    found = _sorted(_filtered(items, query.get("filter", ""), keys), query.get("sort_by", ""), keys)
    size, start = _size(query.get("page_size", "")), _start(query)
    answer: dict[str, Any] = {name: found[start : start + size], "total_size": len(found)}
    if start + size < len(found):
        answer["next_page_token"] = _token(start + size, query)
    return {key: value for key, value in answer.items() if value != []}


def _filtered(items: list[dict[str, Any]], text: str, keys: dict[str, str]) -> list[dict[str, Any]]:
    for key, operation, wanted in _predicates(text, keys):
        items = [item for item in items if _holds(operation, item.get(key, ""), wanted)]
    return items


def _holds(operation: Callable[[Any, Any], bool], seen: Any, wanted: Any) -> bool:
    try:
        return operation(seen, wanted)
    except TypeError as error:
        raise invalid(f"the filter compares {seen!r} with {wanted!r}") from error


def _predicates(text: str, keys: dict[str, str]) -> list[tuple[str, Callable[[Any, Any], bool], Any]]:
    if not text:
        return []
    try:
        given = json.loads(text)
        predicates = [{_snake(name): value for name, value in item.items()} for item in given["predicates"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise invalid(f"failed to parse filter {text!r}: {error}") from error
    return [_predicate(item, keys) for item in predicates]


def _predicate(item: dict[str, Any], keys: dict[str, str]) -> tuple[str, Callable[[Any, Any], bool], Any]:
    item["operation"] = _NUMBERS.get(item.get("operation"), item.get("operation"))  # type: ignore[arg-type]
    check(item, "V2beta1Predicate", "filter")
    values = [item[name] for name in _VALUES if name in item]
    if item["operation"] not in _OPERATIONS or len(values) != 1:
        raise invalid(f"a predicate needs a known operation and one value: {item}")
    if item.get("key") not in keys:
        raise invalid(f"no support for filtering on unrecognized field {item.get('key')}")
    return keys[item["key"]], _OPERATIONS[item["operation"]], values[0]


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def _sorted(items: list[dict[str, Any]], text: str, keys: dict[str, str]) -> list[dict[str, Any]]:
    if not text:
        return items
    key, _, order = text.strip().partition(" ")
    if key not in keys or order not in ("", "asc", "desc"):
        raise invalid(f"Invalid sorting field: {text!r}; sorted is by {', '.join(keys)}, then asc or desc")
    return sorted(items, key=lambda item: str(item.get(keys[key], "")), reverse=order == "desc")


def _size(text: str) -> int:
    try:
        size = int(text or 0)
    except ValueError:
        size = -1
    if size < 0:
        raise invalid(f"the page size must be a whole number from 0 on, got {text}")
    return min(size or DEFAULT_PAGE, LARGEST_PAGE)


def _token(start: int, query: dict[str, str]) -> str:
    fields = {"start": start, "filter": query.get("filter", ""), "sort_by": query.get("sort_by", "")}
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode()


def _start(query: dict[str, str]) -> int:
    """Where a page token goes on; it belongs to the list it came from."""
    token = query.get("page_token", "")
    if not token:
        return 0
    try:
        fields = json.loads(base64.urlsafe_b64decode(token))
        start = int(fields["start"])
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(400, f"Invalid package token. {error}") from error
    for name in ("filter", "sort_by"):
        if query.get(name) and query[name] != fields[name]:
            raise invalid(f"page token does not match the supplied {name}")
    return start
