"""Writing synthetic reviews as Amazon's gzipped TSV, in constant memory, byte for byte the same every time."""

from __future__ import annotations

import gzip
import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from intermodal.core.events import log_progress
from intermodal.errors import UsageError
from intermodal.reviews.defects import check_rates, spoil
from intermodal.reviews.schema import COLUMNS, RATING_COLUMN
from intermodal.reviews.synthetic import CHUNK_ROWS, Chunk, synthetic_reviews
from intermodal.reviews.writer import staged

_CHUNKS_PER_FILE = 1_000_000 // CHUNK_ROWS
_GZIP_LEVEL = 4  # level 6 takes twice the time for files 7 % smaller
_LARGEST_SEED = 2**32


@dataclass
class Generated:
    """What was written.

    Attributes:
        rows: Rows in all, spoiled ones included.
        stars: Rows of each rating, before any defect.
        defects: Rows that got each kind of defect.
        files: Number of files.
    """

    rows: int = 0
    stars: Counter[int] = field(default_factory=Counter)
    defects: Counter[str] = field(default_factory=Counter)
    files: int = 0

    def add(self, chunk: Chunk, defects: Counter[str]) -> None:
        """Enter one chunk."""
        self.rows += chunk.rows
        self.stars.update(map(int, chunk.columns[COLUMNS.index(RATING_COLUMN)]))
        self.defects.update(defects)


def generate_reviews(
    directory: str, rows: int, seed: int, defects: dict[str, float], categories: list[str]
) -> Generated:
    """Write synthetic reviews.

    Args:
        directory: Directory to make; it gets `reviews-00000.tsv.gz` and so on, a million rows each.
        rows: How many reviews, at least one.
        seed: 0 ≤ seed < 2^32.
        defects: Kind of defect to the share of rows that get it.
        categories: Product categories to draw from.

    Returns:
        What was written.

    Raises:
        UsageError: A parameter is out of range.
        StoreFailed: The disk is full.
    """
    rates = check_rates(defects)
    if rows < 1:
        raise UsageError("rows must be at least 1", seen=rows, expected="a positive number")
    if not 0 <= seed < _LARGEST_SEED:
        raise UsageError("seed is out of range", seen=seed, expected="0 ≤ seed < 4294967296")
    chunks = synthetic_reviews(rows, seed, categories)
    done = Generated()
    with staged(directory) as (place,):
        while done.rows < rows:
            with (place / f"reviews-{done.files:05}.tsv.gz").open("wb") as file:
                _write_file(file, chunks, rates, seed, rows, done)
    return done


def _write_file(
    file: BinaryIO, chunks: Iterator[Chunk], rates: dict[str, float], seed: int, rows: int, done: Generated
) -> None:
    # Without a name and a time in its header, the gzip stream depends on the content alone.
    with gzip.GzipFile(filename="", mode="wb", compresslevel=_GZIP_LEVEL, fileobj=file, mtime=0) as stream:
        stream.write("\t".join(COLUMNS).encode() + b"\n")
        for chunk in itertools.islice(chunks, _CHUNKS_PER_FILE):
            lines, defects = spoil(chunk, rates, seed)
            stream.write("\n".join([*lines, ""]).encode("utf-8", "surrogateescape"))
            done.add(chunk, defects)
            log_progress(done.rows, rows, "rows", "writing reviews")
    done.files += 1
