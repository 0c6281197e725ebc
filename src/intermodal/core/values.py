"""Parameter values: from text to the type a step declares, and to one canonical form.

KFP carries every number as a double, so a list of integers arrives as floats; and the command line
carries text. Both are brought to the declared type here, so that a cache key never depends on the door
a value came through.
"""

from __future__ import annotations

import json
import math
from typing import Any

from intermodal.core.step import Parameter
from intermodal.errors import UsageError

_TRUE = ("true", "yes", "1", "on")
_FALSE = ("false", "no", "0", "off")


def from_text(name: str, kind: type, text: str) -> Any:
    """Read a parameter given as text.

    Args:
        name: Its name, for the error.
        kind: str, int, float, bool, list or dict.
        text: What was typed; JSON for a list or dict.

    Returns:
        A value of that type.

    Raises:
        UsageError: The text is not of that type.
    """
    if kind is str:
        return text
    try:
        if kind is bool:
            return _truth(text)
        value = kind(text) if kind in (int, float) else json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, kind):
        return _portable(name, value)
    raise UsageError(f"parameter {name} has the wrong type", seen=repr(text), expected=_EXAMPLES[kind])


def canonical(parameter: Parameter, value: Any) -> Any:
    """Bring a value to the form that enters the cache key and the step's function.

    Args:
        parameter: Its declaration.
        value: What arrived; numbers may be doubles.

    Raises:
        UsageError: The value is not of the declared type.
    """
    if value is None:
        return None
    value = _portable(parameter.name, value)
    if parameter.type in (list, dict) and isinstance(value, parameter.type):
        return _elements(parameter.name, value, parameter.element)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if parameter.type is float and number:
        return float(value)
    if parameter.type is int and number and value == int(value):
        return int(value)
    if isinstance(value, parameter.type) and parameter.type is not int:
        return value
    raise UsageError(
        f"parameter {parameter.name} has the wrong type",
        seen=f"{value!r} ({type(value).__name__})",
        expected=_EXAMPLES[parameter.type],
    )


_EXAMPLES = {
    str: "text",
    int: "a whole number, such as 7",
    float: "a number, such as 0.05",
    bool: "true or false",
    list: 'a JSON list, such as ["a", "b"]',
    dict: 'a JSON object, such as {"a": 1}',
}


def _truth(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError(text)


def _elements(name: str, value: Any, element: Any) -> Any:
    """What is inside a list or dict in one form: of the annotation's type, else numbers whole where they are."""
    if isinstance(value, list | tuple):
        return [_elements(name, item, element) for item in value]
    if isinstance(value, dict):
        return {key: _elements(name, item, element) for key, item in value.items()}
    if isinstance(value, str) and element in (int, float, bool):
        return from_text(name, element, value)  # KFP makes text of an output that is given inside a list
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if element is float:
        return float(value)
    return int(value) if value == int(value) else value


def _portable(name: str, value: Any) -> Any:
    """The value itself, when KFP can carry all that is in it unchanged."""
    if isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            _portable(name, item)
    elif value is None:
        raise UsageError(
            f"parameter {name} holds a null, which KFP cannot carry", expected="a value, or no entry at all"
        )
    elif isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"parameter {name} is not finite", seen=value, expected="a finite number")
    elif isinstance(value, int) and not _fits_a_double(value):
        expected = "at most 15 digits, or text"
        raise UsageError(f"parameter {name} is too large for KFP to carry exactly", seen=value, expected=expected)
    return value


def _fits_a_double(value: int) -> bool:
    try:
        return int(float(value)) == value
    except OverflowError:
        return False
