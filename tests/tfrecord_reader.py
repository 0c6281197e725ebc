"""An independent reader of TFRecord files: protobuf's own parser for the message, a bit-by-bit CRC for the frame."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.unknown_fields import UnknownFieldSet

_LABELED = descriptor_pb2.FieldDescriptorProto


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli), one bit at a time, as RFC 3720 defines it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def records(path: Path) -> list[bytes]:
    """The records of a file, both checksums of each verified."""
    data, found = path.read_bytes(), []
    while data:
        (length,), (length_crc,) = struct.unpack("<Q", data[:8]), struct.unpack("<I", data[8:12])
        body, (body_crc,) = data[12 : 12 + length], struct.unpack("<I", data[12 + length : 16 + length])
        assert _unmasked(length_crc) == crc32c(data[:8])
        assert _unmasked(body_crc) == crc32c(body)
        found.append(body)
        data = data[16 + length :]
    return found


def examples(path: Path) -> list[dict[str, list[int]]]:
    """The int64 lists of every tf.train.Example in a file."""
    message = example_class()
    return [_lists(message.FromString(record)) for record in records(path)]


def _unmasked(masked: int) -> int:
    rotated = (masked - 0xA282EAD8) & 0xFFFFFFFF
    return (rotated << 15 | rotated >> 17) & 0xFFFFFFFF


def _lists(example: Any) -> dict[str, list[int]]:
    assert len(UnknownFieldSet(example)) == len(UnknownFieldSet(example.features)) == 0
    assert all(feature.WhichOneof("kind") == "int64_list" for feature in example.features.feature.values())
    return {name: list(feature.int64_list.value) for name, feature in example.features.feature.items()}


def example_class() -> Any:
    """tf.train.Example, from tensorflow/core/example/{example,feature}.proto."""
    file = descriptor_pb2.FileDescriptorProto(name="example_test.proto", package="tensorflow", syntax="proto3")
    for kind, number in (
        ("BytesList", _LABELED.TYPE_BYTES),
        ("FloatList", _LABELED.TYPE_FLOAT),
        ("Int64List", _LABELED.TYPE_INT64),
    ):
        _field(file.message_type.add(name=kind), "value", 1, number, repeated=True)
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for index, (name, kind) in enumerate(
        (("bytes_list", "BytesList"), ("float_list", "FloatList"), ("int64_list", "Int64List"))
    ):
        _field(feature, name, index + 1, f".tensorflow.{kind}").oneof_index = 0
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    _field(entry, "key", 1, _LABELED.TYPE_STRING)
    _field(entry, "value", 2, ".tensorflow.Feature")
    _field(features, "feature", 1, ".tensorflow.Features.FeatureEntry", repeated=True)
    _field(file.message_type.add(name="Example"), "features", 1, ".tensorflow.Features")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tensorflow.Example"))


def _field(message: Any, name: str, number: int, kind: int | str, *, repeated: bool = False) -> Any:
    field = message.field.add(name=name, number=number)
    field.label = _LABELED.LABEL_REPEATED if repeated else _LABELED.LABEL_OPTIONAL
    if isinstance(kind, str):
        field.type, field.type_name = _LABELED.TYPE_MESSAGE, kind
    else:
        field.type = kind
    return field
