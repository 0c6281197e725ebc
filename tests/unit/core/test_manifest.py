"""Manifests: read back as written, and any change of an artifact found."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intermodal.core.manifest import FileEntry, Manifest, Origin, damage, describe_files, sha256_of
from intermodal.errors import ArtifactCorrupt

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
digests = st.text("0123456789abcdef", min_size=64, max_size=64)
plain = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | text
things = st.dictionaries(text, plain | st.lists(plain, max_size=3), max_size=3)
entries = st.builds(FileEntry, path=text, size=st.integers(0, 2**50), sha256=digests)
origins = st.builds(Origin, step=text, task=text, run_id=text, parameters=things, sources=things)
manifests = st.builds(
    Manifest,
    type=text,
    layout=st.sampled_from(["file", "directory"]),
    files=st.lists(entries, max_size=3).map(tuple),
    origin=origins,
    rows=st.none() | st.integers(0, 2**40),
    columns=st.dictionaries(text, text, max_size=3),
    metadata=things,
)
names = st.lists(st.text("abcé. ", min_size=1, max_size=6).map(lambda item: f"f{item}x"), min_size=1, max_size=3)
trees = st.dictionaries(names.map("/d".join), st.binary(max_size=64), min_size=1, max_size=6)


@given(manifests)
def test_a_manifest_is_read_back_as_it_was_written(manifest):
    again = Manifest.from_json(manifest.to_json(), "here")
    assert again == manifest
    assert again.digest == manifest.digest


@given(manifests, st.data())
def test_any_altered_field_is_found(manifest, data):
    fields = json.loads(manifest.to_json())
    name = data.draw(st.sampled_from(sorted(fields)))
    value = data.draw(things | plain | st.lists(plain, max_size=2))
    if json.dumps(value) == json.dumps(fields[name]):
        return
    with pytest.raises(ArtifactCorrupt) as caught:
        Manifest.from_json(json.dumps({**fields, name: value}, indent=1, sort_keys=True) + "\n", "s3://here")
    assert "s3://here" in str(caught.value)
    assert caught.value.exit_code == 5


@given(manifests, st.data())
def test_a_missing_field_is_found(manifest, data):
    fields = json.loads(manifest.to_json())
    del fields[data.draw(st.sampled_from(sorted(fields)))]
    with pytest.raises(ArtifactCorrupt):
        Manifest.from_json(json.dumps(fields, indent=1, sort_keys=True) + "\n", "here")


@given(manifests)
def test_the_digest_covers_content_and_nothing_else(manifest):
    assert replace(manifest, metadata={"x": 1}, rows=7, origin=Origin("other")).digest == manifest.digest
    assert replace(manifest, type=manifest.type + "x").digest != manifest.digest
    assert replace(manifest, files=(*manifest.files, FileEntry("new", 0, "0" * 64))).digest != manifest.digest


def plant(root: Path, tree: dict[str, bytes]) -> dict[str, bytes]:
    """Write files; those whose path collides with another's folder are left out."""
    written = {}
    for name, content in tree.items():
        try:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            continue
        written[name] = content
    return written


@settings(max_examples=60, deadline=None)
@given(trees, st.data())
def test_any_flipped_bit_of_any_file_is_found(tree, data):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        tree = plant(root, tree)
        layout, files = describe_files(root)
        manifest = Manifest("system.Dataset", layout, files, Origin("x"))
        assert [item.path for item in files] == sorted(tree)
        assert damage(manifest, root) == []
        name = data.draw(st.sampled_from(sorted(tree)))
        content = bytearray(tree[name] or b"\0")
        if tree[name]:
            place = data.draw(st.integers(0, len(content) - 1))
            content[place] ^= 1 << data.draw(st.integers(0, 7))
        (root / name).write_bytes(content)
        found = damage(manifest, root)
        assert len(found) == 1
        assert found[0].startswith(f"{name}: ")


def test_what_damage_says(tmp_path: Path):
    for name, content in {"a": b"aa", "b": b"bb", "c": b"cc"}.items():
        (tmp_path / name).write_bytes(content)
    manifest = Manifest("system.Dataset", *describe_files(tmp_path), Origin("x"))
    (tmp_path / "a").unlink()
    (tmp_path / "b").write_bytes(b"bbb")
    (tmp_path / "c").write_bytes(b"cC")
    missing, longer, other = damage(manifest, tmp_path)
    assert missing == "a: missing"
    assert longer == "b: 3 bytes, expected 2"
    assert other.startswith("c: sha256 ")


def test_a_single_file_and_a_directory_have_different_layouts(tmp_path: Path):
    (tmp_path / "one").write_bytes(b"1")
    assert describe_files(tmp_path / "one")[0] == "file"
    assert describe_files(tmp_path)[0] == "directory"
    (tmp_path / "manifest.json").write_text("{}")
    assert [item.path for item in describe_files(tmp_path)[1]] == ["one"]


def test_an_empty_directory_is_an_artifact_without_files(tmp_path: Path):
    manifest = Manifest("system.Dataset", *describe_files(tmp_path), Origin("x"))
    assert (manifest.files, manifest.size, damage(manifest, tmp_path)) == ((), 0, [])


def test_sha256_is_read_in_blocks(tmp_path: Path):
    import hashlib

    content = os.urandom((2 << 20) + 17)
    (tmp_path / "f").write_bytes(content)
    assert sha256_of(tmp_path / "f") == hashlib.sha256(content).hexdigest()
