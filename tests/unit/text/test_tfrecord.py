"""TFRecord files, read back by other code than wrote them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intermodal.text.ragged import from_lists
from intermodal.text.tfrecord import ExampleWriter
from tfrecord_reader import crc32c, examples, records

ROWS = st.lists(st.tuples(st.lists(st.integers(0, 2**31 - 1), max_size=8), st.integers(0, 300)), max_size=8)


def write(path: Path, rows: list[list[int]], labels: list[int], length: int = 8, pad: int = 0) -> None:
    writer = ExampleWriter(path, length, pad)
    writer.write(from_lists(rows), np.array(labels, np.int32))
    writer.close()


def test_the_readers_checksum_is_castagnolis() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # the check value of the CRC catalogue


@given(ROWS, st.sampled_from([0, 1, 200, 70_000]))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[list[int], int]], pad: int
) -> None:
    path = tmp_path_factory.mktemp("records") / "part.tfrecord"
    write(path, [ids for ids, _ in rows], [label for _, label in rows], 8, pad)
    expected = [
        {
            "input_ids": ids + [pad] * (8 - len(ids)),
            "input_mask": [1] * len(ids) + [0] * (8 - len(ids)),
            "segment_ids": [0] * 8,
            "label_ids": [label],
        }
        for ids, label in rows
    ]
    assert examples(path) == expected


def test_batches_are_appended(tmp_path: Path) -> None:
    writer = ExampleWriter(tmp_path / "x", 4, 0)
    for label in range(3):
        writer.write(from_lists([[101, 102]]), np.array([label]))
    writer.close()
    assert [item["label_ids"] for item in examples(tmp_path / "x")] == [[0], [1], [2]]


def test_a_flipped_bit_is_noticed_by_the_reader(tmp_path: Path) -> None:
    write(tmp_path / "x", [[101, 7592, 102]], [4])
    data = bytearray((tmp_path / "x").read_bytes())
    data[20] ^= 1
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(AssertionError):
        records(tmp_path / "x")
