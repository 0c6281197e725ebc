"""Checks and constraints as data: what a suite of a user's JSON is read into."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from enum import StrEnum
from typing import Any

from intermodal.errors import UsageError
from intermodal.quality.assertion import Assertion
from intermodal.quality.spelling import unknown


class Level(StrEnum):
    """What a failed check means: stop, or tell."""

    ERROR = "Error"
    WARNING = "Warning"


class Status(StrEnum):
    """Outcome of a check or of a whole suite."""

    SUCCESS = "Success"
    WARNING = "Warning"
    ERROR = "Error"


@dataclass(frozen=True)
class Constraint:
    """One call of a method of Deequ's `Check`, as data. `methods` says which fields a method uses.

    Attributes:
        method: Deequ's method: "isComplete", "hasSize", "satisfies", …
        columns: Columns it is about, in the method's order.
        assertion: Condition on the metric; None where the method has its own, which is == 1.
        where: SQL condition that selects the rows looked at; "" for all.
        hint: Text added to the message of a failure.
        quarantine: False if rows that fail it stay with the clean ones.
        name: Name of the rule, for `satisfies`.
        predicate: SQL condition on one row, for `satisfies`.
        pattern: Regular expression in Java's syntax, for `hasPattern`.
        allowed_values: For `isContainedIn`.
        lower_bound: For `isContainedIn` with numbers.
        upper_bound: For `isContainedIn` with numbers.
        include_lower_bound: Whether the lower bound itself is allowed.
        include_upper_bound: Whether the upper bound itself is allowed.
        quantile: From 0 to 1, for the quantile methods.
        data_type: Null, Fractional, Integral, Boolean, String or Numeric, for `hasDataType`.
        null_behavior: Ignore, EmptyString or Fail: what NULL is, for bounds and lengths.
        value: The value whose share is asserted, for `hasHistogramValues`.
    """

    method: str
    columns: tuple[str, ...] = ()
    assertion: Assertion | None = None
    where: str = ""
    hint: str = ""
    quarantine: bool = True
    name: str = ""
    predicate: str = ""
    pattern: str = ""
    allowed_values: tuple[str | float, ...] = ()
    lower_bound: float | None = None
    upper_bound: float | None = None
    include_lower_bound: bool = True
    include_upper_bound: bool = True
    quantile: float | None = None
    data_type: str = ""
    null_behavior: str = "Ignore"
    value: str = ""

    @property
    def title(self) -> str:
        """Method and columns, or the rule's name: how the report and the quarantine name it."""
        about = self.name or ", ".join(self.columns)
        return f"{self.method}({about})" if about else self.method

    def to_json(self) -> dict[str, Any]:
        """A JSON mapping; fields at their default are left out."""
        values: dict[str, Any] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if item.default is not MISSING and value == item.default:
                continue
            if item.name == "columns" and len(value) == 1:
                values["column"] = value[0]
            else:
                values[KEYS[item.name]] = _json(value)
        return values


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _json(value: Any) -> Any:
    if isinstance(value, Assertion):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


KEYS = {item.name: _camel(item.name) for item in fields(Constraint)}


@dataclass(frozen=True)
class Check:
    """Constraints that belong together and fail together.

    Attributes:
        level: What a failure means.
        description: What the check is about.
        constraints: What must hold.
    """

    level: Level
    description: str
    constraints: tuple[Constraint, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A JSON mapping; `suite.read_suite` reads it back."""
        constraints = [item.to_json() for item in self.constraints]
        return {"level": self.level.value, "description": self.description, "constraints": constraints}


def constraint_from_json(values: dict[str, Any]) -> Constraint:
    """Read back what `Constraint.to_json` wrote, or what a person did.

    Raises:
        UsageError: A key is unknown, or a value has the wrong type. Whether the method takes the keys
            is for `methods.validated` to say.
    """
    if not isinstance(values, dict):
        raise UsageError("a constraint must be a mapping", seen=values, expected='{"method": "isComplete", …}')
    values = dict(values)
    if "column" in values:
        values["columns"] = [values.pop("column")]
    names = {key: name for name, key in KEYS.items()}
    arguments: dict[str, Any] = {}
    for key, value in values.items():
        if key not in names:
            raise unknown("key", key, [*names, "column"], f"constraint {values.get('method', '?')}")
        arguments[names[key]] = _typed(names[key], key, value)
    return Constraint(**{"method": "", **arguments})


_TYPES: dict[str, tuple[type, ...]] = {
    "quarantine": (bool,),
    "include_lower_bound": (bool,),
    "include_upper_bound": (bool,),
    "lower_bound": (int, float),
    "upper_bound": (int, float),
    "quantile": (int, float),
    "columns": (list, tuple),
    "allowed_values": (list, tuple),
}


def _typed(name: str, key: str, value: Any) -> Any:
    if name == "assertion":
        return Assertion.parse(value)
    expected = _TYPES.get(name, (str,))
    if not isinstance(value, expected) or (bool not in expected and isinstance(value, bool)):
        wanted = " or ".join(kind.__name__ for kind in expected)
        raise UsageError(f"constraint key {key} has a value of the wrong type", seen=repr(value), expected=wanted)
    if not isinstance(value, (list, tuple)):
        return value
    wanted_items = (str,) if name == "columns" else (str, int, float)
    if not value or not all(isinstance(item, wanted_items) and not isinstance(item, bool) for item in value):
        raise UsageError(f"constraint key {key} must list names or values", seen=repr(value), expected="at least one")
    return tuple(value)
