"""The review table: Amazon's 15 columns, their types, and why a row can be refused.

The layout is that of Amazon's public review files (one tab-separated row a review, with a header, without
quoting or escaping). Text columns may be empty: an empty field is NULL, and a review without a body is data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = (
    "marketplace",
    "customer_id",
    "review_id",
    "product_id",
    "product_parent",
    "product_title",
    "product_category",
    "star_rating",
    "helpful_votes",
    "total_votes",
    "vine",
    "verified_purchase",
    "review_headline",
    "review_body",
    "review_date",
)
PARTITION_COLUMN = "product_category"
RATING_COLUMN = "star_rating"
VOTE_COLUMNS = ("helpful_votes", "total_votes")
DATE_COLUMN = "review_date"
INTEGER_COLUMNS = (RATING_COLUMN, *VOTE_COLUMNS)
LOWEST_RATING, HIGHEST_RATING = 1, 5

RAW_CHARACTERS = 2000  # a refused row is kept this far: enough to recognise it, bounded for a 100 MB line

# Why a row was refused, as the quarantine's `reason` says it.
COLUMN_COUNT = "column_count"
INVALID_UTF8 = "invalid_utf8"
LINE_TOO_LONG = "line_too_long"
BROKEN_QUOTES = "broken_quotes"
NOT_JSON_OBJECT = "not_json_object"
RATING_NOT_INTEGER = "rating_not_integer"
RATING_OUT_OF_RANGE = "rating_out_of_range"
VOTES_NOT_INTEGER = "votes_not_integer"
DATE_NOT_ISO = "date_not_iso"

REASONS = {
    COLUMN_COUNT: "the row has more or fewer columns than the header",
    INVALID_UTF8: "the row's bytes are not UTF-8",
    LINE_TOO_LONG: "the line is longer than max_line_bytes",
    BROKEN_QUOTES: "a quotation mark opens a CSV field and is not closed, or is closed in the middle of a field",
    NOT_JSON_OBJECT: "the line is not one JSON object with plain values",
    RATING_NOT_INTEGER: "star_rating is empty or not a whole number",
    RATING_OUT_OF_RANGE: "star_rating is not in 1..5",
    VOTES_NOT_INTEGER: "helpful_votes or total_votes is empty or not a whole number",
    DATE_NOT_ISO: "review_date is empty or not a date YYYY-MM-DD",
}


def review_schema() -> pa.Schema:
    """The schema of ingested reviews: strings, int32 ratings and votes, a date32."""
    import pyarrow as pa

    kinds = {name: pa.int32() for name in INTEGER_COLUMNS} | {DATE_COLUMN: pa.date32()}
    return pa.schema([(name, kinds.get(name, pa.string())) for name in COLUMNS])


def quarantine_schema() -> pa.Schema:
    """The schema of quarantined rows.

    `source` is the file's name relative to what was ingested, `line` its 1-based physical line (the header is
    line 1; for Parquet, the 1-based row), `reason` a key of `REASONS`, `raw` the row's first 2,000 characters.
    """
    import pyarrow as pa

    return pa.schema([("source", pa.string()), ("line", pa.int64()), ("reason", pa.string()), ("raw", pa.string())])
