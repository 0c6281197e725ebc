"""Reviews as Parquet, read row group by row group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import unquote

from intermodal.errors import DataRejected
from intermodal.reviews.rows import Batch
from intermodal.reviews.schema import COLUMNS, DATE_COLUMN, PARTITION_COLUMN
from intermodal.reviews.sources import SourceFile

if TYPE_CHECKING:
    import polars as pl

_ROWS = 16384


def read_parquet(file: SourceFile) -> Iterator[Batch]:
    """Read every row of a Parquet file.

    Args:
        file: The file; a column that only the path holds (`product_category=Books/…`) is taken from there.

    Yields:
        Batches of at most 16,384 rows, their values as text; `lines` are 1-based row numbers.

    Raises:
        DataRejected: The file is no Parquet, is damaged, or lacks a column.
    """
    import numpy as np
    import polars as pl
    import pyarrow as pa
    import pyarrow.parquet as pq

    with file.local_copy() as path:
        try:
            with pq.ParquetFile(path) as parquet:
                names = _names(file, list(parquet.schema_arrow.names))
                row = 1
                for piece in parquet.iter_batches(_ROWS, columns=names):
                    frame = _as_text(pl.DataFrame(pl.from_arrow(piece)), file)
                    yield Batch(piece.num_rows, frame, np.arange(row, row + frame.height))
                    row += piece.num_rows
        except (pa.ArrowException, OSError) as error:
            raise DataRejected(
                f"{file.address} cannot be read as Parquet",
                seen=str(error).splitlines()[0],
                expected="a complete Parquet file",
                next_step="copy or download the file again",
            ) from error


def _names(file: SourceFile, found: list[str]) -> list[str]:
    wanted = [name for name in COLUMNS if name in found]
    missing = [name for name in COLUMNS if name not in found]
    if missing and not (missing == [PARTITION_COLUMN] and _partition_value(file)):
        raise DataRejected(
            f"{file.address} lacks {len(missing)} of the {len(COLUMNS)} review columns",
            seen=f"missing {', '.join(missing)}; columns {', '.join(found[:20])}",
            expected=", ".join(COLUMNS),
        )
    return wanted


def _partition_value(file: SourceFile) -> str:
    """The category in a Hive-style path, or ""."""
    parts = [part.partition("=") for part in file.address.split("/")]
    values = [value for name, _, value in parts if name == PARTITION_COLUMN]
    return unquote(values[-1]) if values else ""


def _as_text(frame: pl.DataFrame, file: SourceFile) -> pl.DataFrame:
    import polars as pl

    if PARTITION_COLUMN not in frame.columns:
        frame = frame.with_columns(pl.lit(_partition_value(file)).alias(PARTITION_COLUMN))
    if frame.schema[DATE_COLUMN] != pl.String:
        frame = frame.with_columns(pl.col(DATE_COLUMN).cast(pl.Date, strict=False))
    nested = [name for name, kind in frame.schema.items() if kind.is_nested()]
    if nested:
        raise DataRejected(f"{file.address} has nested columns", seen=", ".join(nested), expected="plain columns")
    text = frame.select(pl.col(COLUMNS).cast(pl.String, strict=False))
    return text.with_columns(pl.all().replace("", None))
