"""A section of `intermodal.toml` read into a frozen dataclass, with one clear error for what is wrong in it."""

from __future__ import annotations

import difflib
from dataclasses import fields, replace
from typing import Any, TypeVar

from intermodal.core.config import CONFIG_NAME
from intermodal.errors import UsageError

Section = TypeVar("Section")


def read_section(
    before: Section, given: dict[str, Any], where: str, also: frozenset[str] = frozenset(), texts: tuple[str, ...] = ()
) -> Section:
    """A dataclass with the given values in it; mappings are merged, everything else is replaced.

    Args:
        before: The defaults; a default of None stands for an optional whole number.
        given: Key → value as TOML gave it.
        where: The section's name, for errors.
        also: Keys that belong to the section but not to this dataclass, to be suggested for typing errors.
        texts: Keys that hold tables of texts alone.

    Raises:
        UsageError: A key is unknown, or a value has the wrong type.
    """
    known = {item.name for item in fields(before)}  # type: ignore[arg-type]
    changed = {}
    for name, value in given.items():
        if name not in known:
            near = difflib.get_close_matches(name, {*known, *also}, n=1) or sorted({*known, *also})
            raise UsageError(f"{CONFIG_NAME}: [{where}] has no such key", seen=name, expected=", ".join(near))
        old = getattr(before, name)
        check_type(f"{where}.{name}", old, value, only_texts=name in texts)
        changed[name] = {**old, **value} if isinstance(old, dict) else value
    return replace(before, **changed)  # type: ignore[type-var]


def check_type(where: str, like: Any, value: Any, *, only_texts: bool = False) -> None:
    """Refuse a value of another type than the default's, or a negative number.

    Args:
        where: The key, for the error.
        like: The default; None where a whole number is expected.
        value: What was given.
        only_texts: Whether a table must hold texts alone.

    Raises:
        UsageError: It is of another type.
    """
    kind = int if like is None else type(like)
    number = kind in (int, float) and isinstance(value, int | float) and not isinstance(value, bool)
    right = number and (kind is float or isinstance(value, int)) if kind in (int, float) else isinstance(value, kind)
    if not right or (kind in (int, float) and value < 0):
        names = {str: "a text", bool: "true or false", int: "a whole number", float: "a number", dict: "a table"}
        raise UsageError(f"{CONFIG_NAME}: {where} is wrong", seen=repr(value), expected=names.get(kind, "a list"))
    wrong = [item for item in value.values() if not isinstance(item, str)] if only_texts else []
    if wrong:
        raise UsageError(f"{CONFIG_NAME}: {where} holds texts alone", seen=repr(wrong[0]), expected=f'"{wrong[0]}"')


def table(value: Any, where: str) -> dict[str, Any]:
    """The value, which must be a table.

    Raises:
        UsageError: It is not one.
    """
    if isinstance(value, dict):
        return value
    raise UsageError(f"{CONFIG_NAME}: {where} has the wrong type", seen=repr(value), expected=f"a table [{where}]")
