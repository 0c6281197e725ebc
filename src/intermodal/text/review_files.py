"""Reviews from Parquet files, some at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from intermodal.errors import DataRejected

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 1024  # some 400 kB of text: what is computed on it stays in the cache
_TYPES = {"review_id": "string", "product_category": "string", "star_rating": "int32", "review_body": "string"}


@dataclass(frozen=True)
class ReviewFiles:
    """The Parquet files of a review dataset.

    Attributes:
        paths: The files, in the order in which their rows count.
        rows: Rows in all of them.
    """

    paths: tuple[Path, ...]
    rows: int

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Read some columns, at most `BATCH_ROWS` rows at a time.

        Args:
            columns: Names among review_id, product_category, star_rating and review_body.

        Yields:
            Batches with these columns, in the types of the review table.

        Raises:
            DataRejected: A file is damaged, or holds a column in another type.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = pa.schema([(name, pa.type_for_alias(_TYPES[name])) for name in columns])
        for path in self.paths:
            try:
                with pq.ParquetFile(path) as file:
                    for batch in file.iter_batches(BATCH_ROWS, columns=list(columns), use_threads=False):
                        yield batch.select(schema.names).cast(schema)
            except (pa.ArrowException, OSError) as error:
                raise DataRejected(f"{path.name} cannot be read as reviews", seen=error, expected=schema) from error


def find_reviews(directory: Path | str) -> ReviewFiles:
    """Find the Parquet files below a directory.

    Args:
        directory: Output of `ingest` or `validate`, or any folder of such files; a single file will do.

    Returns:
        The files in the order of their paths.

    Raises:
        DataRejected: There is no such file, one is no Parquet file, or lacks a column, or there are no rows.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    root = Path(directory)
    paths = (root,) if root.is_file() else tuple(sorted(root.rglob("*.parquet")))
    rows = 0
    for path in paths:
        try:
            footer = pq.read_metadata(path)
        except (pa.ArrowException, OSError) as error:
            raise DataRejected(f"{path.name} is not a Parquet file", seen=error) from error
        _check_columns(path, footer.schema.to_arrow_schema().names)
        rows += footer.num_rows
    if not rows:
        seen = f"{len(paths)} Parquet files with {rows} rows"
        raise DataRejected("there are no reviews", seen=seen, expected="output of ingest or validate")
    return ReviewFiles(paths, rows)


def _check_columns(path: Path, names: Sequence[str]) -> None:
    missing = sorted(set(_TYPES) - set(names))
    if missing:
        raise DataRejected(
            f"{path.name} lacks the columns {', '.join(missing)}",
            seen=", ".join(names),
            expected=", ".join(_TYPES),
            next_step="bring the file in with the step ingest, which makes these columns",
        )
