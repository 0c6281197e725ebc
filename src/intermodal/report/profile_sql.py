"""The questions of a profile as SQL over the reviews' table, for Athena and Spark: the same tables as counted locally.

What counts as a space inside the text is spelled out, because engines disagree. Answers are
those of `profiling.count_files`, but that customers are counted exactly, where the local engine estimates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from intermodal.aws.sql import hive_name, hive_text, trino_name, trino_text
from intermodal.report.profiling import Counted

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

# Unicode's White_Space, as Rust's regular expressions (the local engine) understand \s.
SPACES = "\t\n\x0b\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
SPACES += "\u2028\u2029\u202f\u205f\u3000"
_KINDS = {"string": "String", "int": "Int32", "bigint": "Int64", "date": "Date", "timestamp": "Datetime"}
_KINDS |= {"double": "Float64", "float": "Float32", "boolean": "Boolean"}
_WHOLE = ("star_rating", "helpful_votes", "total_votes")


@dataclass(frozen=True)
class Dialect:
    """Where one engine's SQL differs from another's.

    Attributes:
        name: Quotes a name.
        text: Quotes a text.
        month: The month of `review_date`, such as "2012-07".
        matches: How many times a pattern is found: {text} and {pattern} stand in it.
        nulls_last: What sorts NULL last in ascending order, as Trino does by itself.
    """

    name: Callable[[str], str]
    text: Callable[[str], str]
    month: str
    matches: str
    nulls_last: str = ""


TRINO = Dialect(
    trino_name, trino_text, "date_format(review_date, '%Y-%m')", "cardinality(regexp_extract_all({text}, {pattern}))"
)
SPARK = Dialect(
    hive_name,
    hive_text,
    "date_format(review_date, 'yyyy-MM')",
    "size(regexp_extract_all({text}, {pattern}, 0))",
    " NULLS LAST",
)


def questions(table: str, columns: Mapping[str, str], top: int, dialect: Dialect = TRINO) -> dict[str, str]:
    """One query for each table of `Counted`, by its name.

    Args:
        table: The table, quoted.
        columns: Column → Hive type, in the order of the file.
        top: Number of most reviewed products.
        dialect: Whose SQL.
    """
    by_product = (
        "SELECT product_id, count(*) AS number, sum(star_rating) AS stars, max(product_title) AS title\n"
        f"FROM {table}\nGROUP BY product_id"
    )
    return {
        "cube": (
            "SELECT coalesce(product_category, '(none)') AS product_category, "
            f"{dialect.month} AS month, star_rating,\n"
            "  count(*) AS number, sum(CASE WHEN verified_purchase = 'Y' THEN 1 ELSE 0 END) AS verified\n"
            f"FROM {table}\nGROUP BY 1, 2, 3"
        ),
        "words": _by_length(table, _words("review_body", dialect), "star_rating"),
        "characters": _by_length(table, "length(review_body)"),
        "votes": (
            "SELECT helpful_votes AS length, star_rating, count(*) AS number, sum(total_votes) AS total\n"
            f"FROM {table}\nGROUP BY 1, 2"
        ),
        "products": f"{by_product}\nORDER BY number DESC, product_id ASC{dialect.nulls_last}\nLIMIT {int(top)}",
        "spread": f"SELECT number, count(*) AS products\nFROM (\n{by_product}\n) AS counted\nGROUP BY number",
        "columns": _completeness(table, columns, dialect),
    }


def count_by_queries(
    ask: Callable[[str], pa.Table], table: str, columns: Mapping[str, str], top: int = 10, dialect: Dialect = TRINO
) -> Counted:
    """Count by asking a database.

    Args:
        ask: Runs a query and gives its rows.
        table: The table, quoted.
        columns: Column → Hive type, in the order of the file.
        top: Number of most reviewed products.
        dialect: Whose SQL it understands.
    """
    import polars as pl

    found = {name: _frame(ask(sql)) for name, sql in questions(table, columns, top, dialect).items()}
    cube = found["cube"].with_columns(year=pl.col("month").str.slice(0, 4))
    schema = {name: _KINDS.get(_declared(name, kind), kind) for name, kind in columns.items()}
    return Counted(
        cube.sort("product_category", "month", "star_rating"),
        found["words"].sort("length", "star_rating"),
        found["characters"].sort("length"),
        found["votes"].sort("length", "star_rating"),
        found["products"].sort(["rows", "product_id"], descending=[True, False], nulls_last=True),
        found["spread"].sort("rows"),
        found["columns"].rename(_names(columns), strict=False),
        schema,
    )


def _frame(rows: pa.Table) -> pl.DataFrame:
    import polars as pl

    frame = pl.DataFrame(pl.from_arrow(rows))
    return frame.rename({"number": "rows"}) if "number" in frame.columns else frame


def _by_length(table: str, length: str, *others: str) -> str:
    keys = "".join(f", {name}" for name in others)
    groups = ", ".join(str(index + 1) for index in range(1 + len(others)))
    return f"SELECT {length} AS length{keys}, count(*) AS number\nFROM {table}\nGROUP BY {groups}"


def _words(column: str, dialect: Dialect) -> str:
    """Number of words; a line break of the review page separates words."""
    text = f"replace({column}, '<br />', ' ')"
    number = dialect.matches.format(text=text, pattern=dialect.text(f"[^{SPACES}]+"))
    return f"CASE WHEN {column} IS NOT NULL THEN {number} END"


def _completeness(table: str, columns: Mapping[str, str], dialect: Dialect) -> str:
    """One row; columns go by number in it, since a name could be anything."""
    blank = dialect.text(f"^[{SPACES}]*$")
    parts = ["count(*) AS number"]
    for index, (name, kind) in enumerate(columns.items()):
        quoted = dialect.name(name)
        parts.append(f"sum(CASE WHEN {quoted} IS NULL THEN 1 ELSE 0 END) AS null_{index}")
        if kind == "string":
            parts.append(f"sum(CASE WHEN regexp_like({quoted}, {blank}) THEN 1 ELSE 0 END) AS blank_{index}")
    parts += [
        "min(review_date) AS first_day",
        "max(review_date) AS last_day",
        "count(DISTINCT customer_id) AS customers",
    ]
    listed = ",\n  ".join(parts)
    return f"SELECT\n  {listed}\nFROM {table}"


def _names(columns: Mapping[str, str]) -> dict[str, str]:
    found = {f"null_{index}": f"null:{name}" for index, name in enumerate(columns)}
    texts = [(index, name) for index, (name, kind) in enumerate(columns.items()) if kind == "string"]
    blanks = {f"blank_{index}": f"blank:{name}" for index, name in texts}
    return {**found, **blanks, "first_day": "first", "last_day": "last"}


def _declared(name: str, kind: str) -> str:
    """The type that the local engine reads a column as."""
    return "bigint" if name in _WHOLE else kind
