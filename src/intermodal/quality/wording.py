"""Numbers as Deequ prints them and as JSON can hold them."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any


def java_double(value: float) -> str:
    """A double as Java's `Double.toString` writes it, so that messages equal Deequ's.

    Args:
        value: Any double.

    Returns:
        "0.9954", "6.347594728516269E-4", "1.7976931348623157E308", "NaN", "Infinity".
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        text = format(Decimal(repr(float(value))), "f")
        return text if "." in text else text + ".0"
    sign, digits, exponent = Decimal(repr(float(value))).normalize().as_tuple()
    tail = "".join(str(digit) for digit in digits[1:]) or "0"
    return f"{'-' if sign else ''}{digits[0]}.{tail}E{int(exponent) + len(digits) - 1}"


def plain(value: float) -> str:
    """A number as a person writes it: 5000 and not 5000.0."""
    number = float(value)
    return str(int(number)) if number.is_integer() and abs(number) < 1e16 else repr(number)


def json_number(value: Any) -> Any:
    """A value that strict JSON can hold: NaN and infinities become their names, as in Deequ's records."""
    if isinstance(value, float) and not math.isfinite(value):
        return java_double(value)
    return value
