"""Parting clean rows from quarantined ones, file by file, with memory for one row group at a time."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intermodal.quality.checks import Constraint
from intermodal.quality.embedded.samples import rejected_rows
from intermodal.quality.embedded.source import FILE, ROW, Source

if TYPE_CHECKING:
    import pyarrow as pa

REASONS = "failed_checks"


@dataclass(frozen=True)
class Rejects:
    """The rows that leave the clean data.

    Attributes:
        table: pyarrow Table by file and row: file_index, file_row_number, failed_checks.
        by_constraint: Constraint title → rows rejected for it; the empty title holds all rejected rows.
    """

    table: Any = field(hash=False)
    by_constraint: dict[str, int] = field(hash=False)


def find_rejects(source: Source, constraints: Sequence[Constraint]) -> Rejects:
    """The rows that fail one of some constraints.

    Of rows that are equal in every column the first stays, although it is repeated.
    """
    table = rejected_rows(source, constraints)
    counts = Counter(title for titles in table.column(REASONS).to_pylist() for title in titles)
    return Rejects(table, {"": table.num_rows, **dict(sorted(counts.items()))})


def write_quarantine(source: Source, rejects: Rejects, folder: Path) -> None:
    """Write the rejected rows, with the titles of the constraints they fail in `failed_checks`.

    Args:
        source: The data.
        rejects: Rows to write.
        folder: Where part-00000.parquet, … go: one a file of the data that has rejected rows; if none has, the first
            file's schema alone.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    touched = sorted(set(rejects.table.column(FILE).to_pylist())) or [0]
    for part, index in enumerate(touched):
        schema = pq.read_schema(source.files[index]).append(pa.field(REASONS, pa.list_(pa.string())))
        rows, reasons = _of_file(rejects, index)

        def marked(table: pa.Table, start: int, rows: Any = rows, reasons: Any = reasons) -> pa.Table:
            inside = (rows >= start) & (rows < start + table.num_rows)
            chosen = table.take(pa.array(rows[inside] - start))
            return chosen.append_column(REASONS, reasons.filter(pa.array(inside)).cast(pa.list_(pa.string())))

        _rewrite(source.files[index], folder / f"part-{part:05}.parquet", schema, marked)


def write_clean(source: Source, rejects: Rejects, folder: Path) -> None:
    """Write the other rows under the same paths as in the data; files that lose no row are copied.

    Args:
        source: The data.
        rejects: Rows to leave out; they must not be all rows.
        folder: Where the files go.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    for index, file in enumerate(source.files):
        target = folder / source.file_name(index)
        rows, _ = _of_file(rejects, index)
        if len(rows) and len(rows) == pq.read_metadata(file).num_rows:
            continue  # nothing is left: a partition without rows is no partition
        target.parent.mkdir(parents=True, exist_ok=True)
        if not len(rows):
            shutil.copyfile(file, target)
            continue

        def kept(table: pa.Table, start: int, rows: Any = rows) -> pa.Table:
            keep = np.ones(table.num_rows, dtype=bool)
            keep[rows[(rows >= start) & (rows < start + table.num_rows)] - start] = False
            return table.filter(pa.array(keep))

        _rewrite(file, target, pq.read_schema(file), kept)


def _of_file(rejects: Rejects, index: int) -> tuple[Any, Any]:
    """Row numbers of one file's rejected rows, shape (n,), and their reasons."""
    import pyarrow.compute as pc

    chosen = rejects.table.filter(pc.equal(rejects.table.column(FILE), index))
    return chosen.column(ROW).to_numpy().astype("int64"), chosen.column(REASONS).combine_chunks()


def _rewrite(file: Path, target: Path, schema: pa.Schema, choose: Callable[[pa.Table, int], pa.Table]) -> None:
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as reader, pq.ParquetWriter(target, schema, compression="zstd") as writer:
        start = 0
        for group in range(reader.num_row_groups):
            table = reader.read_row_group(group)
            chosen = choose(table, start)
            if chosen.num_rows:
                writer.write_table(chosen.cast(schema))
            start += table.num_rows
