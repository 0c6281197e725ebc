"""What every reader yields, whatever the format: rows as text with their line numbers, and refused rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from intermodal.reviews.schema import COLUMNS, INVALID_UTF8, RAW_CHARACTERS

if TYPE_CHECKING:
    import numpy as np
    import polars as pl


@dataclass(frozen=True)
class Rejected:
    """One row that did not parse.

    Attributes:
        line: 1-based physical line on which the row starts (the header is line 1); for Parquet the 1-based row.
        reason: A key of `schema.REASONS`.
        raw: The row as it stands in the file, cut at `RAW_CHARACTERS`, undecodable bytes replaced.
    """

    line: int
    reason: str
    raw: str


@dataclass(frozen=True)
class Batch:
    """A run of consecutive rows of one file.

    Attributes:
        rows: Rows read from the file for this batch, counted apart from what became of them.
        frame: The rows that have the right structure: the 15 columns, all text, NULL where empty.
        lines: (rows of `frame`,) int64: the line on which each starts.
        rejected: The rows that have not.
    """

    rows: int
    frame: pl.DataFrame
    lines: np.ndarray
    rejected: list[Rejected] = field(default_factory=list)


def reject(line: int, reason: str, raw: bytes | str) -> Rejected:
    """A refused row, its text decoded as far as possible and cut."""
    if isinstance(raw, bytes):
        # Four bytes a character at most: cutting the bytes first keeps a 100 MB line out of the decoder.
        text = raw[: 4 * RAW_CHARACTERS].decode("utf-8", "replace")
    else:
        text = "".join("\ufffd" if "\ud800" <= letter <= "\udfff" else letter for letter in raw[:RAW_CHARACTERS])
    return Rejected(int(line), reason, text[:RAW_CHARACTERS].rstrip("\r\n"))


def batch_of_rows(
    count: int, rows: Sequence[Sequence[str | None]], lines: Sequence[int], rejected: list[Rejected]
) -> Batch:
    """A batch from Python rows, refusing those whose text is not UTF-8.

    Args:
        count: Rows read from the file.
        rows: Rows of 15 values each; bytes that are not UTF-8 stand in them as lone surrogates.
        lines: The line of each row.
        rejected: Rows refused already.

    Returns:
        The batch; empty strings have become NULL.
    """
    import numpy as np

    kept = [index for index, row in enumerate(rows) if all(map(_is_text, row))]
    if len(kept) < len(rows):
        broken = sorted(set(range(len(rows))) - set(kept))
        refused = [
            reject(lines[index], INVALID_UTF8, "\t".join(value or "" for value in rows[index])) for index in broken
        ]
        rejected = sorted([*rejected, *refused], key=lambda item: item.line)
        rows, lines = [rows[index] for index in kept], [lines[index] for index in kept]
    return Batch(count, text_frame(rows), np.asarray(lines, dtype=np.int64), rejected)


def text_frame(rows: Sequence[Sequence[str | None]]) -> pl.DataFrame:
    """Rows of 15 values as a frame of text columns; an empty string is NULL."""
    import polars as pl

    columns: Sequence[Sequence[str | None]] = list(zip(*rows, strict=True)) or [()] * len(COLUMNS)
    data = {name: pl.Series(name, values, dtype=pl.String) for name, values in zip(COLUMNS, columns, strict=True)}
    return pl.DataFrame(data).with_columns(pl.all().replace("", None))


def _is_text(value: str | None) -> bool:
    if value is None or value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
