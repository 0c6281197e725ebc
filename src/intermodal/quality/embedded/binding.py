"""Trying SQL and patterns on the schema before any data is read, so that a bad one fails alone."""

from __future__ import annotations

from intermodal.quality import analyzers as a
from intermodal.quality.analyzers import Problem
from intermodal.quality.embedded.regex import explained, to_re2
from intermodal.quality.embedded.source import Source
from intermodal.quality.embedded.spark_sql import literal, to_duckdb
from intermodal.quality.metric import FAILED_CALCULATION


def find_fault(analyzer: a.Analyzer, source: Source) -> Problem | None:
    """The first of an analyzer's expressions that DuckDB refuses.

    Args:
        analyzer: An analyzer whose columns exist.
        source: The data.

    Returns:
        The problem, under the class Deequ gives it; None if all is well.
    """
    texts = [analyzer.where] if analyzer.where else []
    texts += [analyzer.predicate] if isinstance(analyzer, a.Compliance) else []
    faults = [condition_fault(text, source) for text in texts]
    if isinstance(analyzer, a.PatternMatch):
        faults.append(pattern_fault(analyzer.pattern, source))
    found = next((fault for fault in faults if fault), "")
    return Problem(FAILED_CALCULATION, found) if found else None


def condition_fault(text: str, source: Source) -> str:
    """Why a condition cannot be used on the columns of the data; "" if it can."""
    import duckdb

    condition = to_duckdb(text)
    try:
        kind = source.query(f"DESCRIBE SELECT {condition} FROM {source.table}")[0][1]
        source.query(f"DESCRIBE SELECT 1 FROM {source.table} WHERE {condition}")
    except duckdb.Error as error:
        return f"{_first_lines(error)} in the condition {text}"
    if kind not in ("BOOLEAN", '"NULL"'):
        return f"the condition {text} is of type {kind}, and neither true nor false"
    return ""


def pattern_fault(pattern: str, source: Source) -> str:
    """Why a regular expression cannot be used; "" if it can."""
    import duckdb

    try:
        source.query(f"SELECT regexp_extract('', {literal(to_re2(pattern))}, 0)")
    except duckdb.Error as error:
        return f"{explained(pattern, _first_lines(error))}: {pattern}"
    return ""


def _first_lines(error: Exception) -> str:
    """DuckDB's message without the picture of the query."""
    text = str(error).split("LINE 1:")[0].strip()
    return " ".join(text.split())
