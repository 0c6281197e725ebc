"""A section of `intermodal.toml` read into a frozen dataclass, with one clear error for what is wrong in it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection
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


def read_section_with_steps(
    before: Section,
    given: dict[str, Any],
    where: str,
    shared: str,
    one: Callable[[Any, dict[str, Any], str, frozenset[str]], Any],
    texts: tuple[str, ...] = (),
) -> Section:
    """A section that says some things once, and others for every step or, in `[where.steps.NAME]`, for one.

    Args:
        before: The defaults.
        given: Key → value as TOML gave it.
        where: The section's name.
        shared: The field that holds what every step is given; the field `steps` holds what single ones are,
            by their names with underscores.
        one: Reads what steps are given; its arguments are the first four of `read_section`.
        texts: Keys of the section's own that hold tables of texts alone.

    Raises:
        UsageError: A key is unknown, or a value has the wrong type.
    """
    own = {item.name for item in fields(before)} - {shared, "steps"}  # type: ignore[arg-type]
    steps = table(given.get("steps", {}), f"{where}.steps")
    rest = {name: value for name, value in given.items() if name not in own and name != "steps"}
    every = one(getattr(before, shared), rest, where, frozenset(own | {"steps"}))
    read = read_section(before, {name: given[name] for name in own & given.keys()}, where, texts=texts)
    single = {
        name.replace("-", "_"): one(every, table(value, place := f"{where}.steps.{name}"), place, frozenset())
        for name, value in steps.items()
    }
    return replace(read, **{shared: every, "steps": single})  # type: ignore[type-var]


def check_choice(where: str, value: str, known: Collection[str]) -> None:
    """Refuse a value that is none of the known ones.

    Args:
        where: The key, for the error.
        value: What was given.
        known: What may be given.

    Raises:
        UsageError: It is another one.
    """
    if value not in known:
        expected = " or ".join(item or '""' for item in known)
        raise UsageError(f"{CONFIG_NAME}: {where} is wrong", seen=value, expected=expected)


def check_pause(where: str, value: float) -> None:
    """Refuse a pause that is none.

    Args:
        where: The key, for the error.
        value: Seconds.

    Raises:
        UsageError: It is not more than 0.
    """
    if value <= 0:
        raise UsageError(f"{CONFIG_NAME}: {where} is wrong", seen=value, expected="seconds, more than 0")


def check_on_s3(where: str, value: str) -> None:
    """Refuse a place that is not on S3; none at all is right.

    Args:
        where: The key, for the error.
        value: What was given.

    Raises:
        UsageError: It is elsewhere.
    """
    if value and not value.startswith("s3://"):
        raise UsageError(f"{CONFIG_NAME}: {where} is wrong", seen=value, expected="s3://bucket/prefix")


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
