"""Comma-separated reviews with RFC 4180 quoting: a quoted field may hold commas, quotes and line ends.

One stray quotation mark can swallow the rest of a file. So a row that does not come out right is refused by its
first line only, and reading starts again on the second: a bad row costs one row, not all that follow.
"""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Iterator

from intermodal.reviews.rows import Batch, Rejected, batch_of_rows, reject
from intermodal.reviews.schema import BROKEN_QUOTES, COLUMN_COUNT, COLUMNS, LINE_TOO_LONG
from intermodal.reviews.streams import blocks

_ROWS = 16384
_FIELD_BYTES = 1 << 20
_MOST_LINES = 2000  # a quoted field with more line ends than this is a quote that was never closed

Line = tuple[int, str]


class _Lines:
    """The physical lines of a file as csv.reader wants them, remembering those of the row being read.

    Attributes:
        taken: The lines handed out since the last `accept` or `retreat`.
        refused: Lines too long to hold, not yet collected.
    """

    def __init__(self, stream: io.BufferedReader, first_line: int, max_line_bytes: int) -> None:
        self.taken: list[Line] = []
        self.refused: list[Rejected] = []
        self._again: deque[Line] = deque()
        self._limit = max_line_bytes
        self._fresh = self._read(stream, first_line)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if len(self.taken) > _MOST_LINES:
            raise csv.Error("a quoted field has no end")
        line = self._again.popleft() if self._again else next(self._fresh)
        self.taken.append(line)
        return line[1]

    def accept(self) -> Line:
        """The row read since is good: forget its lines; returns the first."""
        first = self.taken[0]
        self.taken.clear()
        return first

    def retreat(self) -> Line:
        """The row read since is bad: hand out all its lines again but the first, which is returned."""
        first, *others = self.taken
        self._again.extendleft(reversed(others))
        self.taken.clear()
        return first

    def _read(self, stream: io.BufferedReader, first_line: int) -> Iterator[Line]:
        for block in blocks(stream, first_line, self._limit):
            for number, line in enumerate(io.BytesIO(block.data), block.first_line):
                if len(line) - 1 > self._limit:
                    self.refused.append(reject(number, LINE_TOO_LONG, line))
                else:
                    yield number, line.decode("utf-8", "surrogateescape")
            self.refused += block.rejected


def read_csv(stream: io.BufferedReader, header: list[str], max_line_bytes: int) -> Iterator[Batch]:
    """Read the rows below the header.

    Args:
        stream: The file's bytes, standing behind the header line.
        header: All column names of the file, in its order; the 15 review columns are among them.
        max_line_bytes: Longer lines are refused.

    Yields:
        Batches of about 16,384 rows.
    """
    positions = [header.index(name) for name in COLUMNS]
    lines = _Lines(stream, 2, max_line_bytes)
    rows, numbers, rejected = [], [], []
    for number, row, refused in _rows(lines, len(header)):
        if refused:
            rejected.append(refused)
        else:
            rows.append([row[position] for position in positions])
            numbers.append(number)
        if len(rows) + len(rejected) >= _ROWS:
            rejected += _drain(lines)
            yield batch_of_rows(len(rows) + len(rejected), rows, numbers, rejected)
            rows, numbers, rejected = [], [], []
    rejected += _drain(lines)
    yield batch_of_rows(len(rows) + len(rejected), rows, numbers, rejected)


def _drain(lines: _Lines) -> list[Rejected]:
    refused, lines.refused = lines.refused, []
    return refused


def _rows(lines: _Lines, width: int) -> Iterator[tuple[int, list[str], Rejected | None]]:
    csv.field_size_limit(_FIELD_BYTES)  # of the whole process: csv has no other way, and its default is 128 KiB
    reader = csv.reader(lines, strict=True)
    while True:
        try:
            row = next(reader, None)
        except csv.Error:
            row, reader = [], csv.reader(lines, strict=True)
            if lines.taken:
                yield _refused(lines, BROKEN_QUOTES)
            continue
        if row is None:
            return
        if len(row) == width:
            yield lines.accept()[0], row, None
        else:
            yield _refused(lines, COLUMN_COUNT)
            reader = csv.reader(lines, strict=True)


def _refused(lines: _Lines, reason: str) -> tuple[int, list[str], Rejected]:
    number, text = lines.retreat()
    return number, [], reject(number, reason, text)
