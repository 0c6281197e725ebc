"""Conditions of a compiled pipeline, as kfp writes them (a little of CEL), evaluated on real values.

kfp.local pastes values into the expression and evaluates the text: a value with an apostrophe, a
comparison with a double, or an output that has a name of its own makes it log a warning and take the
condition for false. Here values stay values, and what cannot be evaluated is an error.
"""

from __future__ import annotations

import re
from typing import Any

from intermodal.errors import RuntimeFailed

_REFERENCE = r"inputs\.parameter_values\['([^']+)'\]"
_TOKEN = re.compile(rf"{_REFERENCE}|('(?:[^'\\]|\\.)*')|&&|\|\||!(?!=)|\btrue\b|\bfalse\b|\bnull\b")
_WORDS = {"&&": " and ", "||": " or ", "!": " not ", "true": "True", "false": "False", "null": "None"}
_FUNCTIONS = {"__builtins__": {}, "int": int, "double": float, "string": str, "bool": bool}
CHANNEL = "pipelinechannel--"
MISSING = object()


def references(condition: str) -> list[str]:
    """Names of the values that a condition reads, in their order."""
    return re.findall(_REFERENCE, condition)


def resolve(name: str, io_store: Any) -> Any:
    """The value behind a name.

    Args:
        name: As it stands in the condition, such as "pipelinechannel--count-Output".
        io_store: kfp.local's `IOStore` of the pipeline, loop or branch that holds the condition.

    Returns:
        The value; `MISSING` when the task that gives it did not run.
    """
    reference = name.removeprefix(CHANNEL)
    while io_store is not None:
        inputs, outputs = io_store._parent_input_data, io_store._task_output_data
        for key in (name, reference):
            if key in inputs:
                return inputs[key]
        for task, values in outputs.items():
            for key, value in values.items():
                if f"{task}-{key}" == reference:
                    return value
        io_store = io_store._parent
    return MISSING


def holds(condition: str, values: list[Any]) -> bool:
    """Whether a condition holds.

    Args:
        condition: The expression.
        values: What it reads, in the order of `references`; with one missing it does not hold.

    Raises:
        RuntimeFailed: It cannot be evaluated.
    """
    if any(value is MISSING for value in values):
        return False
    names = {f"value_{number}": value for number, value in enumerate(values)}
    waiting = iter(names)

    def python(found: re.Match[str]) -> str:
        if found[1] is not None:
            return next(waiting)
        return found[2] or _WORDS[found[0]]

    try:
        # The expression comes from the user's own compiled pipeline, whose steps run here anyway.
        return bool(eval(_TOKEN.sub(python, condition), {**_FUNCTIONS}, names))  # noqa: S307
    except Exception as error:  # whatever evaluating raises
        raise RuntimeFailed(
            "a condition of the pipeline cannot be evaluated",
            seen=f"{condition} with {', '.join(repr(value) for value in values)} ({type(error).__name__}: {error})",
            expected="a comparison of two values of one type",
        ) from error
