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

_MASK_DELTA = 0xA282EAD8


class ExampleWriter:
    """Write examples with `input_ids`, `input_mask`, `segment_ids` (padded) and `label_ids` (one number).

    All of an example but its token ids depends on a few small numbers alone, and is made once for each.

    Args:
        path: File to write.
        length: Padded length of the three lists.
        pad_id: Token id that `input_ids` is padded with.
    """

    def __init__(self, path: Path, length: int, pad_id: int) -> None:
        self._length = length
        self._varints = _Varints()
        self._pads = [_varint(pad_id) * (length - count) for count in range(length + 1)]
        self._ends: dict[tuple[int, int], bytes] = {}
        self._starts: dict[tuple[int, int], tuple[bytes, bytes]] = {}
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
        from google_crc32c import value

        records: list[bytes] = []
        for row, label in zip(ids.rows(), labels.tolist(), strict=True):
            packed = b"".join(map(self._varints.__getitem__, row)) + self._pads[len(row)]
            end = self._ends.get((len(row), label)) or self._end(len(row), label)
            sizes = len(packed), len(end)
            header, start = self._starts.get(sizes) or self._start(*sizes)
            example = b"".join((start, packed, end))
            records += (header, example, _masked(value(example)))
        self._file.write(b"".join(records))

    def _end(self, count: int, label: int) -> bytes:
        """The features of an example after its ids."""
        mask = _feature("input_mask", b"\1" * count + bytes(self._length - count))
        end = mask + _feature("segment_ids", bytes(self._length)) + _feature("label_ids", _varint(label))
        self._ends[count, label] = end
        return end

    def _start(self, packed: int, end: int) -> tuple[bytes, bytes]:
        """The frame's header, and the example up to its ids, given the sizes of what follows."""
        from google_crc32c import value

        feature = _feature("input_ids", bytes(packed))
        message = _message(1, feature + bytes(end))  # Example.features
        length = struct.pack("<Q", len(message))
        self._starts[packed, end] = length + _masked(value(length)), message[: len(message) - packed - end]
        return self._starts[packed, end]


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


def _masked(crc: int) -> bytes:
    """The CRC rotated by 15 bits plus a constant, since a CRC of data that holds its own CRC is weak."""
    return struct.pack("<I", ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF)
