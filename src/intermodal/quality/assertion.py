"""What a metric must satisfy, as data: an operator and a number instead of a function."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from intermodal.errors import UsageError
from intermodal.quality.wording import plain

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
_ONE = re.compile(rf"^\s*(==|!=|>=|<=|=|>|<)\s*{_NUMBER}\s*$")
_TWO = re.compile(rf"^\s*between\s+{_NUMBER}\s+and\s+{_NUMBER}\s*$", re.IGNORECASE)


@dataclass(frozen=True)
class Assertion:
    """A condition on one number.

    Attributes:
        op: One of == != >= <= > < or "between".
        value: The number compared with; the lower end of "between".
        upper: The upper end of "between", included; unused otherwise.
    """

    op: str
    value: float
    upper: float = math.inf

    def holds(self, number: float) -> bool:
        """Whether a number satisfies the condition; NaN satisfies none, not even !=."""
        if math.isnan(number):
            return False
        if self.op == "between":
            return self.value <= number <= self.upper
        return _COMPARE[self.op](number, self.value)

    def sql(self, expression: str) -> str:
        """The condition on an SQL expression, which must be numeric."""
        if self.op == "between":
            return f"({expression} BETWEEN {self.value!r} AND {self.upper!r})"
        return f"({expression} {self.op} {self.value!r})"

    def __str__(self) -> str:
        """As a person writes it; `Assertion.parse` reads it back."""
        if self.op == "between":
            return f"between {plain(self.value)} and {plain(self.upper)}"
        return f"{self.op} {plain(self.value)}"

    @classmethod
    def parse(cls, text: Any) -> Assertion:
        """Read a condition.

        Args:
            text: ">= 5000", "== 1.0", "between 0.4 and 0.6", or {"op": ">=", "value": 5000}.

        Raises:
            UsageError: It is none of these.
        """
        if isinstance(text, Assertion):
            return text
        if isinstance(text, dict):
            ends = [str(text.get(key)) for key in ("value", "upper")]
            text = f"between {ends[0]} and {ends[1]}" if text.get("op") == "between" else f"{text.get('op')} {ends[0]}"
        if one := _ONE.match(str(text)):
            return cls("==" if one[1] == "=" else one[1], float(one[2]))
        if two := _TWO.match(str(text)):
            return cls("between", float(two[1]), float(two[2]))
        raise UsageError(
            "an assertion cannot be read",
            seen=text,
            expected="an operator (== != >= <= > <) and a number, or between A and B",
            next_step='write it like ">= 0.95" or "between 1 and 5"',
        )


IS_ONE = Assertion("==", 1.0)
