"""Names and values inside SQL: quoted so that none can be read as anything else.

Athena has two dialects: its queries are Trino's (names in double quotes), its table definitions are
Hive's (names in backticks, backslashes escape). Redshift's are PostgreSQL 8's, where backslashes escape
too. A quote of the dialect is doubled in a name; nothing else has a meaning there.
"""

from __future__ import annotations

import re

from intermodal.errors import UsageError

_GLUE_NAME = re.compile(r"[a-z0-9_]{1,255}")


def trino_name(*parts: str) -> str:
    """A name for a query of Athena: "database"."table".

    Raises:
        UsageError: A part is empty or holds a NUL.
    """
    return ".".join('"' + _whole(part).replace('"', '""') + '"' for part in parts)


def trino_text(value: str) -> str:
    """A text for a query of Athena."""
    return "'" + _whole(value, empty=True).replace("'", "''") + "'"


def hive_name(*parts: str) -> str:
    """A name for a table definition of Athena: `database`.`table`.

    Raises:
        UsageError: A part is empty or holds a NUL.
    """
    return ".".join("`" + _whole(part).replace("`", "``") + "`" for part in parts)


def hive_text(value: str) -> str:
    """A text for a table definition of Athena; what separates lines and fields is spelled out."""
    text = _whole(value, empty=True).replace("\\", "\\\\").replace("'", "\\'")
    return "'" + text.replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r") + "'"


def redshift_name(*parts: str) -> str:
    """A name for Redshift: "schema"."table".

    Raises:
        UsageError: A part is empty or holds a NUL.
    """
    return trino_name(*parts)


def redshift_text(value: str) -> str:
    """A text for the places of Redshift's SQL that take no parameter, such as COPY's and UNLOAD's."""
    return "'" + _whole(value, empty=True).replace("\\", "\\\\").replace("'", "''") + "'"


def glue_name(value: str, what: str) -> str:
    """The name of a database or table as Glue, Athena and Spark all take it.

    Args:
        value: The name.
        what: Such as "database", for the error.

    Raises:
        UsageError: It has other characters than small letters, digits and underscores.
    """
    if _GLUE_NAME.fullmatch(value):
        return value
    raise UsageError(
        f"this is no name for a {what} in the Glue catalogue",
        seen=value,
        expected="1 to 255 small letters, digits and underscores",
    )


def _whole(value: str, empty: bool = False) -> str:
    if "\0" in value or not (value or empty):
        raise UsageError("this cannot be written in SQL", seen=repr(value), expected="text without a NUL, not empty")
    return value
