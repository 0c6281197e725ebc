"""Artifacts published, found and verified, over both stores."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from intermodal.errors import ArtifactCorrupt, StepFailed
from intermodal.store.base import Store
from intermodal.store.inputs import input_digest, resolve_input
from intermodal.store.locate import find_manifest, prefix_of, read_manifest
from intermodal.store.publish import publish_output
from made_outputs import FILES, ORIGIN, flip, made


def test_a_directory(store: Store, staging: Path, cache: Path):
    output = publish_output(store, made(staging, FILES, note="x"), staging, "artifacts/clean/1/data", ORIGIN)
    assert output.uri == store.uri("artifacts/clean/1/data")
    assert output.metadata == {"note": "x"}
    manifest = read_manifest(output.uri)
    assert (manifest.layout, manifest.type, manifest.digest) == ("directory", "system.Dataset", output.digest)
    assert [item.path for item in manifest.files] == sorted(FILES)
    found = resolve_input(output.uri, cache, store.root)
    assert {name: (found.path / name).read_bytes() for name in FILES} == FILES
    assert found.digest == output.digest == input_digest(output.uri, store.root)


def test_a_single_file(store: Store, staging: Path, cache: Path):
    output = publish_output(store, made(staging, b"text"), staging, "artifacts/clean/1/data", ORIGIN)
    assert output.uri == store.uri("artifacts/clean/1/data/data")
    assert prefix_of(output.uri) == store.uri("artifacts/clean/1/data")
    found = resolve_input(output.uri, cache, store.root)
    assert found.path.read_bytes() == b"text"
    assert found.path.is_file()
    assert read_manifest(output.uri).layout == "file"


def test_an_empty_directory(store: Store, staging: Path, cache: Path):
    (staging / "outputs" / "data").mkdir()
    output = publish_output(store, made(staging, {}), staging, "artifacts/clean/1/data", ORIGIN)
    found = resolve_input(output.uri, cache, store.root)
    assert found.path.is_dir()
    assert found.manifest.files == ()


def test_metrics_without_a_file_get_one(store: Store, staging: Path, cache: Path):
    output = publish_output(
        store, made(staging, None, "system.Metrics", b=2, a=1.5), staging, "artifacts/clean/1/data", ORIGIN
    )
    assert json.loads(resolve_input(output.uri, cache, store.root).path.read_text()) == {"a": 1.5, "b": 2}


def test_nothing_written_is_a_failed_step(store: Store, staging: Path):
    with pytest.raises(StepFailed, match="the step wrote no output data") as caught:
        publish_output(store, made(staging, None), staging, "artifacts/clean/1/data", ORIGIN)
    assert caught.value.exit_code == 4
    assert list(store.keys("")) == []


def test_the_digest_knows_neither_store_nor_time_nor_maker(store: Store, staging: Path, tmp_path: Path):
    first = publish_output(store, made(staging, FILES, note="x"), staging, "artifacts/clean/1/data", ORIGIN)
    other = tmp_path / "other"
    (other / "outputs").mkdir(parents=True)
    second = publish_output(
        store,
        made(other, FILES, note="y"),
        other,
        "artifacts/clean/2/data",
        replace(ORIGIN, run_id="r", produced="now"),
    )
    assert first.digest == second.digest
    assert first.uri != second.uri


def test_rows_and_columns_come_from_parquet_footers(store: Store, staging: Path):
    import pyarrow
    from pyarrow import parquet

    output = made(staging, {"readme.txt": b"not a table"})
    for number in range(3):
        table = pyarrow.table({"id": [f"{number}"] * (number + 1), "stars": pyarrow.array([5] * (number + 1), "int32")})
        parquet.write_table(table, output.path / f"part-{number}.parquet")
    manifest = read_manifest(publish_output(store, output, staging, "artifacts/clean/1/data", ORIGIN).uri)
    assert manifest.rows == 6
    assert manifest.columns == {"id": "string", "stars": "int32"}


def test_rows_and_splits_that_the_step_states_count(store: Store, staging: Path):
    splits = {"train": {"rows": 3, "digest": "x"}}
    output = publish_output(
        store, made(staging, FILES, rows=3, splits=splits), staging, "artifacts/clean/1/data", ORIGIN
    )
    manifest = read_manifest(output.uri)
    assert (manifest.rows, manifest.splits) == (3, splits)


def test_links_are_published_as_files(store: Store, staging: Path, cache: Path, tmp_path: Path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "o.txt").write_bytes(b"o")
    (outside / "manifest.json").write_bytes(b"another artifact's")
    output = made(staging, FILES)
    os.symlink(outside / "o.txt", output.path / "file.txt")
    os.symlink("a.txt", output.path / "inside.txt")
    os.symlink(outside, output.path / "folder")
    published = publish_output(store, output, staging, "artifacts/clean/1/data", ORIGIN)
    (outside / "o.txt").unlink()
    found = resolve_input(published.uri, cache, store.root)
    assert (found.path / "file.txt").read_bytes() == (found.path / "folder" / "o.txt").read_bytes() == b"o"
    assert (found.path / "inside.txt").read_bytes() == b"a"
    assert not [path for path in found.path.rglob("*") if path.is_symlink()]
    assert len(found.manifest.files) == 5


@pytest.mark.parametrize("layout", ["file", "directory"])
def test_an_output_that_is_a_link_to_an_input_leaves_the_input_alone(
    store: Store, staging: Path, cache: Path, tmp_path: Path, layout: str
):
    content = b"input" if layout == "file" else FILES
    source = publish_output(store, made(staging, content), staging, "artifacts/clean/1/data", ORIGIN)
    taken = resolve_input(source.uri, cache, store.root)
    again = tmp_path / "again"
    (again / "outputs").mkdir(parents=True)
    output = made(again, None)
    os.symlink(taken.path, output.path)
    copied = publish_output(store, output, again, "artifacts/clean/2/data", replace(ORIGIN, step="copy"))
    assert copied.digest == source.digest
    assert read_manifest(source.uri).origin.step == "clean"
    assert read_manifest(copied.uri).origin.step == "copy"
    assert resolve_input(source.uri, cache, store.root).digest == source.digest


@pytest.mark.parametrize("target", ["nowhere", "..", "."])
def test_a_link_that_leads_nowhere_is_refused(store: Store, staging: Path, target: str):
    output = made(staging, {"inner/a.txt": b"a"})
    os.symlink(target, output.path / "inner" / "link")
    with pytest.raises(StepFailed, match="leads nowhere, or around in a circle") as caught:
        publish_output(store, output, staging, "artifacts/clean/1/data", ORIGIN)
    assert "link → " in caught.value.seen
    assert list(store.keys("")) == []


def test_a_flipped_byte_in_any_file_is_found(store: Store, staging: Path, cache: Path):
    output = publish_output(store, made(staging, FILES), staging, "artifacts/clean/1/data", ORIGIN)
    for name in FILES:
        key = f"artifacts/clean/1/data/{name}"
        whole = store.read(key)
        flip(store, key)
        with pytest.raises(ArtifactCorrupt, match="is damaged") as caught:
            resolve_input(output.uri, cache, store.root)
        assert name in caught.value.seen
        assert caught.value.exit_code == 5
        store.write(key, whole)
    assert resolve_input(output.uri, cache, store.root).digest == output.digest


@pytest.mark.parametrize("layout", ["file", "directory"])
def test_a_missing_file_is_found(store: Store, staging: Path, cache: Path, layout: str):
    content = b"text" if layout == "file" else FILES
    output = publish_output(store, made(staging, content), staging, "artifacts/clean/1/data", ORIGIN)
    name = "data" if layout == "file" else "a.txt"
    store.remove(f"artifacts/clean/1/data/{name}")
    with pytest.raises(ArtifactCorrupt) as caught:
        resolve_input(output.uri, cache, store.root)
    assert f"{name}: missing" in caught.value.seen


@pytest.mark.parametrize("layout", ["file", "directory"])
def test_a_missing_manifest_is_found(store: Store, staging: Path, cache: Path, layout: str):
    content = b"text" if layout == "file" else FILES
    output = publish_output(store, made(staging, content), staging, "artifacts/clean/1/data", ORIGIN)
    store.remove("artifacts/clean/1/data/manifest.json")
    for read in (resolve_input, lambda uri, _cache, root: input_digest(uri, root)):
        with pytest.raises(ArtifactCorrupt, match="its manifest is missing"):
            read(output.uri, cache, store.root)
    assert find_manifest(output.uri) is None


@pytest.mark.parametrize("layout", ["file", "directory"])
def test_an_altered_manifest_is_found(store: Store, staging: Path, cache: Path, layout: str):
    content = b"text" if layout == "file" else FILES
    output = publish_output(store, made(staging, content), staging, "artifacts/clean/1/data", ORIGIN)
    key = "artifacts/clean/1/data/manifest.json"
    text = store.read(key).decode()
    for altered in (text.replace('"rows": null', '"rows": 7'), text[: len(text) // 2], "{}", "[]"):
        store.write(key, altered.encode())
        with pytest.raises(ArtifactCorrupt):
            resolve_input(output.uri, cache, store.root)


def test_an_altered_local_copy_of_a_remote_artifact_is_fetched_again(s3, staging: Path, cache: Path):
    from intermodal.store.s3 import S3Store

    store = S3Store(s3.uri)
    output = publish_output(store, made(staging, FILES), staging, "artifacts/clean/1/data", ORIGIN)
    copy = resolve_input(output.uri, cache, store.root).path
    assert copy.is_relative_to(cache)
    (copy / "a.txt").write_bytes(b"poison")
    assert (resolve_input(output.uri, cache, store.root).path / "a.txt").read_bytes() == b"a"
    (copy / "a.txt").unlink()
    assert (resolve_input(output.uri, cache, store.root).path / "a.txt").read_bytes() == b"a"


def test_a_damaged_remote_artifact_leaves_no_copy(s3, staging: Path, cache: Path):
    from intermodal.store.s3 import S3Store

    store = S3Store(s3.uri)
    output = publish_output(store, made(staging, FILES), staging, "artifacts/clean/1/data", ORIGIN)
    flip(store, "artifacts/clean/1/data/a.txt")
    with pytest.raises(ArtifactCorrupt):
        resolve_input(output.uri, cache, store.root)
    assert not [path for path in cache.parent.rglob("*") if path.is_file()]


def test_foreign_data_is_known_by_its_bytes(tmp_path: Path, cache: Path):
    (tmp_path / "reviews.tsv").write_text("a")
    first = resolve_input(str(tmp_path / "reviews.tsv"), cache, str(tmp_path / "store"))
    assert first.manifest is None
    assert first.path == tmp_path / "reviews.tsv"
    (tmp_path / "reviews.tsv").write_text("b")
    assert input_digest(str(tmp_path / "reviews.tsv"), str(tmp_path / "store")) != first.digest


def test_a_stranger_s_manifest_beside_foreign_data_means_nothing(tmp_path: Path, cache: Path):
    (tmp_path / "manifest.json").write_text('{"name": "a browser extension"}')
    (tmp_path / "reviews.tsv").write_text("a")
    assert resolve_input(str(tmp_path / "reviews.tsv"), cache, "/store").manifest is None


@pytest.mark.parametrize("uri", ["/no/such/place", "s3://no-bucket/x"])
def test_foreign_data_that_is_not_there(uri: str, cache: Path, s3):
    with pytest.raises(ArtifactCorrupt, match="no artifact here") as caught:
        resolve_input(uri.replace("no-bucket", s3.name), cache, "/store")
    assert "neither a manifest nor a file" in caught.value.headline
