r"""Predicates are written in the SQL that Spark and DuckDB share; this bridges what they do not.

Spark quotes names with backticks, escapes quotes in strings with a backslash, and turns what cannot be cast into
NULL; DuckDB uses double quotes, doubled quotes, and an error.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""(?P<string>'(?:[^'\\]|\\.|'')*')
      | (?P<name>`[^`]*`)
      | (?P<quoted>"[^"]*")
      | (?P<cast>\bCAST(?=\s*\())""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)


def to_duckdb(text: str) -> str:
    """A condition of a check in DuckDB's SQL.

    Args:
        text: Condition in the shared SQL, with Spark's or with standard quoting.

    Returns:
        The same condition in brackets; a comment at its end cannot swallow what follows.
    """
    return f"({_TOKEN.sub(_translate, text)}\n)"


def identifier(name: str) -> str:
    """A column name, quoted for DuckDB."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string, quoted for DuckDB."""
    return "'" + text.replace("'", "''") + "'"


def _translate(match: re.Match[str]) -> str:
    token = match[0]
    if match["string"]:
        return literal(re.sub(r"\\(.)|''", lambda escape: escape[1] or "'", token[1:-1], flags=re.DOTALL))
    if match["name"]:
        return identifier(token[1:-1])
    return "TRY_CAST" if match["cast"] else token
