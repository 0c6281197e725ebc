"""Frozen dataclasses to JSON and back, by their type hints alone.

Reading is forgiving, because a report must be drawn of whatever a run left behind: unknown keys are ignored,
missing ones take their default, a number that is not one becomes None where None is allowed. A field may
declare other keys that mean the same (`aka`), and a dataclass may have a static method `prepare` that first
brings a document into its shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, field, fields, is_dataclass
from math import isfinite
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from intermodal.errors import UsageError

Record = TypeVar("Record")


def aka(*names: str, default: Any = MISSING, factory: Any = MISSING) -> Any:
    """A dataclass field that is also read from other keys.

    Args:
        *names: The other keys, tried in order after the field's own name.
        default: Default value.
        factory: Default factory.

    Returns:
        What `dataclasses.field` returns.
    """
    chosen = {"default": default} if factory is MISSING else {"default_factory": factory}
    return field(metadata={"aka": names}, **chosen)


def to_json(value: Any) -> Any:
    """A dataclass as a JSON value: tuples become lists, numbers that JSON lacks become null.

    Args:
        value: A dataclass, or anything inside one.

    Returns:
        Dicts, lists and scalars only.
    """
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, float) and not isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | NoneType) else str(value)


def from_json(kind: type[Record], data: Any) -> Record:
    """Read a dataclass from a JSON object.

    Args:
        kind: The dataclass.
        data: The object.

    Returns:
        An instance.

    Raises:
        UsageError: `data` is not an object, or lacks a field that has no default.
    """
    if isinstance(data, kind):
        return data
    data = getattr(kind, "prepare", _as_it_is)(data)
    if not isinstance(data, Mapping):
        raise UsageError(f"this is not a {kind.__name__}", seen=type(data).__name__, expected="a JSON object")
    hints, found = get_type_hints(kind), {}
    for item in fields(kind):  # type: ignore[arg-type]
        names = (item.name, *item.metadata.get("aka", ()))
        key = next((name for name in names if data.get(name) is not None), None)
        if key is not None:
            found[item.name] = _read(hints[item.name], data[key])
        elif _required(item):
            raise UsageError(f"a {kind.__name__} lacks {item.name}", seen=", ".join(map(str, data)), expected=item.name)
    return kind(**found)


def _as_it_is(data: Any) -> Any:
    return data


def _required(item: Field[Any]) -> bool:
    return item.default is MISSING and item.default_factory is MISSING


def _read(hint: Any, value: Any) -> Any:
    """One value of a type hint; see the module for what is forgiven."""
    origin, inside = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return None if value is None else _read(next(arg for arg in inside if arg is not NoneType), value)
    if origin is tuple:
        kinds = inside if len(inside) > 1 and inside[1] is not Ellipsis else (inside[0],) * len(_items(value))
        return tuple(_read(kind, item) for kind, item in zip(kinds, _items(value), strict=False))
    if origin is dict:
        return {str(key): _read(inside[1], item) for key, item in value.items()} if isinstance(value, Mapping) else {}
    if is_dataclass(hint):
        bare = not isinstance(value, Mapping) and any(item.name == "value" for item in fields(hint))
        return from_json(hint, {"value": value} if bare else value)  # type: ignore[arg-type]
    return _scalar(hint, value)


def _items(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _scalar(hint: Any, value: Any) -> Any:
    if hint is str:
        return str(value)
    if hint is bool:
        return bool(value)
    if hint in (int, float):
        try:
            read = float(value)
        except (TypeError, ValueError):
            return None
        return (hint(read) if hint is int else read) if isfinite(read) else None
    return value
