"""What every artifact store promises, with the same cases over a directory and over S3."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from intermodal.store.base import Store
from intermodal.store.locate import open_store


def staged(folder: Path, files: dict[str, bytes]) -> Path:
    """A finished directory, ready to be published."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_what_is_absent(store: Store, tmp_path: Path):
    assert store.read("nothing/here") is None
    assert list(store.keys("nothing")) == []
    store.remove("nothing")
    target = tmp_path / "target"
    assert not (store.fetch("nothing", ["file"], target) / "file").exists()


def test_what_is_written_is_read(store: Store):
    assert store.write("a/b.json", b"one")
    assert store.read("a/b.json") == b"one"
    assert store.write("a/b.json", b"two")
    assert store.read("a/b.json") == b"two"


@pytest.mark.parametrize("content", [b"", b"\x00\xff\n", os.urandom(3 << 20)], ids=["empty", "binary", "large"])
def test_any_content(store: Store, content: bytes):
    store.write("key", content)
    assert store.read("key") == content


def test_a_key_with_odd_characters(store: Store):
    key = "artifacts/product=Größe & Co/part 1+2%41#?.parquet"
    store.write(key, b"x")
    assert store.read(key) == b"x"
    assert list(store.keys("artifacts")) == [key]


def test_only_if_absent(store: Store):
    assert store.write("key", b"first", only_if_absent=True)
    assert not store.write("key", b"second", only_if_absent=True)
    assert store.read("key") == b"first"


def test_a_folder_is_no_object(store: Store):
    store.write("a/b", b"x")
    assert store.read("a") is None


def test_keys_are_those_of_a_folder_sorted_as_text(store: Store):
    names = ["a/1", "a/b/2", "a.b/3", "ab/4", "a-/5", "b"]
    for name in names:
        store.write(name, b"x")
    assert list(store.keys("a")) == ["a/1", "a/b/2"]
    assert list(store.keys("a/")) == ["a/1", "a/b/2"]
    assert list(store.keys("")) == sorted(names)
    assert list(store.keys("a/1")) == []


def test_more_keys_than_one_page_holds(store: Store):
    names = [f"many/{number:04}" for number in range(1005)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: store.write(name, b""), names))
    assert list(store.keys("many")) == names


def test_remove_takes_the_folder_and_not_its_neighbour(store: Store):
    for name in ("a/1", "a/b/2", "ab/3", "a.json"):
        store.write(name, b"x")
    store.remove("a")
    assert list(store.keys("")) == ["a.json", "ab/3"]
    store.remove("a.json")
    assert list(store.keys("")) == ["ab/3"]


def test_publish_and_fetch(store: Store, tmp_path: Path):
    files = {"part=1/a.txt": b"a", "part=1/b c.txt": b"b", "é.txt": b"", "manifest.json": b"{}"}
    store.publish(staged(tmp_path / "staged", files), "artifacts/x/1", "manifest.json")
    assert list(store.keys("artifacts")) == sorted(f"artifacts/x/1/{name}" for name in files)
    root = store.fetch("artifacts/x/1", sorted(files), tmp_path / "target")
    assert {name: (root / name).read_bytes() for name in files} == files


def test_a_published_artifact_is_found_by_its_own_uri(store: Store, tmp_path: Path):
    store.publish(staged(tmp_path / "staged", {"a": b"a", "manifest.json": b"{}"}), "artifacts/x/1", "manifest.json")
    inside = open_store(store.uri("artifacts/x/1"))
    assert inside.read("manifest.json") == b"{}"
    assert list(inside.keys("")) == ["a", "manifest.json"]
    root = inside.fetch("", ["a"], tmp_path / "target")
    assert (root / "a").read_bytes() == b"a"


def test_an_artifact_of_no_file_but_its_manifest(store: Store, tmp_path: Path):
    store.publish(staged(tmp_path / "staged", {"manifest.json": b"{}"}), "artifacts/x/1", "manifest.json")
    assert store.read("artifacts/x/1/manifest.json") == b"{}"


def test_uris(store: Store):
    assert store.uri("a/b") == f"{store.root}/a/b"
    assert store.uri("") == store.root
    assert not store.root.endswith("/")


def test_of_many_threads_one_is_first(store: Store):
    barrier = threading.Barrier(8)

    def race(number: int) -> bool:
        barrier.wait()
        return store.write("cache/key", str(number).encode(), only_if_absent=True)

    with ThreadPoolExecutor(8) as pool:
        won = [number for number, first in enumerate(pool.map(race, range(8))) if first]
    assert len(won) == 1
    assert store.read("cache/key") == str(won[0]).encode()


RACE = """
import sys
from intermodal.store.locate import open_store
store, key, name = open_store(sys.argv[1]), sys.argv[2], sys.argv[3]
store.read(key)
sys.stdin.readline()
print(store.write(key, name.encode(), only_if_absent=True))
"""


def test_of_many_processes_one_is_first(store: Store):
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, store.root, "cache/key", f"racer {number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    answers = [racer.communicate(timeout=120)[0].strip() for racer in racers]
    assert sorted(answers) == ["False", "False", "False", "True"]
    assert store.read("cache/key") == f"racer {answers.index('True')}".encode()


def test_a_reader_sees_all_of_a_write_or_nothing(store: Store):
    """Two long values are written in turns; whatever is read in between is one of them."""
    values = [letter * (256 << 10) for letter in (b"a", b"b")]
    done = threading.Event()
    seen: list[bytes | None] = []

    def watch() -> None:
        while not done.is_set():
            seen.append(store.read("key"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    rounds, deadline = 0, time.monotonic() + 60
    while rounds < 10 or (not set(seen[:]) & set(values) and time.monotonic() < deadline):
        rounds += 1
        for value in values:
            store.write("key", value)
    done.set()
    watcher.join()
    assert set(seen) <= {None, *values}
    assert values[0] in seen or values[1] in seen


INTERRUPTED = """
import os, sys
from pathlib import Path
from intermodal.store.locate import open_store
import intermodal.store.local as local

store, staged, writes = open_store(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
if store.root.startswith("s3://"):
    upload = store._client.upload_file
    def counted(*given, **how):
        global writes
        if writes == 0:
            os.kill(os.getpid(), 9)
        writes -= 1
        return upload(*given, **how)
    store._client.upload_file = counted
else:
    local._sync_tree = lambda root: os.kill(os.getpid(), 9)
store.publish(staged, "artifacts/x/1", "manifest.json")
"""


@pytest.mark.parametrize("writes", [0, 1, 3])
def test_a_publish_that_is_killed_before_the_manifest_is_invisible(store: Store, tmp_path: Path, writes: int):
    files = {"a": b"a", "b": b"b", "z": b"z", "manifest.json": b"{}"}
    folder = staged(tmp_path / "staged", files)
    done = subprocess.run([sys.executable, "-c", INTERRUPTED, store.root, str(folder), str(writes)], timeout=120)
    assert done.returncode == -9
    assert store.read("artifacts/x/1/manifest.json") is None
    if not store.root.startswith("s3://"):
        assert list(store.keys("artifacts")) == []
    again = staged(tmp_path / "again", files)
    store.publish(again, "artifacts/x/2", "manifest.json")
    assert store.read("artifacts/x/2/manifest.json") == b"{}"


def test_a_prefix_is_published_once(store: Store, tmp_path: Path):
    """A directory refuses a second publish; S3 has no such thing, and prefixes are never used twice."""
    if store.root.startswith("s3://"):
        pytest.skip("S3 overwrites; the prefix holds the attempt's own name, so nobody writes there twice")
    from intermodal.errors import StoreFailed

    store.publish(staged(tmp_path / "one", {"a": b"1", "manifest.json": b"1"}), "artifacts/x", "manifest.json")
    with pytest.raises(StoreFailed):
        store.publish(staged(tmp_path / "two", {"a": b"2", "manifest.json": b"2"}), "artifacts/x", "manifest.json")
    assert store.read("artifacts/x/a") == b"1"
