"""Conditions of a compiled pipeline as SageMaker's conditions.

kfp writes a little of CEL. SageMaker joins the conditions of a step by "and", and knows Or and Not beside
the comparisons; so an expression is brought to a list of alternatives of comparisons, each perhaps negated.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Callable
from typing import Any

from intermodal.errors import UsageError

_REFERENCE = r"inputs\.parameter_values\['([^']+)'\]"
_TOKEN = re.compile(rf"{_REFERENCE}|('(?:[^'\\]|\\.)*')|&&|\|\||!(?!=)|\btrue\b|\bfalse\b")
_WORDS = {"&&": " and ", "||": " or ", "!": " not ", "true": "True", "false": "False"}
_CASTS = {"int": int, "double": float, "string": str, "bool": bool}
_TYPES = {
    ast.Eq: "Equals",
    ast.Gt: "GreaterThan",
    ast.GtE: "GreaterThanOrEqualTo",
    ast.Lt: "LessThan",
    ast.LtE: "LessThanOrEqualTo",
}
_MOST = 64  # alternatives that one expression may come to

# Name of what is read → the expression that SageMaker reads it by
Operand = Callable[[str], Any]


def conditions_of(expression: str, operand: Operand) -> list[dict[str, Any]]:
    """A condition as the list that SageMaker joins by "and".

    Args:
        expression: As kfp wrote it.
        operand: Gives what a name stands for.

    Raises:
        UsageError: It cannot be said in SageMaker's conditions.
    """
    names: dict[str, str] = {}

    def python(found: re.Match[str]) -> str:
        if found[1] is None:
            return found[2] or _WORDS[found[0]]
        return names.setdefault(found[1], f"value_{len(names)}")

    text = _TOKEN.sub(python, expression).strip()
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise _refused(expression) from error
    reverse = {short: name for name, short in names.items()}
    clauses = _clauses(tree, _Reader(expression, lambda short: operand(reverse[short])), negated=False)
    return [_clause(clause) for clause in clauses]


class _Reader:
    """Reads comparisons."""

    def __init__(self, expression: str, operand: Operand) -> None:
        self._expression, self._operand = expression, operand

    def comparison(self, node: ast.expr, *, negated: bool) -> dict[str, Any]:
        """One comparison, perhaps negated."""
        if not isinstance(node, ast.Compare):  # a truth value by itself
            made = {"Type": "Equals", "LeftValue": self._value(node), "RightValue": True}
            return {"Type": "Not", "Condition": made} if negated else made
        if len(node.ops) != 1:
            raise _refused(self._expression)
        kind = type(node.ops[0])
        unequal = kind is ast.NotEq
        name = "Equals" if unequal else _TYPES.get(kind)  # type: ignore[call-overload]
        if name is None:
            raise _refused(self._expression)
        made = {"Type": name, "LeftValue": self._value(node.left), "RightValue": self._value(node.comparators[0])}
        return {"Type": "Not", "Condition": made} if negated != unequal else made

    def _value(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float | bool):
            return node.value
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            inner = self._value(node.operand)
            if isinstance(inner, int | float):
                return -inner
        if isinstance(node, ast.Name):
            return self._operand(node.id)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1:
            inner = self._value(node.args[0])
            cast = _CASTS.get(node.func.id)
            if cast is not None:  # what is not a constant has its type already
                return inner if isinstance(inner, dict) else cast(inner)
        raise _refused(self._expression)


def _clauses(node: ast.expr, reader: _Reader, *, negated: bool) -> list[list[dict[str, Any]]]:
    """An expression as an "and" of "or"s of comparisons."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return _clauses(node.operand, reader, negated=not negated)
    if not isinstance(node, ast.BoolOp):
        return [[reader.comparison(node, negated=negated)]]
    parts = [_clauses(item, reader, negated=negated) for item in node.values]
    if isinstance(node.op, ast.And) != negated:
        return [clause for part in parts for clause in part]
    made = [[item for clause in chosen for item in clause] for chosen in itertools.product(*parts)]
    if len(made) > _MOST:
        raise UsageError("a condition has too many alternatives", seen=len(made), expected=f"at most {_MOST}")
    return made


def _clause(items: list[dict[str, Any]]) -> dict[str, Any]:
    return items[0] if len(items) == 1 else {"Type": "Or", "Conditions": items}


def _refused(expression: str) -> UsageError:
    return UsageError(
        "a condition cannot be said in a SageMaker pipeline",
        seen=expression,
        expected="comparisons of parameters, returned values and constants, joined by and, or, not",
    )
