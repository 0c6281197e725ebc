"""Results are remembered, found again, and missed when anything is wrong with them, over both stores."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from intermodal.core.cachekey import KeyParts
from intermodal.core.manifest import Manifest, damage
from intermodal.errors import ArtifactCorrupt
from intermodal.store.base import Store
from intermodal.store.cache_index import NEVER_RAN, CachedResult, CacheIndex
from intermodal.store.inputs import resolve_input
from intermodal.store.locate import read_manifest
from intermodal.store.publish import publish_output
from made_outputs import FILES, ORIGIN, PARTS, flip, made

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
