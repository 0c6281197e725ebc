"""Data outside the store is known by its content, whatever its times say."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from intermodal.errors import StoreFailed
from intermodal.store import fingerprint as module
from intermodal.store.fingerprint import fingerprint


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    return tmp_path / "memory"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A file that is old enough to be remembered."""
    path = tmp_path / "reviews.tsv"
    path.write_text("one\n")
    return path


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch):
    """The clock an hour ahead, so that every file is old."""
    now = time.time()
    monkeypatch.setattr(module.time, "time", lambda: now + 3600)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files whose bytes were read."""
    names: list[str] = []
    original = module.sha256_of

    def counted(path: Path) -> str:
        names.append(path.name)
        return original(path)

    monkeypatch.setattr(module, "sha256_of", counted)
    return names


@pytest.mark.parametrize("value", ["", None, 7, "/no/such/file", "/no/such/*.tsv", [], ["/no/such/file"]])
def test_what_names_nothing(memory: Path, value):
    assert fingerprint(value, memory) is None


def test_a_file_is_its_name_and_content(tmp_path: Path, memory: Path, data: Path):
    first = fingerprint(str(data), memory)
    assert first["files"] == 1
    (tmp_path / "elsewhere").mkdir()
    os.rename(data, tmp_path / "elsewhere" / data.name)
    assert fingerprint(str(tmp_path / "elsewhere" / data.name), memory) == first
    assert fingerprint(f"file://{tmp_path}/elsewhere/{data.name}", memory) == first
    (tmp_path / "elsewhere" / data.name).write_text("two\n")
    assert fingerprint(str(tmp_path / "elsewhere" / data.name), memory) != first


@pytest.mark.usefixtures("later")
def test_an_old_file_is_read_once(memory: Path, data: Path, reads: list[str]):
    first = fingerprint(str(data), memory)
    assert fingerprint(str(data), memory) == first
    assert reads == [data.name]


def test_a_young_file_is_read_every_time(memory: Path, data: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch):
    """It could change again within the clock's grain, and keep size and time."""
    written = data.stat().st_mtime
    monkeypatch.setattr(module.time, "time", lambda: written + 1)
    fingerprint(str(data), memory)
    fingerprint(str(data), memory)
    assert reads == [data.name] * 2
    assert not memory.exists()


@pytest.mark.usefixtures("later")
def test_a_change_that_hides_its_time_is_seen(memory: Path, data: Path):
    """Same size, same inode, and the time of modification set back."""
    first = fingerprint(str(data), memory)
    stat = data.stat()
    time.sleep(0.02)
    with data.open("r+") as stream:
        stream.write("two\n")
    os.utime(data, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert data.stat().st_mtime_ns == stat.st_mtime_ns
    assert data.stat().st_ino == stat.st_ino
    assert fingerprint(str(data), memory) != first


@pytest.mark.usefixtures("later")
def test_a_replaced_file_is_seen(memory: Path, data: Path):
    first = fingerprint(str(data), memory)
    other = data.with_name("other")
    other.write_text("two\n")
    os.utime(other, ns=(data.stat().st_atime_ns, data.stat().st_mtime_ns))
    os.replace(other, data)
    assert fingerprint(str(data), memory) != first


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("note", [b"", b"{", b"[1]", b"null", b"\xff", b'{"seen": 3}'])
def test_a_broken_note_is_no_harm(memory: Path, data: Path, note: bytes):
    first = fingerprint(str(data), memory)
    (path,) = memory.iterdir()
    path.write_bytes(note)
    assert fingerprint(str(data), memory) == first


@pytest.mark.usefixtures("later")
def test_a_memory_that_cannot_be_written_is_no_harm(tmp_path: Path, data: Path, memory: Path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert fingerprint(str(data), blocked / "memory") == fingerprint(str(data), memory)


@pytest.mark.usefixtures("later")
def test_many_threads_may_ask_at_once(tmp_path: Path, memory: Path):
    for number in range(20):
        (tmp_path / f"{number}.tsv").write_text(str(number))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: fingerprint(str(tmp_path / "*.tsv"), memory), range(16)))
    assert {json.dumps(item) for item in found} == {json.dumps(found[0])}
    assert {path.suffix for path in memory.iterdir()} == {".json"}


def test_a_folder_is_every_file_below_it(tmp_path: Path, memory: Path):
    folder = tmp_path / "folder"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "1").write_text("1")
    (folder / "2").write_text("2")
    first = fingerprint(str(folder), memory)
    assert first["files"] == 2
    os.rename(folder / "2", folder / "3")
    renamed = fingerprint(str(folder), memory)
    assert renamed != first
    (folder / "a" / "4").write_text("")
    assert fingerprint(str(folder), memory)["files"] == 3
    moved = tmp_path / "moved"
    (folder / "a" / "4").unlink()
    os.rename(folder, moved)
    assert fingerprint(str(moved), memory) == renamed


def test_a_glob_is_what_it_finds(tmp_path: Path, memory: Path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for name in ("a.tsv", "b.tsv", "c.csv", "deep/er/d.tsv"):
        (tmp_path / name).write_text(name)
    two = fingerprint(str(tmp_path / "*.tsv"), memory)
    assert two["files"] == 2
    assert fingerprint(str(tmp_path / "**" / "*.tsv"), memory)["files"] == 3
    (tmp_path / "c.csv").write_text("changed")
    assert fingerprint(str(tmp_path / "*.tsv"), memory) == two
    (tmp_path / "b.tsv").write_text("changed")
    assert fingerprint(str(tmp_path / "*.tsv"), memory) != two


def test_a_list_is_each_of_its_values(tmp_path: Path, memory: Path):
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    first = fingerprint([str(tmp_path / "a"), str(tmp_path / "b")], memory)
    assert [item["files"] for item in first] == [1, 1]
    (tmp_path / "b").write_text("changed")
    assert fingerprint([str(tmp_path / "a"), str(tmp_path / "b")], memory) != first


def test_s3(s3, memory: Path):
    for key, body in {"in/a.tsv": b"a", "in/b.tsv": b"b", "in/c.csv": b"c", "other": b"x"}.items():
        s3.put(key, body)
    folder = fingerprint(f"{s3.uri}/in/", memory)
    some = fingerprint(f"{s3.uri}/in/*.tsv", memory)
    assert (folder["files"], some["files"]) == (3, 2)
    assert fingerprint(f"{s3.uri}/in/a.tsv", memory)["files"] == 1
    assert fingerprint(f"{s3.uri}/nothing", memory) is None
    s3.put("in/c.csv", b"C")
    assert fingerprint(f"{s3.uri}/in/", memory) != folder
    assert fingerprint(f"{s3.uri}/in/*.tsv", memory) == some
    s3.put("in/a.tsv", b"A")
    assert fingerprint(f"{s3.uri}/in/*.tsv", memory) != some


def test_s3_with_wrong_credentials(s3, memory: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StoreFailed, match="could not be listed"):
        fingerprint(f"{s3.uri}/in/", memory)


def test_files_of_equal_names_in_different_folders_are_told_apart(tmp_path: Path) -> None:
    for folder, text in (("a", "one"), ("b", "two")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "r.tsv").write_text(text)
    before = fingerprint(f"{tmp_path}/*/r.tsv", tmp_path / "memory")
    (tmp_path / "a" / "r.tsv").write_text("two")
    (tmp_path / "b" / "r.tsv").write_text("one")
    assert fingerprint(f"{tmp_path}/*/r.tsv", tmp_path / "memory") != before
