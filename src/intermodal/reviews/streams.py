"""From stored bytes to whole lines: decompression, format detection, blocks of bounded size.

Everything here holds one block of a file at a time, whatever the file's size and however long its lines are.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

from intermodal.errors import DataRejected, IntermodalError, StoreFailed
from intermodal.reviews.rows import Rejected, reject
from intermodal.reviews.schema import LINE_TOO_LONG, RAW_CHARACTERS
from intermodal.reviews.sources import SourceFile

BLOCK_BYTES = 8 << 20
HEAD_BYTES = 1 << 16
MAX_LINE_BYTES = 1 << 20  # the longest review in Amazon's files is below 64 KiB
_GZIP_MAGIC = b"\x1f\x8b"
_FOREIGN_MAGIC = {
    b"PK\x03\x04": "a zip archive",
    b"\xfd7zXZ": "compressed with xz",
    b"BZh": "compressed with bzip2",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Block:
    """Whole lines of a file.

    Attributes:
        data: The lines, each ended by a line feed (the file's last one too, even where it had none).
        lines: How many they are.
        first_line: 1-based physical number of the first of them.
        rejected: The line behind `data`, when it was too long to hold.
    """

    data: bytes
    lines: int
    first_line: int
    rejected: list[Rejected] = field(default_factory=list)


class _Counted(io.RawIOBase):
    """A raw stream that reports how many stored bytes went through it, and whose disk errors say so."""

    def __init__(self, stream: BinaryIO, address: str, report: Callable[[int], None]) -> None:
        self._stream, self._address, self._report = stream, address, report

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._stream.read(len(buffer))
        except OSError as error:
            raise StoreFailed(f"reading {self._address} failed", seen=error, next_step="check the disk") from error
        buffer[: len(data)] = data
        self._report(len(data))
        return len(data)


@contextlib.contextmanager
def open_plain(file: SourceFile, report: Callable[[int], None] = lambda _: None) -> Iterator[io.BufferedReader]:
    """The file's content as a buffered stream, gunzipped when its first bytes say gzip, whatever its name.

    Args:
        file: The file.
        report: Called with the number of stored bytes of every read, for progress.

    Yields:
        A stream with `read` and `peek`, without a byte order mark.

    Raises:
        DataRejected: The file is empty, truncated, or packed in a way that is not read.
    """
    with contextlib.closing(file.open()) as stored, damage_reported(file):
        stream: io.BufferedReader[Any] = io.BufferedReader(_Counted(stored, file.address, report), HEAD_BYTES)
        if stream.peek(2)[:2] == _GZIP_MAGIC:
            from isal import igzip

            # IGzipFile is buffered itself: a second buffer around it would copy every byte once more.
            stream = cast(Any, igzip).IGzipFile(fileobj=stream, mode="rb")
        head = stream.peek(8)
        if not head:
            raise DataRejected(f"{file.address} is empty", expected="a header and at least one review")
        foreign = [what for magic, what in _FOREIGN_MAGIC.items() if head.startswith(magic)]
        if foreign:
            expected = "plain or gzipped TSV, CSV or JSON lines in UTF-8, or Parquet"
            raise DataRejected(f"{file.address} is {foreign[0]}", seen=head[:8], expected=expected)
        if head.startswith(_BOM):
            stream.read(len(_BOM))
        yield stream


@contextlib.contextmanager
def damage_reported(file: SourceFile) -> Iterator[None]:
    """Turn the errors of a damaged gzip stream inside the block into `DataRejected`."""
    import zlib
    from gzip import BadGzipFile

    from isal import isal_zlib

    try:
        yield
    except EOFError as error:
        raise _damaged(file, "is cut off: its gzip stream has no end", error) from error
    except (BadGzipFile, zlib.error, cast(Any, isal_zlib).IsalError) as error:
        raise _damaged(file, "is damaged: its gzip stream does not unpack", error) from error


def _damaged(file: SourceFile, what: str, error: Exception) -> IntermodalError:
    size = f"{error} ({file.size:,} bytes stored)"
    return DataRejected(
        f"{file.address} {what}",
        seen=size,
        expected="a complete gzip file",
        next_step="copy or download the file again, and compare its size and checksum with the original",
    )


def detect_format(file: SourceFile, stream: io.BufferedReader) -> str:
    """The format of a text stream: what its extension says, otherwise what its first line looks like.

    Returns:
        "tsv", "csv" or "jsonl".

    Raises:
        DataRejected: The content is binary, or of no known format.
    """
    head = stream.peek(HEAD_BYTES)
    line = head.split(b"\n", 1)[0]
    if any(byte < 32 and byte not in b"\t\r\n\f" for byte in line[:4096]) or not _decodes(line[:4096]):
        raise DataRejected(
            f"{file.address} is binary, not text",
            seen=line[:16],
            expected="TSV, CSV or JSON lines (plain or gzipped), or Parquet",
        )
    if file.extension_format in ("tsv", "csv", "jsonl"):
        return file.extension_format
    for found, sign in (("jsonl", line.lstrip().startswith(b"{")), ("tsv", b"\t" in line), ("csv", b"," in line)):
        if sign:
            return found
    raise DataRejected(
        f"cannot tell the format of {file.address}",
        seen=line[:80].decode("utf-8", "replace"),
        expected="a header with tabs or commas, or a JSON object a line",
        next_step="name the file .tsv, .csv, .jsonl or .parquet, or pass file_format",
    )


def _decodes(head: bytes) -> bool:
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4  # a character cut by the end of the sample
    return True


def header_line(file: SourceFile, stream: io.BufferedReader) -> bytes:
    """The first line, without its end; at most `MAX_LINE_BYTES`.

    Raises:
        DataRejected: There is no line end within `MAX_LINE_BYTES` although the file goes on.
    """
    line = stream.readline(MAX_LINE_BYTES)
    if not line.endswith(b"\n") and stream.peek(1):
        raise DataRejected(
            f"{file.address} has no header line",
            seen=f"{len(line):,} bytes without a line end",
            expected="a first line with the column names",
        )
    return line.rstrip(b"\r\n")


def blocks(stream: io.BufferedReader, first_line: int, max_line_bytes: int = MAX_LINE_BYTES) -> Iterator[Block]:
    """Cut a stream into blocks of whole lines, in bounded memory.

    Args:
        stream: A stream of text bytes.
        first_line: Physical number of the line at which the stream stands.
        max_line_bytes: Longer lines that do not end within a block are passed over and reported as rejected;
            shorter overlong lines inside a block are for the reader to find (`longest_line_exceeds`).

    Yields:
        Blocks of about `BLOCK_BYTES`, possibly with no data and only rejected lines.
    """
    line = first_line
    while data := _whole_lines(stream, max_line_bytes):
        rejected = []
        cut = len(data) if data.endswith(b"\n") else data.rfind(b"\n") + 1
        count = data.count(b"\n")
        if cut < len(data) and _skip_line(stream):
            rejected.append(reject(line + count, LINE_TOO_LONG, data[cut : cut + 4 * RAW_CHARACTERS]))
            data = data[:cut]
        elif cut < len(data):
            data, count = data + b"\n", count + 1
        yield Block(data, count, line, rejected)
        line += count + len(rejected)


def _whole_lines(stream: io.BufferedReader, max_line_bytes: int) -> bytes:
    """About `BLOCK_BYTES` up to a line end, if one comes in time."""
    data = stream.read(BLOCK_BYTES)
    return data + stream.readline(max_line_bytes + 1) if data else data


def _skip_line(stream: io.BufferedReader) -> bool:
    """Pass over the rest of a line; False when the file was at its end already."""
    piece = more = stream.readline(HEAD_BYTES)
    while piece and not piece.endswith(b"\n"):
        piece = stream.readline(HEAD_BYTES)
    return bool(more)


def longest_line_exceeds(data: bytes, limit: int) -> bool:
    """Whether any line of `data` is longer than `limit` bytes, without looking at every line.

    From a line's start, the last line end within the limit closes it or a later line that is also short enough.
    """
    position = 0
    while len(data) - position > limit:
        end = data.rfind(b"\n", position, position + limit + 1)
        if end < 0:
            return True
        position = end + 1
    return False
