"""What the step tests cannot see: which texts the length is chosen from, and how much is held in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from intermodal.text import feature_files, review_files
from intermodal.text.feature_files import Layout, SplitWriter, feature_batch
from intermodal.text.features import training_lengths
from intermodal.text.review_files import find_reviews
from intermodal.text.selection import UNUSED, Selection
from intermodal.text.split import TEST, TRAIN, VALIDATION
from intermodal.text.split_digest import split_digest
from intermodal.text.tokens import TextEncoder
from tokenizers_of import bert


def save(path: Path, bodies: list[str]) -> Path:
    size = len(bodies)
    columns = {"review_id": [f"R{index}" for index in range(size)], "product_category": ["Toys"] * size}
    pq.write_table(pa.table(columns | {"star_rating": pa.array([5] * size, pa.int32()), "review_body": bodies}), path)
    return path


def test_the_length_is_chosen_from_training_texts_alone(tmp_path: Path) -> None:
    reviews = find_reviews(save(tmp_path / "a.parquet", ["good", "good " * 100, "so good", "bad " * 200, "no " * 300]))
    destinations = np.array([TRAIN, TEST, TRAIN, VALIDATION, UNUSED], np.int8)
    lengths = training_lengths(reviews, Selection(destinations, {}, {}), TextEncoder(bert()))
    assert np.flatnonzero(lengths.counts).tolist() == [3, 4]
    assert destinations.tolist() == [TRAIN, TEST, TRAIN, VALIDATION, UNUSED]


def test_reviews_are_read_in_batches_across_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review_files, "BATCH_ROWS", 3)
    save(tmp_path / "b.parquet", ["five", "six"])
    save(tmp_path / "a.parquet", ["one", "two", "three", "four"])
    reviews = find_reviews(tmp_path)
    batches = [batch.column("review_body").to_pylist() for batch in reviews.batches(("review_body",))]
    assert batches == [["one", "two", "three"], ["four"], ["five", "six"]]
    assert reviews.rows == 6


@pytest.mark.parametrize(("limit", "value"), [("_GROUP_ROWS", 4), ("_GROUP_BYTES", 1)])
def test_rows_do_not_pile_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int) -> None:
    monkeypatch.setattr(feature_files, limit, value)
    texts = pa.array(["good", "bad thing"])
    encoded = TextEncoder(bert()).encode(texts, 8)
    columns = {"review_id": ["R1", "R2"], "product_category": ["Toys"] * 2, "star_rating": pa.array([5, 1], pa.int32())}
    batch = feature_batch(pa.RecordBatch.from_pydict(columns), texts, encoded.ids, encoded.tokens)
    writer = SplitWriter(tmp_path, "train", Layout(8))
    for _ in range(4):
        writer.write(batch, encoded.ids)
    facts = writer.close()
    file = pq.ParquetFile(tmp_path / "split=train" / "part-00000.parquet")
    assert file.metadata.num_row_groups == (2 if limit == "_GROUP_ROWS" else 4)
    assert file.read()["label_ids"].to_pylist() == [4, 0] * 4
    assert facts == {"rows": 8, "digest": split_digest(["R1", "R2"] * 4, ["good", "bad thing"] * 4, [4, 0] * 4)}


def test_the_digest_of_a_split_is_that_of_its_rows() -> None:
    one = split_digest(["R1", "R2"], ["a", "b"], [0, 1])
    assert one == split_digest(["R2", "R1"], ["b", "a"], [1, 0])
    others = [split_digest(["R1", "R2"], ["a", "b"], [1, 1]), split_digest(["R1", "R2"], ["b", "a"], [0, 1])]
    others += [split_digest(["R1"], ["a"], [0]), split_digest(["R1", "R2", "R2"], ["a", "b", "b"], [0, 1, 1])]
    assert one not in others
    assert split_digest(["a"], ["bc"], [0]) != split_digest(["ab"], ["c"], [0])
