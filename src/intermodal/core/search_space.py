"""What a tuning may vary: ranges of a step's parameters, read from JSON and checked against the step's signature."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from intermodal.core.step import StepSpec
from intermodal.core.values import canonical
from intermodal.errors import UsageError

CONTINUOUS, INTEGER, CATEGORICAL = KINDS = ("continuous", "integer", "categorical")
SCALES = ("auto", "linear", "log", "reverse_log")
_KEYS = {"type", "min", "max", "scale", "values"}
_WIDE = 10.0  # a positive range whose ends differ by this factor is searched by magnitude


@dataclass(frozen=True)
class Range:
    """Values that one parameter may take.

    Attributes:
        name: The parameter.
        kind: "continuous", "integer" or "categorical".
        low: Least value; 0 for a categorical one.
        high: Greatest value.
        scale: "auto", "linear", "log" (by magnitude) or "reverse_log" (by the magnitude of 1 - value).
        values: The values of a categorical one.
    """

    name: str
    kind: str
    low: float = 0.0
    high: float = 0.0
    scale: str = "auto"
    values: tuple[Any, ...] = ()

    @property
    def by_magnitude(self) -> bool:
        """Whether values are drawn by their magnitude: asked for, or a wide range of positive numbers."""
        return self.scale == "log" or (self.scale == "auto" and self.low > 0 and self.high >= _WIDE * self.low)

    @property
    def size(self) -> int:
        """How many values there are; 0 for a continuous range."""
        if self.kind == CATEGORICAL:
            return len(self.values)
        return int(self.high) - int(self.low) + 1 if self.kind == INTEGER else 0


def read_space(ranges: dict[str, Any], spec: StepSpec) -> tuple[Range, ...]:
    """Read ranges as a person writes them.

    Args:
        ranges: Parameter → {"type": "continuous" | "integer", "min", "max", "scale"} or
            {"type": "categorical", "values"}; a bare list is categorical.
        spec: The step whose parameters they are.

    Returns:
        The ranges, in the order of their names.

    Raises:
        UsageError: There is none; a parameter is unknown; a range is empty or does not fit the parameter's type.
    """
    if not ranges:
        raise UsageError("nothing is to be tuned", seen="ranges is empty", expected=_EXAMPLE)
    return tuple(_range(name, ranges[name], spec) for name in sorted(ranges))


_EXAMPLE = '{"NAME": {"type": "continuous", "min": 0.1, "max": 10, "scale": "log"}}'


def text_of(value: Any) -> str:
    """A value as a hyperparameter of SageMaker: text as it is, all else as JSON; `core.values.from_text` reads it."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _range(name: str, given: Any, spec: StepSpec) -> Range:
    parameter = spec.parameter(name)
    fields = {"type": CATEGORICAL, "values": given} if isinstance(given, list) else given
    if not isinstance(fields, dict) or fields.get("type") not in KINDS or set(fields) - _KEYS:
        raise _wrong(name, given, f"{_EXAMPLE}, integer likewise, or a list of values")
    if fields["type"] == CATEGORICAL:
        values = fields.get("values")
        if not isinstance(values, list) or not values:
            raise _wrong(name, given, "a list of values")
        return Range(name, CATEGORICAL, values=tuple(dict.fromkeys(canonical(parameter, item) for item in values)))
    fits = (float,) if fields["type"] == CONTINUOUS else (int, float)
    if parameter.type not in fits:
        raise _wrong(name, given, f"a range for a parameter of type {parameter.type.__name__}")
    return _numbers(name, fields, parameter.type)


def _numbers(name: str, fields: dict[str, Any], kind: type) -> Range:
    low, high, scale = fields.get("min"), fields.get("max"), fields.get("scale", "auto")
    numbers = all(isinstance(end, int | float) and not isinstance(end, bool) for end in (low, high))
    if not numbers or not math.isfinite(float(low)) or not math.isfinite(float(high)) or not low < high:  # type: ignore[arg-type,operator]
        raise _wrong(name, fields, "numbers min < max")
    if fields["type"] == INTEGER and (low != int(low) or high != int(high)):  # type: ignore[arg-type]
        raise _wrong(name, fields, "whole numbers")
    if scale not in SCALES or (scale == "reverse_log" and fields["type"] == INTEGER):
        raise _wrong(name, fields, f"a scale of {', '.join(SCALES)}; reverse_log for continuous ones only")
    if scale == "log" and low <= 0:  # type: ignore[operator]
        raise _wrong(name, fields, "min above 0 with the scale log")
    if scale == "reverse_log" and not (low >= 0 and high < 1):  # type: ignore[operator]
        raise _wrong(name, fields, "0 ≤ min < max < 1 with the scale reverse_log")
    return Range(name, fields["type"], float(low), float(high), scale)  # type: ignore[arg-type]


def _wrong(name: str, seen: Any, expected: str) -> UsageError:
    return UsageError(f"the range of {name} is wrong", seen=json.dumps(seen, default=str)[:200], expected=expected)
