"""Parameter values: from text to the type a step declares, and to one canonical form.

KFP carries every number as a double, so a list of integers arrives as floats; and the command line
carries text. Both are brought to the declared type here, so that a cache key never depends on the door
a value came through.
"""

from __future__ import annotations

import json
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
        if kind in (int, float):
            return kind(text)
        value = json.loads(text)
    except ValueError:
        value = None
    if isinstance(value, kind):
        return value
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
    if parameter.type is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if parameter.type in (list, dict) and isinstance(value, parameter.type):
        return _elements(value, parameter.element)
    if parameter.type is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, parameter.type) and not (parameter.type is int and isinstance(value, bool)):
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


def _elements(value: Any, element: type) -> Any:
    if isinstance(value, list):
        return [_elements(item, element) for item in value]
    if isinstance(value, dict):
        return {key: _elements(item, element) for key, item in value.items()}
    if isinstance(value, float) and value.is_integer() and element is not float:
        return int(value)
    return value
