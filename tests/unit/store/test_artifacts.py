"""Artifacts published, found, verified and remembered, over both stores."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from intermodal.core.cachekey import KeyParts
from intermodal.core.manifest import Manifest, Origin, damage
from intermodal.errors import ArtifactCorrupt, StepFailed
from intermodal.store.base import Store
from intermodal.store.cache_index import NEVER_RAN, CachedResult, CacheIndex
from intermodal.store.inputs import input_digest, resolve_input
from intermodal.store.locate import find_manifest, prefix_of, read_manifest
from intermodal.store.publish import MadeOutput, publish_output

PARTS = KeyParts("acme:clean", {"acme": "1"}, {"python": "3.11"}, "", {"seed": 7}, {"data": ["d"]}, {})
ORIGIN = Origin("clean", cache_key=PARTS.key)


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    path = tmp_path / "staging"
    (path / "outputs").mkdir(parents=True)
    return path


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Where copies from remote stores lie."""
    return tmp_path / "home" / "inputs"


def made(
    staging: Path, files: dict[str, bytes] | bytes | None, schema: str = "system.Dataset", **metadata
) -> MadeOutput:
    """An output as a step leaves it: a directory, a file, or nothing."""
    path = staging / "outputs" / "data"
    if isinstance(files, bytes):
        path.write_bytes(files)
    elif files is not None:
        for name, content in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(content)
    return MadeOutput("data", schema, path, metadata)


FILES = {"a.txt": b"a", "part=1/b.txt": b"bb"}


def flip(store: Store, key: str) -> None:
    """Flip one bit of an object."""
    content = bytearray(store.read(key) or b"\0")
    content[len(content) // 2] ^= 1
    store.write(key, bytes(content))


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


# The memory of finished work.


def remembered(
    store: Store, staging: Path, parts: KeyParts = PARTS, task: str = "clean", number: int = 1
) -> CachedResult:
    origin = replace(ORIGIN, cache_key=parts.key)
    output = publish_output(store, made(staging, FILES), staging, f"artifacts/clean/{number}/data", origin)
    result = CachedResult(parts, {"data": output}, {"Output": 15, "label": "x"}, "mlflow-run", 1.5)
    return CacheIndex(store).remember(result, task)


def test_a_result_is_found_again(store: Store, staging: Path):
    result = remembered(store, staging)
    found, why = CacheIndex(store).find(PARTS)
    assert found == result
    assert why == "same step source, packages, parameters and inputs"


def test_why_there_is_no_result(store: Store, staging: Path):
    index = CacheIndex(store)
    assert index.find(PARTS) == (None, NEVER_RAN)
    remembered(store, staging)
    assert index.find(replace(PARTS, parameters={"seed": 8})) == (None, "parameter seed: 7 → 8")
    assert index.find(replace(PARTS, inputs={"data": ["e"]}, source={"acme": "2"})) == (
        None,
        "input data changed; source file acme changed",
    )
    assert index.find(replace(PARTS, target="acme:other")) == (None, NEVER_RAN)
    store.remove(f"cache/{PARTS.key}.json")
    assert index.find(PARTS) == (None, "its remembered result was removed")


def test_the_nearest_of_several_tasks_explains_a_miss(store: Store, staging: Path, tmp_path: Path):
    remembered(store, staging)
    other = tmp_path / "other"
    (other / "outputs").mkdir(parents=True)
    far = replace(PARTS, parameters={"seed": 9}, inputs={"data": ["z"]}, source={"acme": "9"})
    remembered(store, other, far, "a-first-by-name", 2)
    assert CacheIndex(store).find(replace(PARTS, parameters={"seed": 8}))[1] == "parameter seed: 7 → 8"


def test_the_first_of_two_equal_results_wins(store: Store, staging: Path, tmp_path: Path):
    first = remembered(store, staging)
    other = tmp_path / "other"
    (other / "outputs").mkdir(parents=True)
    assert remembered(store, other, number=2) == first


def test_a_repeated_result_replaces_the_first_when_asked(store: Store, staging: Path):
    first = remembered(store, staging)
    second = replace(first, values={"Output": 16})
    assert CacheIndex(store).remember(second, "clean", replace=True) == second
    assert CacheIndex(store).find(PARTS)[0] == second


@pytest.mark.parametrize("key", ["artifacts/clean/1/data/manifest.json"])
def test_a_result_without_its_manifest_is_a_miss(store: Store, staging: Path, key: str):
    remembered(store, staging)
    store.remove(key)
    found, why = CacheIndex(store).find(PARTS)
    assert found is None
    assert why == "the remembered output data is missing or was altered"
    assert store.read(f"cache/{PARTS.key}.json") is None


def test_a_local_result_with_a_flipped_byte_is_a_miss(tmp_path: Path, staging: Path):
    from intermodal.store.local import LocalStore

    store = LocalStore(str(tmp_path / "store"))
    remembered(store, staging)
    flip(store, "artifacts/clean/1/data/a.txt")
    assert CacheIndex(store).find(PARTS) == (None, "the remembered output data is missing or was altered")


def test_a_damaged_input_makes_its_result_a_miss(store: Store, staging: Path, cache: Path):
    """On S3 a hit does not read every byte; the reader that does takes the result back."""
    result = remembered(store, staging)
    flip(store, "artifacts/clean/1/data/a.txt")
    with pytest.raises(ArtifactCorrupt):
        resolve_input(result.outputs["data"].uri, cache, store.root)
    assert CacheIndex(store).find(PARTS)[0] is None


def test_a_damaged_artifact_leaves_the_result_that_took_its_place(store: Store, staging: Path, cache: Path, tmp_path):
    old = remembered(store, staging)
    store.remove(f"cache/{PARTS.key}.json")
    other = tmp_path / "other"
    (other / "outputs").mkdir(parents=True)
    new = remembered(store, other, number=2)
    flip(store, "artifacts/clean/1/data/a.txt")
    with pytest.raises(ArtifactCorrupt):
        resolve_input(old.outputs["data"].uri, cache, store.root)
    assert CacheIndex(store).find(PARTS)[0] == new


@pytest.mark.parametrize(
    "alter",
    [
        lambda text: text.replace('"Output": 15', '"Output": 16'),
        lambda text: text.replace("mlflow-run", "mlflow-rum"),
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: "{}",
        lambda text: "null",
        lambda text: json.dumps({**json.loads(text), "extra": 1}),
    ],
)
def test_an_altered_entry_is_a_miss_and_no_crash(store: Store, staging: Path, alter):
    remembered(store, staging)
    key = f"cache/{PARTS.key}.json"
    store.write(key, alter(store.read(key).decode()).encode())
    assert CacheIndex(store).find(PARTS)[0] is None


def test_the_entry_is_written_after_every_manifest(store: Store, staging: Path, cache: Path):
    """What `find` gives is whole at any time: the entry names only what is published."""
    result = remembered(store, staging)
    entry = json.loads(store.read(f"cache/{PARTS.key}.json"))
    for output in entry["outputs"].values():
        found = resolve_input(output["uri"], cache, store.root)
        assert damage(found.manifest, found.path) == []
    assert isinstance(read_manifest(result.outputs["data"].uri), Manifest)
