"""Any single flipped bit of a manifest is found, whatever part of it was hit."""

from __future__ import annotations

import math

import pytest

from intermodal.core.manifest import FileEntry, Manifest, Origin
from intermodal.errors import ArtifactCorrupt

MANIFEST = Manifest(
    type="system.Dataset",
    layout="directory",
    files=(FileEntry("a/é.parquet", 3, "ab" * 32),),
    origin=Origin("ingest", parameters={"rows": 3, "text": "é<br />"}, sources={"source": {"files": 1}}),
    metadata={1: 2, 10: math.nan, 2: 1e-7, "nested": [1, (2,)]},
)


def test_a_manifest_survives_its_text():
    text = MANIFEST.to_json()
    again = Manifest.from_json(text, "here")
    assert again.to_json() == text
    assert again.digest == MANIFEST.digest
    assert again.origin == MANIFEST.origin


def test_every_flipped_bit_is_found():
    content = MANIFEST.to_json().encode()
    for index in range(len(content)):
        for bit in range(8):
            altered = bytearray(content)
            altered[index] ^= 1 << bit
            with pytest.raises(ArtifactCorrupt):
                Manifest.from_json(bytes(altered).decode("utf-8", "replace"), "here")


def test_a_truncated_or_foreign_text_is_one_clear_error():
    text = MANIFEST.to_json()
    for broken in (text[:-2], "", "[]", "{}", text + " "):
        with pytest.raises(ArtifactCorrupt):
            Manifest.from_json(broken, "here")
