"""Writing reviews: Parquet partitioned by category, and the quarantine, in bounded memory, all or nothing.

The same rows in the same order give the same bytes: row groups are cut by rows and bytes of the data alone,
nothing is stamped with a time or a path, and columns are encoded by one thread.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from intermodal.errors import DataRejected, StoreFailed
from intermodal.reviews.rows import Rejected
from intermodal.reviews.schema import PARTITION_COLUMN

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

ROW_GROUP_ROWS = 65_536
BUFFERED_BYTES = 64 << 20  # over all categories together
OPEN_FILES = 64
MOST_CATEGORIES = 2_000
_QUARANTINE_ROWS = 10_000
_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_NAME_BYTES = 200  # a directory name may have 255
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# Worth a dictionary and worth minima and maxima: few distinct values. The identifiers and texts nearly all differ.
_FEW_VALUES = ["marketplace", "product_id", "product_parent", "product_title", "product_category", "star_rating"]
_FEW_VALUES += ["helpful_votes", "total_votes", "vine", "verified_purchase", "review_date"]
ZSTD_LEVEL = 1  # level 3 takes 40 % more CPU for files 11 % smaller


def partition_directory(category: str | None) -> str:
    """The Hive-style directory of a category, safe as a path and as part of a URI.

    Args:
        category: Its name; None for rows without one.

    Returns:
        "product_category=Major%20Appliances" and the like; readers of Hive partitions undo the escaping. Too
        long a name is cut and ends in a digest of the whole.
    """
    value = _NULL_PARTITION if category is None else quote(category, safe="")
    if len(value) > _NAME_BYTES:
        value = f"{value[:_NAME_BYTES]}-{hashlib.sha256(value.encode()).hexdigest()[:16]}"
    return f"{PARTITION_COLUMN}={value}"


@contextlib.contextmanager
def staged(*targets: str) -> Iterator[list[Path]]:
    """Directories to fill, that appear at `targets` together when the block ends well, or not at all.

    Args:
        *targets: Where the finished directories shall be; absent, or empty directories.

    Yields:
        As many empty directories, beside the targets (the same file system, so that the move is one rename).

    Raises:
        StoreFailed: The disk is full, or does not take the files.
    """
    places = [Path(target.rstrip("/") + ".writing") for target in targets]
    moved: list[str] = []
    try:
        with storage_errors(targets[0]):
            for place in places:
                shutil.rmtree(place, ignore_errors=True)
                place.mkdir(parents=True)
            yield places
            for place, target in zip(places, targets, strict=True):
                os.replace(place, target)
                moved.append(target)
    finally:
        # After an error, those moved before the one that failed go as well: all or nothing.
        half_done = moved if len(moved) < len(targets) else []
        for leftover in [*map(str, places), *half_done]:
            shutil.rmtree(leftover, ignore_errors=True)


@contextlib.contextmanager
def storage_errors(target: str) -> Iterator[None]:
    """Turn an `OSError` of the block into `StoreFailed`, naming the place and what to do."""
    try:
        yield
    except OSError as error:
        full = error.errno in _NO_SPACE
        raise StoreFailed(
            f"no room left to write {target}" if full else f"cannot write {target}",
            seen=str(error).splitlines()[0],
            expected="enough free space for the Parquet files" if full else "a writable directory",
            next_step="free some space, or point INTERMODAL_HOME at another disk, and run the same command again",
        ) from error


class ReviewWriter:
    """Writes typed reviews to one directory a category, a row group at a time.

    Attributes:
        rows: Rows that stand in the files so far.
        categories: Rows of every category so far, buffered ones included.
    """

    def __init__(self, directory: Path) -> None:
        self.rows = 0
        self.categories: dict[str | None, int] = {}
        self._directory = directory
        self._buffers: dict[str | None, list[pl.DataFrame]] = {}
        self._sizes: dict[str | None, tuple[int, int]] = {}
        self._open: OrderedDict[str | None, Any] = OrderedDict()
        self._parts: dict[str, int] = {}

    def write(self, frame: pl.DataFrame) -> None:
        """Take typed rows.

        Raises:
            DataRejected: There are more categories than make sense as directories.
        """
        for category, piece in _by_category(frame):
            self._buffers.setdefault(category, []).append(piece)
            rows, size = self._sizes.get(category, (0, 0))
            self._sizes[category] = rows + piece.height, size + piece.estimated_size()
            self.categories[category] = self.categories.get(category, 0) + piece.height
            if self._sizes[category][0] >= ROW_GROUP_ROWS:
                self._flush(category)
        if len(self.categories) > MOST_CATEGORIES:
            raise DataRejected(
                f"more than {MOST_CATEGORIES:,} values of {PARTITION_COLUMN}",
                seen=", ".join(sorted(str(name)[:40] for name in list(self.categories)[:5])),
                expected="a few categories: each becomes a directory",
                next_step="check that the columns stand under the right names in the header",
            )
        while sum(size for _, size in self._sizes.values()) > BUFFERED_BYTES:
            self._flush(max(self._sizes, key=lambda name: (self._sizes[name][1], str(name))))

    def close(self) -> None:
        """Write what is buffered and finish every file."""
        for category in sorted(self._buffers, key=str):
            self._flush(category)
        while self._open:
            self._open.popitem(last=False)[1].close()

    def _flush(self, category: str | None) -> None:
        import polars as pl

        table = pl.concat(self._buffers.pop(category)).to_arrow()
        del self._sizes[category]
        self._writer(category, table.schema).write_table(table, row_group_size=2 * ROW_GROUP_ROWS)
        self.rows += table.num_rows

    def _writer(self, category: str | None, schema: pa.Schema) -> Any:
        if category in self._open:
            self._open.move_to_end(category)
            return self._open[category]
        if len(self._open) >= OPEN_FILES:
            self._open.popitem(last=False)[1].close()
        directory = self._directory / partition_directory(category)
        directory.mkdir(exist_ok=True)
        # Numbered by the folded name: on a disk that ignores case, "Books" and "books" share a directory.
        part = self._parts.get(directory.name.casefold(), 0)
        self._parts[directory.name.casefold()] = part + 1
        self._open[category] = _parquet_writer(directory / f"part-{part:05}.parquet", schema, _FEW_VALUES)
        return self._open[category]


class QuarantineWriter:
    """Writes refused rows to one Parquet file.

    Attributes:
        rows: Rows taken so far.
    """

    def __init__(self, directory: Path) -> None:
        self.rows = 0
        self._waiting: list[tuple[str, int, str, str]] = []
        path = directory / "part-00000.parquet"
        self._writer = _parquet_writer(path, self._table().schema, ["source", "reason"])

    def write(self, source: str, rejected: list[Rejected]) -> None:
        """Take the refused rows of one file."""
        self._waiting += [(source, item.line, item.reason, item.raw) for item in rejected]
        self.rows += len(rejected)
        if len(self._waiting) >= _QUARANTINE_ROWS:
            self._flush()

    def close(self) -> None:
        """Write what is waiting; without any row the file holds the schema alone."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        self._writer.write_table(self._table())
        self._waiting = []

    def _table(self) -> pa.Table:
        # By way of Polars: pyarrow imports pandas to look at Python values, which takes 0.3 s of CPU.
        import polars as pl

        kinds = {"source": pl.String, "line": pl.Int64, "reason": pl.String, "raw": pl.String}
        return pl.DataFrame(self._waiting, schema=kinds, orient="row").to_arrow()


def _by_category(frame: pl.DataFrame) -> list[tuple[str | None, pl.DataFrame]]:
    column = frame[PARTITION_COLUMN]
    if not frame.height:
        return []
    if column.n_unique() == 1:  # most files hold one category: no need to copy its rows
        return [(column[0], frame)]
    parts = frame.partition_by(PARTITION_COLUMN, as_dict=True, maintain_order=True)
    return [(key[0], part) for key, part in parts.items()]


def _parquet_writer(path: Path, schema: pa.Schema, few_values: list[str]) -> Any:
    import pyarrow.parquet as pq

    return pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        compression_level=ZSTD_LEVEL,
        use_dictionary=few_values,
        write_statistics=few_values,
        store_schema=False,  # the Parquet types say everything, and readers get plain strings for Polars' large ones
    )
