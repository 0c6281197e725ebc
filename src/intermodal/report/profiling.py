"""A profile of a review data set, in bounded memory: everything is counted, nothing is kept.

Each query reduces the rows, streamed, to a table whose size depends on the number of distinct values only
(ratings, months, categories, lengths, products), so memory does not grow with the file but for the products.
Sums are of whole numbers and every table is sorted: the same data gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intermodal.errors import DataRejected
from intermodal.report import profile_tables as tables

if TYPE_CHECKING:
    import polars as pl

# Column → what it holds: text, whole numbers or days. Columns beyond these are only looked at for gaps.
COLUMNS = {
    **dict.fromkeys(("customer_id", "product_id", "product_title", "product_category", "verified_purchase"), "text"),
    **dict.fromkeys(("review_headline", "review_body"), "text"),
    **dict.fromkeys(("star_rating", "helpful_votes", "total_votes"), "whole numbers"),
    "review_date": "days",
}


@dataclass(frozen=True)
class Counted:
    """All that a profile is made of: tables as small as the numbers of distinct values, whoever counted them.

    Attributes:
        cube: Rows and verified rows by product_category, month ("2012-07"), year and star_rating.
        words: Rows by length of the body in words and star_rating.
        characters: Rows by length of the body in characters.
        votes: Rows and total votes by helpful votes (length) and star_rating.
        products: product_id, rows, stars and title of the most reviewed, the most reviewed first.
        spread: Products by their number of reviews (rows, products).
        columns: One row: rows, null:NAME and blank:NAME of every column, first, last and customers.
        schema: Column → type, in the order of the file.
    """

    cube: pl.DataFrame
    words: pl.DataFrame
    characters: pl.DataFrame
    votes: pl.DataFrame
    products: pl.DataFrame
    spread: pl.DataFrame
    columns: pl.DataFrame
    schema: Mapping[str, Any]


def profile_reviews(directory: str | Path, top: int = 10) -> dict[str, Any]:
    """Profile the reviews in a directory of Parquet files.

    Args:
        directory: Root of the (possibly partitioned) Parquet files.
        top: Number of most reviewed products and of categories listed by name.

    Returns:
        As for `profile_of`.

    Raises:
        DataRejected: There are no rows, or a column is missing or of the wrong type.
    """
    return profile_of(count_files(directory, top), top)


def profile_of(counted: Counted, top: int = 10) -> dict[str, Any]:
    """The profile of what was counted.

    Args:
        counted: The tables.
        top: Number of categories listed by name.

    Returns:
        A JSON object with the keys rows, dates, rating {mean, counts}, by_category, by_year, by_month, length
        {characters, words}, helpful, verified, customers, products and columns. Histograms are {edges, counts};
        quantiles are p05 … p99; shares are 0..1.

    Raises:
        DataRejected: There are no rows.
    """
    cube = counted.cube
    if not cube.height:
        raise DataRejected("there are no reviews to explore", seen="0 rows", expected="at least one")
    return {
        "rows": int(cube["rows"].sum()),
        "dates": tables.dates(counted.columns),
        "rating": tables.rating(cube),
        "by_category": tables.groups(cube, "product_category", top),
        "by_year": tables.groups(cube, "year"),
        "by_month": tables.months(cube),
        "length": {
            "characters": tables.lengths(counted.characters),
            "words": tables.lengths(counted.words, by_rating=True),
        },
        "helpful": tables.helpful(counted.votes),
        "verified": tables.verified(cube),
        "customers": int(counted.columns["customers"][0]),
        "products": tables.products(counted.products, counted.spread),
        "columns": tables.completeness(counted.columns, counted.schema),
    }


def count_files(directory: str | Path, top: int = 10) -> Counted:
    """Count the Parquet files of a directory, streamed.

    Args:
        directory: Their root.
        top: Number of most reviewed products.

    Raises:
        DataRejected: A column is missing or of the wrong type.
    """
    import polars as pl

    reviews = scan(directory)
    plans = [
        _cube(reviews),
        _words(reviews),
        _characters(reviews),
        _votes(reviews),
        _products(reviews),
        _columns(reviews),
    ]
    # one scan a plan: shared, the scan would be kept whole in memory until the last plan has read it
    apart = pl.QueryOptFlags(comm_subplan_elim=False)
    counted = pl.collect_all(plans, engine="streaming", optimizations=apart)
    cube, words, characters, votes, products, columns = counted
    first = products.sort(["rows", "product_id"], descending=[True, False], nulls_last=True).head(top)
    spread = products["rows"].value_counts(name="products").sort("rows")
    return Counted(cube, words, characters, votes, first, spread, columns, reviews.collect_schema())


def scan(directory: str | Path) -> pl.LazyFrame:
    """A lazy frame over the Parquet files of a directory.

    Args:
        directory: Its root; the partition column is read from inside the files.

    Returns:
        The frame.

    Raises:
        DataRejected: There is no Parquet file, or a column of `COLUMNS` is missing or holds something else.
    """
    import polars as pl

    files = sorted(Path(directory).rglob("*.parquet"))
    if not files:
        raise DataRejected(
            "there are no reviews to explore", seen=f"no *.parquet under {directory}", expected="Parquet"
        )
    reviews = pl.scan_parquet(files, hive_partitioning=False)
    schema = reviews.collect_schema()
    missing = [name for name in COLUMNS if name not in schema]
    if missing:
        raise DataRejected(
            f"the reviews lack {', '.join(missing)}", seen=", ".join(schema), expected=", ".join(COLUMNS)
        )
    return reviews.with_columns(_as_declared(name, schema[name], kind) for name, kind in COLUMNS.items())


def _as_declared(name: str, found: pl.DataType, kind: str) -> pl.Expr:
    """A column as what it should hold; one without any value has no type of its own yet."""
    import polars as pl

    fits = {
        "text": found == pl.String,
        "whole numbers": found.is_integer(),
        "days": found in (pl.Date, pl.Datetime),
    }
    if not fits[kind] and found != pl.Null:
        raise DataRejected(f"the column {name} of the reviews does not hold {kind}", seen=found, expected=kind)
    return pl.col(name).cast({"text": pl.String, "whole numbers": pl.Int64, "days": pl.Date}[kind])


def _cube(reviews: pl.LazyFrame) -> pl.LazyFrame:
    """Rows and verified rows by category, month and rating: every table of ratings is a sum over it."""
    import polars as pl

    month = pl.col("review_date").dt.strftime("%Y-%m").alias("month")
    verified = (pl.col("verified_purchase") == "Y").sum().alias("verified")
    keys = [pl.col("product_category").fill_null("(none)"), month, pl.col("star_rating")]
    cube = reviews.group_by(keys).agg(pl.len().alias("rows"), verified)
    return cube.with_columns(year=pl.col("month").str.slice(0, 4)).sort("product_category", "month", "star_rating")


def _words(reviews: pl.LazyFrame) -> pl.LazyFrame:
    """Rows by number of words and rating; a line break of the review page separates words."""
    import polars as pl

    words = pl.col("review_body").str.replace_all("<br />", " ", literal=True).str.count_matches(r"\S+")
    rows = reviews.group_by(words.alias("length"), pl.col("star_rating")).agg(pl.len().alias("rows"))
    return rows.sort("length", "star_rating")


def _characters(reviews: pl.LazyFrame) -> pl.LazyFrame:
    import polars as pl

    return (
        reviews.group_by(pl.col("review_body").str.len_chars().alias("length"))
        .agg(pl.len().alias("rows"))
        .sort("length")
    )


def _votes(reviews: pl.LazyFrame) -> pl.LazyFrame:
    import polars as pl

    keys = (pl.col("helpful_votes").alias("length"), pl.col("star_rating"))
    total = pl.col("total_votes").cast(pl.Int64).sum().alias("total")
    return reviews.group_by(*keys).agg(pl.len().alias("rows"), total).sort("length", "star_rating")


def _products(reviews: pl.LazyFrame) -> pl.LazyFrame:
    import polars as pl

    stars = pl.col("star_rating").cast(pl.Int64).sum().alias("stars")
    # max, not first: which row comes first depends on the threads
    title = pl.col("product_title").max().alias("title")
    return reviews.group_by("product_id").agg(pl.len().alias("rows"), stars, title)


def _columns(reviews: pl.LazyFrame) -> pl.LazyFrame:
    """One row: nulls and blanks of every column, first and last date, distinct customers (HyperLogLog++)."""
    import polars as pl

    schema = reviews.collect_schema()
    blanks: Sequence[pl.Expr] = [
        (pl.col(name).str.strip_chars() == "").sum().alias(f"blank:{name}")
        for name, kind in schema.items()
        if kind == pl.String
    ]
    nulls = [pl.col(name).null_count().alias(f"null:{name}") for name in schema.names()]
    dates = [pl.col("review_date").min().alias("first"), pl.col("review_date").max().alias("last")]
    return reviews.select(
        pl.len().alias("rows"), *nulls, *blanks, *dates, pl.col("customer_id").approx_n_unique().alias("customers")
    )
