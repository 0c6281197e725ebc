"""Reading a suite of checks: JSON in, checks out, every mistake named with what was probably meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from intermodal.errors import UsageError
from intermodal.quality.analyzers import NULL_BEHAVIORS
from intermodal.quality.checks import KEYS, Check, Constraint, Level, constraint_from_json
from intermodal.quality.methods import METHODS
from intermodal.quality.spelling import unknown

DATA_TYPES = ("Null", "Fractional", "Integral", "Boolean", "String", "Numeric")
_COMMON = ("method", "columns", "hint", "quarantine")


def read_suite(values: dict[str, Any]) -> tuple[Check, ...]:
    """Read a suite.

    Args:
        values: {"checks": [{"level": "Error", "description": "…", "constraints": [{"method": "isComplete",
            "column": "review_id"}, …]}, …]}.

    Raises:
        UsageError: A key, level, method or field is unknown, missing or of the wrong type.
    """
    for key in values:
        if key != "checks":
            raise unknown("key", key, ["checks"], "the suite")
    listed = values.get("checks")
    if not isinstance(listed, list) or not listed:
        raise UsageError("a suite needs a list of checks", seen=repr(listed), expected='{"checks": [{…}, …]}')
    return tuple(_read_check(item) for item in listed)


def suite_to_json(checks: Iterable[Check]) -> dict[str, Any]:
    """A suite as JSON; `read_suite` reads it back."""
    return {"checks": [check.to_json() for check in checks]}


def read_level(name: Any) -> Level:
    """The level of that name.

    Raises:
        UsageError: There is none.
    """
    if name not in [item.value for item in Level]:
        raise unknown("level", str(name), [item.value for item in Level])
    return Level(name)


def _read_check(values: Any) -> Check:
    if not isinstance(values, dict):
        raise UsageError("a check must be a mapping", seen=repr(values), expected='{"level": "Error", …}')
    for key in values:
        if key not in ("level", "description", "constraints"):
            raise unknown("key", key, ["level", "description", "constraints"], "a check")
    level = read_level(values.get("level", "Error"))
    constraints = values.get("constraints", [])
    if not isinstance(constraints, list):
        raise UsageError("constraints of a check must be a list", seen=repr(constraints), expected="[{…}, …]")
    read = tuple(validated(constraint_from_json(item)) for item in constraints)
    return Check(level, str(values.get("description", "")), read)


def validated(constraint: Constraint) -> Constraint:
    """The constraint itself, once its method takes the fields it has.

    Raises:
        UsageError: The method is unknown, a field is missing or not taken, or a value is out of range.
    """
    if constraint.method not in METHODS:
        raise unknown("check", constraint.method, METHODS)
    method = METHODS[constraint.method]
    given = [name for name in KEYS if getattr(constraint, name) != getattr(Constraint(""), name)]
    allowed = (*_COMMON, *method.requires, *method.takes)
    for name in given:
        if name not in allowed:
            raise UsageError(f"{constraint.method} does not take this key", seen=KEYS[name], expected=_keys(allowed))
    for name in method.requires:
        if name not in given:
            raise UsageError(f"{constraint.method} lacks a key", seen=_keys(given), expected=KEYS[name])
    _check_columns(constraint, method.columns)
    _check_values(constraint)
    return constraint


def _keys(names: Sequence[str]) -> str:
    return ", ".join(KEYS[name] for name in names)


def _check_columns(constraint: Constraint, limits: tuple[int, int]) -> None:
    fewest, most = limits
    if fewest <= len(constraint.columns) <= most:
        return
    wanted = {(1, 1): '"column": one name', (2, 2): '"columns": two names', (0, 0): "no column"}
    expected = wanted.get(limits, '"columns": at least one name')
    seen = list(constraint.columns) or "no column"
    raise UsageError(f"{constraint.method} has the wrong number of columns", seen=seen, expected=expected)


def _check_values(constraint: Constraint) -> None:
    for key, value, known in (
        ("dataType", constraint.data_type, DATA_TYPES),
        ("nullBehavior", constraint.null_behavior, NULL_BEHAVIORS),
    ):
        if value and value not in known:
            raise unknown(key, value, known, constraint.method)
    bounds = [bound is not None for bound in (constraint.lower_bound, constraint.upper_bound)]
    if constraint.method == "isContainedIn" and (bool(constraint.allowed_values), *bounds) not in (
        (True, False, False),
        (False, True, True),
    ):
        expected = "either allowedValues, or both lowerBound and upperBound"
        raise UsageError("isContainedIn needs to know what is allowed", seen=constraint.to_json(), expected=expected)
    if constraint.quantile is not None and not 0 <= constraint.quantile <= 1:
        raise UsageError(f"{constraint.method}: quantile is out of range", seen=constraint.quantile, expected="0 to 1")
