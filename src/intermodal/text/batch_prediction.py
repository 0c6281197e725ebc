"""Rate a whole file of reviews, in memory that does not grow with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intermodal.core.events import log_progress
from intermodal.errors import UsageError
from intermodal.text.normalise import readable
from intermodal.text.review_files import find_reviews

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from intermodal.text.predictor_loading import Predictor

_COLUMNS = ("review_id", "product_category", "star_rating", "review_body")
_GROUP_ROWS = 16_384  # rows of a row group: what is held before it is written
_BINS = 10


@dataclass
class Account:
    """What was predicted, in counts.

    Attributes:
        rows: Reviews read.
        without_text: Reviews without a text, which get no rating.
        ratings: Predicted rating → reviews.
        confidence: Reviews by confidence, in ten bins from 0 to 1.
        categories: Category → predicted rating → reviews.
        agreeing: Reviews whose predicted rating is the one their author gave.
    """

    rows: int = 0
    without_text: int = 0
    ratings: Counter[str] = field(default_factory=Counter)
    confidence: list[int] = field(default_factory=lambda: [0] * _BINS)
    categories: dict[str, Counter[str]] = field(default_factory=dict)
    agreeing: int = 0

    @property
    def rated(self) -> int:
        """Reviews that were rated."""
        return self.rows - self.without_text

    def metrics(self) -> dict[str, float]:
        """The counts as flat metrics."""
        mean = sum(int(name) * count for name, count in self.ratings.items()) / max(1, self.rated)
        found: dict[str, float] = {"rows": self.rows, "rows_without_text": self.without_text}
        found |= {f"rated_{name}": count for name, count in sorted(self.ratings.items())}
        agreement = self.agreeing / max(1, self.rated)
        return found | {"mean_rating": round(mean, 6), "agreement_with_stars": round(agreement, 6)}


def predict_reviews(source: Path, predictor: Predictor, labels: Sequence[str], target: Path) -> Account:
    """Rate every review and write `part-00000.parquet`.

    Columns: review_id, product_category, star_rating (as given), rating (int32, null without a text), confidence and
    p1 … p5 (float32, likewise).

    Args:
        source: Directory of Parquet files, as `ingest` writes them.
        predictor: The model.
        labels: Its classes, whole numbers, in the order of its probabilities.
        target: Directory; made.

    Returns:
        What was predicted.

    Raises:
        DataRejected: The reviews cannot be read.
        UsageError: The model's classes are no ratings.
    """
    import pyarrow.parquet as pq

    if not all(label.isdecimal() for label in labels):
        raise UsageError("this model does not rate reviews", seen=", ".join(labels), expected="classes such as 1 to 5")
    reviews, account, held = find_reviews(source), Account(), list[Any]()
    target.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(target / "part-00000.parquet", _schema(labels), compression="zstd") as writer:
        for batch in reviews.batches(_COLUMNS):
            held.append(_rated(batch, predictor, labels, account))
            log_progress(account.rows, reviews.rows, "reviews", "rating")
            if sum(item.num_rows for item in held) >= _GROUP_ROWS:
                _write(writer, held)
        if held:
            _write(writer, held)
    return account


def _write(writer: Any, held: list[pa.RecordBatch]) -> None:
    import pyarrow as pa

    writer.write_table(pa.Table.from_batches(held).combine_chunks(), row_group_size=2 * _GROUP_ROWS)
    held.clear()


def _rated(batch: pa.RecordBatch, predictor: Predictor, labels: Sequence[str], account: Account) -> pa.RecordBatch:
    """A batch with the model's answers; counted."""
    import numpy as np
    import pyarrow as pa

    texts = [readable(body) for body in batch.column("review_body").to_pylist()]
    written = np.flatnonzero([bool(text) for text in texts])
    found: np.ndarray = np.full((len(texts), len(labels)), np.nan, np.float32)
    if len(written):
        found[written] = predictor.predict_proba([texts[row] for row in written.tolist()])
    blank = np.isnan(found[:, 0])
    numbers = np.array([int(label) for label in labels], np.int32)
    ratings, confidence = numbers[np.nan_to_num(found).argmax(axis=1)], found.max(axis=1)
    kept = [batch.column(name) for name in ("review_id", "product_category", "star_rating")]
    answers = [pa.array(ratings, mask=blank), pa.array(confidence, mask=blank)]
    answers += [pa.array(found[:, column], mask=blank) for column in range(len(labels))]
    _count(account, batch, ratings[written], confidence[written], written)
    return pa.RecordBatch.from_arrays([*kept, *answers], schema=_schema(labels))


def _count(
    account: Account, batch: pa.RecordBatch, ratings: np.ndarray, confidence: np.ndarray, written: np.ndarray
) -> None:
    account.rows += batch.num_rows
    account.without_text += batch.num_rows - len(written)
    given, categories = (batch.column(name).to_pylist() for name in ("star_rating", "product_category"))
    for row, rating, sure in zip(written.tolist(), ratings.tolist(), confidence.tolist(), strict=True):
        account.ratings[str(rating)] += 1
        account.confidence[min(_BINS - 1, int(sure * _BINS))] += 1
        account.categories.setdefault(categories[row] or "(none)", Counter())[str(rating)] += 1
        account.agreeing += given[row] == rating


def _schema(labels: Sequence[str]) -> pa.Schema:
    import pyarrow as pa

    kept = [("review_id", pa.string()), ("product_category", pa.string()), ("star_rating", pa.int32())]
    answers = [("rating", pa.int32()), ("confidence", pa.float32())]
    return pa.schema([*kept, *answers, *((f"p{label}", pa.float32()) for label in labels)])
