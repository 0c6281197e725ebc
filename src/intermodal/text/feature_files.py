"""Write features: one Parquet file a split, and one TFRecord file on request."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intermodal.text.arrow import lists, to_arrow, to_numpy
from intermodal.text.split_digest import SplitDigest
from intermodal.text.tfrecord import ExampleWriter

if TYPE_CHECKING:
    import pyarrow as pa

    from intermodal.text.ragged import Ragged

_GROUP_ROWS = 8192
_GROUP_BYTES = 1 << 25


@dataclass(frozen=True)
class Layout:
    """How features are written.

    Attributes:
        max_seq_length: Longest row in tokens, and the padded length in TFRecord.
        pad_id: Token id for padding.
        tfrecord: Whether TFRecord is written beside Parquet.
    """

    max_seq_length: int
    pad_id: int = 0
    tfrecord: bool = False


def feature_batch(reviews: pa.RecordBatch, texts: pa.Array, ids: Ragged, tokens: Any) -> pa.RecordBatch:
    """The features of a batch of reviews as columns, not padded.

    Args:
        reviews: review_id, product_category and star_rating, one row a text.
        texts: The readable texts.
        ids: Their token ids, truncated.
        tokens: Their lengths before truncation: int32, shape (rows,).

    Returns:
        review_id, text, product_category, star_rating, input_ids, input_mask (ones), segment_ids (zeros, since a
        review is one segment), label_ids (star rating less one), tokens.
    """
    import numpy as np
    import pyarrow as pa

    size, offsets = len(ids.values), ids.offsets
    columns = {
        "review_id": reviews.column("review_id"),
        "text": texts,
        "product_category": reviews.column("product_category"),
        "star_rating": reviews.column("star_rating"),
        "input_ids": lists(ids.values, offsets),
        "input_mask": lists(np.ones(size, np.int8), offsets),
        "segment_ids": lists(np.zeros(size, np.int8), offsets),
        "label_ids": to_arrow(to_numpy(reviews.column("star_rating")) - np.int32(1)),
        "tokens": to_arrow(tokens),
    }
    return pa.RecordBatch.from_pydict(columns)


class SplitWriter:
    """Write one split, `split=NAME/part-00000.parquet`, batch by batch.

    Args:
        directory: The artifact's directory.
        name: Name of the split.
        layout: How to write it.
    """

    def __init__(self, directory: Path, name: str, layout: Layout) -> None:
        self._path = directory / f"split={name}"
        self._path.mkdir(parents=True)
        self._layout = layout
        self._digest = SplitDigest()
        self._waiting: list[pa.RecordBatch] = []
        self._file: Any = None
        self._examples: ExampleWriter | None = None
        self._rows = 0
        if layout.tfrecord:
            path = self._path / "part-00000.tfrecord"
            self._examples = ExampleWriter(path, layout.max_seq_length, layout.pad_id)

    def write(self, batch: pa.RecordBatch, ids: Ragged) -> None:
        """Append rows.

        Args:
            batch: What `feature_batch` returned.
            ids: The same rows' token ids, for TFRecord.
        """
        columns = (batch.column(name).to_pylist() for name in ("review_id", "text", "label_ids"))
        self._digest.add(*columns)
        self._rows += batch.num_rows
        self._waiting.append(batch)
        if self._examples:
            self._examples.write(ids, to_numpy(batch.column("label_ids")))
        waiting = sum(item.num_rows for item in self._waiting), sum(item.nbytes for item in self._waiting)
        if waiting[0] >= _GROUP_ROWS or waiting[1] >= _GROUP_BYTES:
            self._flush()

    def close(self) -> dict[str, Any]:
        """Finish the files.

        Returns:
            {"rows": …, "digest": …} of the split.
        """
        self._flush()
        if self._file:
            self._file.close()
        if self._examples:
            self._examples.close()
        return {"rows": self._rows, "digest": self._digest.hexdigest()}

    def _flush(self) -> None:
        """Write what waits as one row group: the groups depend on the rows alone, so the bytes do as well."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not self._waiting:
            return
        table = pa.Table.from_batches(self._waiting)
        if self._file is None:
            self._file = pq.ParquetWriter(self._path / "part-00000.parquet", table.schema, compression="zstd")
        self._file.write_table(table, row_group_size=max(1, table.num_rows))
        self._waiting = []
