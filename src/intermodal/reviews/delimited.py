"""Tab-separated reviews: no quoting, no escaping, every line one row.

Amazon's files hold quotation marks, backslashes and carriage returns as plain text, so a row is bad only if it
has the wrong number of tabs. The fast path parses a whole block and proves that it was sound without looking at
every line: the parser raises on a line with too many fields and on bytes that are not UTF-8, and no line has too
few when the last column is filled everywhere, or when there are as many tabs as the lines need in all. Only a
block that fails is taken apart line by line.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from intermodal.errors import StepFailed
from intermodal.reviews.rows import Batch, Rejected, reject
from intermodal.reviews.schema import COLUMN_COUNT, COLUMNS, INVALID_UTF8, LINE_TOO_LONG
from intermodal.reviews.streams import Block, blocks, longest_line_exceeds

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

_TAB, _LINE_FEED = 9, 10


def read_tsv(stream: io.BufferedReader, header: list[str], max_line_bytes: int) -> Iterator[Batch]:
    """Read the rows below the header.

    Args:
        stream: The file's bytes, standing behind the header line.
        header: All column names of the file, in its order; the 15 review columns are among them.
        max_line_bytes: Longer lines are refused.

    Yields:
        One batch a block.
    """
    for block in blocks(stream, 2, max_line_bytes):
        yield read_block(block, header, max_line_bytes)


def read_block(block: Block, header: list[str], max_line_bytes: int) -> Batch:
    """Read one block; see `read_tsv`."""
    import numpy as np

    count = block.lines
    frame = _parse_sound(block.data, header, count, max_line_bytes)
    if frame is not None:
        lines = np.arange(block.first_line, block.first_line + count)
        return Batch(count + len(block.rejected), frame, lines, block.rejected)
    good, lines, rejected = _sift(block, len(header), max_line_bytes)
    frame = _parse_sound(good, header, len(lines), max_line_bytes)
    if frame is None:
        raise StepFailed("lines checked one by one do not parse together", seen=f"lines from {block.first_line}")
    return Batch(count + len(block.rejected), frame, lines, rejected + block.rejected)


def _parse_sound(data: bytes, header: list[str], lines: int, max_line_bytes: int) -> pl.DataFrame | None:
    """The 15 columns as text, or None when any line is not sound."""
    import polars as pl

    schema = dict.fromkeys(header, pl.String)
    if not lines:
        return pl.DataFrame(schema=schema).select(COLUMNS)
    if longest_line_exceeds(data, max_line_bytes):
        return None
    try:
        frame = pl.read_csv(data, has_header=False, separator="\t", quote_char=None, schema=schema)
    except pl.exceptions.PolarsError:
        return None
    filled = frame[header[-1]].null_count() == 0 or data.count(b"\t") == (len(header) - 1) * lines
    return frame.select(COLUMNS) if filled and frame.height == lines else None


def _sift(block: Block, width: int, max_line_bytes: int) -> tuple[bytes, np.ndarray, list[Rejected]]:
    """Take the unsound lines out of a block.

    Returns:
        The sound lines' bytes, their numbers ((n,) int64), and the others with their reasons.
    """
    import numpy as np

    buffer = np.frombuffer(block.data, dtype=np.uint8)
    ends = np.flatnonzero(buffer == _LINE_FEED)
    starts = np.concatenate(([0], ends[:-1] + 1))
    tabs = np.diff(np.searchsorted(np.flatnonzero(buffer == _TAB), ends), prepend=0)
    reasons: np.ndarray = np.zeros(len(ends), dtype=np.int8)
    names = ("", COLUMN_COUNT, INVALID_UTF8, LINE_TOO_LONG)
    reasons[tabs != width - 1] = 1
    high = np.unique(np.searchsorted(ends, np.flatnonzero(buffer >= 128)))
    reasons[[index for index in high if not _decodes(block.data[starts[index] : ends[index]])]] = 2
    reasons[ends - starts > max_line_bytes] = 3
    rejected = [
        reject(block.first_line + int(index), names[reasons[index]], block.data[starts[index] : ends[index]])
        for index in np.flatnonzero(reasons)
    ]
    sound = reasons == 0
    data = buffer[np.repeat(sound, np.diff(ends, prepend=-1))].tobytes()
    return data, block.first_line + np.flatnonzero(sound), rejected


def _decodes(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
