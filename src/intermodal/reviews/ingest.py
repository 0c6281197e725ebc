"""From review files to partitioned Parquet and a quarantine, streamed, with every row accounted for."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from intermodal.core.events import log_progress
from intermodal.errors import DataRejected, StepFailed, UsageError
from intermodal.reviews.columnar import read_parquet
from intermodal.reviews.delimited import read_tsv
from intermodal.reviews.headers import read_header
from intermodal.reviews.json_lines import read_json_lines
from intermodal.reviews.quoted import read_csv
from intermodal.reviews.rows import Batch, Rejected
from intermodal.reviews.schema import REASONS
from intermodal.reviews.sources import SourceFile
from intermodal.reviews.streams import MAX_LINE_BYTES, detect_format, open_plain
from intermodal.reviews.values import typed_rows
from intermodal.reviews.writer import QuarantineWriter, ReviewWriter, staged

if TYPE_CHECKING:
    import polars as pl

FORMATS = ("tsv", "csv", "jsonl", "parquet")
_SAMPLES = 3  # refused rows quoted in an error
_PARQUET_MAGIC = b"PAR1"
_SHORTEST_LIMIT, _LONGEST_LIMIT = 1 << 10, 1 << 26  # of max_line_bytes: a line of 64 MiB still fits in memory


@dataclass(frozen=True)
class Limits:
    """What is tolerated.

    Attributes:
        max_quarantined: Largest share of rows, 0..1, that may be quarantined.
        max_line_bytes: Longer lines are quarantined without being held in memory.
        file_format: One of `FORMATS` to read every file as; "" to see from name and content.
    """

    max_quarantined: float = 0.05
    max_line_bytes: int = MAX_LINE_BYTES
    file_format: str = ""


@dataclass
class Account:
    """What became of every row.

    Attributes:
        rows_in: Rows read, counted by the readers.
        rows_out: Rows that stand in the Parquet files.
        rows_quarantined: Rows that stand in the quarantine.
        stars: Reviews of each rating.
        reasons: Quarantined rows of each reason.
        categories: Reviews of each category.
        files: Rows read from each file, by its name.
        samples: The first few refused rows, as "file:line: reason: text".
    """

    rows_in: int = 0
    rows_out: int = 0
    rows_quarantined: int = 0
    stars: Counter[int] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    categories: dict[str, int] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    samples: list[str] = field(default_factory=list)

    @property
    def mean_rating(self) -> float:
        """Mean star rating of the rows that came out; 0.0 when there is none."""
        total = sum(self.stars.values())
        return sum(star * count for star, count in self.stars.items()) / total if total else 0.0

    def add(self, file: SourceFile, batch: Batch, frame: pl.DataFrame, rejected: list[Rejected]) -> None:
        """Enter one batch."""
        self.rows_in += batch.rows
        self.files[file.name] += batch.rows
        self.stars.update(dict(frame["star_rating"].value_counts().rows()))
        self.reasons.update(item.reason for item in rejected)
        for item in rejected[: _SAMPLES - len(self.samples)]:
            self.samples.append(f"{file.name}:{item.line}: {item.reason}: {item.raw[:120]}")


def ingest_reviews(files: list[SourceFile], reviews: str, quarantine: str, limits: Limits) -> Account:
    """Read all files into Parquet.

    Args:
        files: The files, read in this order.
        reviews: Directory to make for the good rows: `product_category=X/part-00000.parquet`.
        quarantine: Directory to make for the others: `part-00000.parquet`, see `schema.quarantine_schema`.
        limits: What is tolerated.

    Returns:
        The account of all rows.

    Raises:
        UsageError: The format is unknown, or a file cannot be opened.
        DataRejected: A file cannot be used, there is no row, or too many rows had to be quarantined.
        StoreFailed: The disk or the bucket failed. Whatever is raised, neither directory exists then.
    """
    check_limits(limits)
    account = Account()
    with staged(reviews, quarantine) as (reviews_place, quarantine_place):
        _copy(files, reviews_place, quarantine_place, limits, account)
        check_account(account, limits)
    return account


def check_limits(limits: Limits) -> None:
    """Refuse limits that make no sense.

    Raises:
        UsageError: One is out of range, or the format unknown.
    """
    if limits.file_format not in ("", *FORMATS):
        raise UsageError("unknown file_format", seen=limits.file_format, expected=", ".join(FORMATS))
    if not 0 <= limits.max_quarantined <= 1:
        raise UsageError("max_quarantined is a share of the rows", seen=limits.max_quarantined, expected="0 to 1")
    if not _SHORTEST_LIMIT <= limits.max_line_bytes <= _LONGEST_LIMIT:
        expected = f"{_SHORTEST_LIMIT:,} to {_LONGEST_LIMIT:,}"
        raise UsageError("max_line_bytes is out of range", seen=limits.max_line_bytes, expected=expected)


def _copy(files: list[SourceFile], reviews: Path, quarantine: Path, limits: Limits, account: Account) -> None:
    writer = ReviewWriter(reviews)
    progress = _Progress(sum(file.size for file in files))
    refused = QuarantineWriter(quarantine)
    for file in files:
        account.files[file.name] = 0
        for batch in _batches(file, limits, progress):
            frame, rejected = typed_rows(batch)
            writer.write(frame)
            refused.write(file.name, rejected)
            account.add(file, batch, frame, rejected)
    writer.close()
    refused.close()
    account.rows_out, account.rows_quarantined = writer.rows, refused.rows
    account.categories = {str(name): rows for name, rows in sorted(writer.categories.items(), key=str)}
    progress.finish()


class _Progress:
    """Stored bytes read so far, over all files."""

    def __init__(self, total: int) -> None:
        self._done, self._total = 0, total

    def __call__(self, count: int) -> None:
        self._done += count
        log_progress(min(self._done, self._total), self._total, "bytes", "reading reviews")

    def finish(self) -> None:
        log_progress(self._total, self._total, "bytes", "reviews read")


def _batches(file: SourceFile, limits: Limits, report: Callable[[int], None]) -> Iterator[Batch]:
    if limits.file_format == "parquet" or (not limits.file_format and _is_parquet(file)):
        yield from read_parquet(file)
        return
    with open_plain(file, report) as stream:
        form = limits.file_format or detect_format(file, stream)
        if form == "jsonl":
            yield from read_json_lines(stream, file.address, limits.max_line_bytes)
        elif form == "tsv":
            yield from read_tsv(stream, read_header(file, stream, "\t"), limits.max_line_bytes)
        else:
            yield from read_csv(stream, read_header(file, stream, ","), limits.max_line_bytes)


def _is_parquet(file: SourceFile) -> bool:
    if file.extension_format:
        return file.extension_format == "parquet"
    with contextlib.closing(file.open()) as stream:
        return stream.read(len(_PARQUET_MAGIC)) == _PARQUET_MAGIC


def check_account(account: Account, limits: Limits) -> None:
    """Refuse the outcome of an ingestion that lost rows or had to quarantine too many.

    Args:
        account: What became of every row.
        limits: What is tolerated.

    Raises:
        DataRejected: There is no row, or too many were quarantined.
        StepFailed: Rows were lost.
    """
    if account.rows_in != account.rows_out + account.rows_quarantined:
        seen = f"{account.rows_in} in, {account.rows_out} out, {account.rows_quarantined} quarantined"
        raise StepFailed("rows were lost while ingesting", seen=seen, expected="in = out + quarantined")
    if not account.rows_in:
        raise DataRejected("there is no review in the source", seen="0 rows", expected="at least one row")
    share = account.rows_quarantined / account.rows_in
    if share > limits.max_quarantined or not account.rows_out:
        raise _too_many(account, limits, share)


def _too_many(account: Account, limits: Limits, share: float) -> DataRejected:
    counts = [f"{count:,} {reason} ({REASONS[reason]})" for reason, count in account.reasons.most_common()]
    return DataRejected(
        f"{account.rows_quarantined:,} of {account.rows_in:,} rows ({share:.1%}) do not parse",
        seen="; ".join(counts) + "\n    " + "\n    ".join(account.samples),
        expected=f"at most {limits.max_quarantined:.1%} of the rows (max_quarantined), and at least one good row",
        next_step="repair the file, or accept the loss with a larger max_quarantined",
    )
