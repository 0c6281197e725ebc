"""Write tf.train.Example records without TensorFlow.

The container is TensorFlow's `record_writer.h`: length (uint64), masked CRC-32C of those 8 bytes, data, masked CRC-32C
of the data, all little-endian. The data is a `tf.train.Example` message (`example.proto`, `feature.proto`): a map from
name to a list of int64, each list packed. Every row is padded to the same length, since `tf.io.FixedLenFeature` and
SageMaker's pipe mode want it so.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import numpy as np

    from intermodal.text.ragged import Ragged

KEYS = ("input_ids", "input_mask", "segment_ids", "label_ids")
_MASK_DELTA = 0xA282EAD8


class ExampleWriter:
    """Write examples with `input_ids`, `input_mask`, `segment_ids` (padded) and `label_ids` (one number).

    Args:
        path: File to write.
        length: Padded length of the three lists.
        pad_id: Token id that `input_ids` is padded with.
    """

    def __init__(self, path: Path, length: int, pad_id: int) -> None:
        self._length = length
        self._varints = _Varints()
        self._pads = [self._varints[pad_id] * count for count in range(length + 1)]
        # The mask and the segments depend on the row's length alone, so there are `length + 1` of them in all.
        self._masks = [_feature("input_mask", b"\1" * n + bytes(length - n)) for n in range(length + 1)]
        self._segments = _feature("segment_ids", bytes(length))
        self._file: BinaryIO = path.open("wb")

    def close(self) -> None:
        """Finish the file."""
        self._file.close()

    def write(self, ids: Ragged, labels: np.ndarray) -> None:
        """Append a batch.

        Args:
            ids: Token ids of each row, at most the padded length.
            labels: Class of each row, shape (rows,).
        """
        rows = zip(ids.rows(), labels.tolist(), strict=True)
        self._file.write(b"".join([_framed(self._example(row, label)) for row, label in rows]))

    def _example(self, ids: list[int], label: int) -> bytes:
        count = len(ids)
        packed = b"".join(map(self._varints.__getitem__, ids)) + self._pads[self._length - count]
        features = _feature("input_ids", packed) + self._masks[count] + self._segments
        return _message(1, features + _feature("label_ids", self._varints[label]))  # Example.features


class _Varints(dict[int, bytes]):
    """Numbers as protobuf writes them, worked out when first needed."""

    def __missing__(self, number: int) -> bytes:
        self[number] = _varint(number)
        return self[number]


def _varint(number: int) -> bytes:
    """Seven bits a byte, lowest first, the top bit set on all but the last."""
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)


def _message(field: int, content: bytes) -> bytes:
    """A length-delimited field: a nested message, a string, or packed numbers."""
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _feature(name: str, packed: bytes) -> bytes:
    """One entry of the map `Features.feature`: {1: key, 2: Feature{3: Int64List{1: packed}}}."""
    return _message(1, _message(1, name.encode()) + _message(2, _message(3, _message(1, packed))))


def _framed(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", _masked_crc(length)) + data + struct.pack("<I", _masked_crc(data))


def _masked_crc(data: bytes) -> int:
    """The CRC rotated by 15 bits plus a constant, since a CRC of data that holds its own CRC is weak."""
    from google_crc32c import value

    crc = value(data)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF
