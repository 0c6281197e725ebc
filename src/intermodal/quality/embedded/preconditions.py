"""What must hold before a metric is computed at all: Deequ's preconditions, with its messages."""

from __future__ import annotations

from collections.abc import Mapping

from intermodal.quality.analyzers import Analyzer, Needs, Problem

NUMERIC = ("ByteType", "ShortType", "IntegerType", "LongType", "FloatType", "DoubleType", "DecimalType")
NESTED = ("StructType", "MapType", "ArrayType")


def find_problem(analyzer: Analyzer, columns: Mapping[str, str]) -> Problem | None:
    """The first precondition that an analyzer breaks.

    Args:
        analyzer: The analyzer.
        columns: Column name → Spark's name of its type.

    Returns:
        Deequ's exception and message; None if all is well.
    """
    problem = analyzer.problem()
    if problem is not None:
        return problem
    types = {name.lower(): kind for name, kind in columns.items()}
    for column in analyzer.columns_read():
        kind = types.get(column.lower())
        if kind is None:
            return Problem("NoSuchColumnException", f"Input data does not include column {column}!")
        text = _wrong_type(column, kind, analyzer.needs)
        if text:
            return Problem("WrongColumnTypeException", text)
    return None


def _wrong_type(column: str, kind: str, needs: Needs) -> str:
    plain = kind.split("(")[0]
    if needs is Needs.NUMERIC and plain not in NUMERIC:
        return f"Expected type of column {column} to be one of ({','.join(NUMERIC)}), but found {kind} instead!"
    if needs is Needs.STRING and plain != "StringType":
        return f"Expected type of column {column} to be StringType, but found {kind} instead!"
    if needs is Needs.FLAT and plain in NESTED:
        return f"Unsupported nested column type of column {column}: {kind}!"
    return ""
