"""What a store says when it is full, unreachable, or does not know us: StoreFailed, exit code 5, in bounded time."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from free_ports import free_port
from intermodal.errors import StoreFailed, UsageError
from intermodal.store.local import STAGING, LocalStore
from intermodal.store.locate import open_store
from seaweedfs import Bucket


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    place = tmp_path / "small"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True, text=True
    )
    if made.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {made.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_on_write(small_disk: Path):
    store = LocalStore(str(small_disk / "store"))
    store.write("small", b"x")
    with pytest.raises(StoreFailed, match="the disk is full") as caught:
        store.write("large", bytes(2 << 20))
    assert caught.value.exit_code == 5
    assert "INTERMODAL_HOME" in caught.value.next_step
    assert store.read("large") is None
    assert store.read("small") == b"x"
    assert not list((small_disk / "store" / STAGING).iterdir())
    store.write("again", b"x")


def test_a_full_disk_on_publish_from_another_disk(small_disk: Path, tmp_path: Path):
    store = LocalStore(str(small_disk / "store"))
    folder = tmp_path / "staged"
    folder.mkdir()
    for number in range(8):
        (folder / f"{number}").write_bytes(bytes(300 << 10))
    with pytest.raises(StoreFailed, match="the disk is full") as caught:
        store.publish(folder, "artifacts/x", "manifest.json")
    assert "No space left" in caught.value.seen
    assert list(store.keys("")) == []
    assert not list((small_disk / "store" / STAGING).iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make a file that root may not change")
def test_a_store_that_is_a_file(tmp_path: Path):
    (tmp_path / "store").write_text("not a directory")
    store = LocalStore(str(tmp_path / "store"))
    with pytest.raises(StoreFailed, match="could not write") as caught:
        store.write("a", b"x")
    assert caught.value.expected == "a directory this user may read and write"
    assert store.read("a") is None


def every_verb(root: str, folder: Path):
    """Each verb of a store, as something to call."""
    from intermodal.store.s3 import S3Store

    store = S3Store(root)
    (folder / "staged").mkdir()
    (folder / "staged" / "manifest.json").write_text("{}")
    return {
        "read": lambda: store.read("a"),
        "write": lambda: store.write("a", b"x"),
        "publish": lambda: store.publish(folder / "staged", "p", "manifest.json"),
        "fetch": lambda: store.fetch("p", ["a"], folder / "target"),
        "list": lambda: list(store.keys("p")),
        "remove": lambda: store.remove("p"),
    }


def refusals(root: str, folder: Path) -> dict[str, StoreFailed]:
    """What each verb raises."""
    found = {}
    for verb, call in every_verb(root, folder).items():
        with pytest.raises(StoreFailed) as caught:
            call()
        assert caught.value.exit_code == 5
        assert root in caught.value.headline
        found[verb] = caught.value
    return found


@pytest.mark.parametrize(
    ("variable", "value", "code"),
    [
        ("AWS_SECRET_ACCESS_KEY", "wrong", "SignatureDoesNotMatch"),
        ("AWS_ACCESS_KEY_ID", "nobody", "InvalidAccessKeyId"),
    ],
)
def test_wrong_credentials(s3: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable, value, code):
    monkeypatch.setenv(variable, value)
    found = refusals(s3.uri, tmp_path)
    for verb in ("read", "write", "publish", "list"):
        assert found[verb].seen.startswith(code)
    for verb, error in found.items():
        assert error.expected == "credentials that may use this bucket", verb
        assert "AWS_SECRET_ACCESS_KEY" in error.next_step


def test_no_credentials(s3: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    for error in refusals(s3.uri, tmp_path).values():
        assert error.expected == "AWS credentials"
        assert "AWS_PROFILE" in error.next_step


@pytest.mark.parametrize("verb", ["read", "list"])
def test_a_bucket_that_is_not_there(s3: Bucket, tmp_path: Path, verb: str):
    """A fetch cannot tell a bucket from a file that is missing; SeaweedFS makes the bucket on a write."""
    with pytest.raises(StoreFailed) as caught:
        every_verb(f"s3://no-such-{verb}", tmp_path)[verb]()
    assert caught.value.seen.startswith("NoSuchBucket")
    assert caught.value.expected == "a bucket that exists"
    assert "INTERMODAL_STORE" in caught.value.next_step


@pytest.mark.timeout(300)
def test_an_endpoint_where_nobody_listens(s3: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Bounded time is what the timeout above stands for: the default retries would be given up long before."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    calls = every_verb(s3.uri, tmp_path)
    for verb in ("read", "publish"):
        with pytest.raises(StoreFailed) as caught:
            calls[verb]()
        assert os.environ["AWS_ENDPOINT_URL"] in caught.value.expected
        assert "AWS_ENDPOINT_URL" in caught.value.next_step


def test_the_client_gives_up_in_bounded_time(s3: Bucket):
    from intermodal.store.s3 import s3_client

    config = s3_client().meta.config
    attempts = config.retries["total_max_attempts"]
    assert config.connect_timeout * attempts <= 60
    assert config.read_timeout * attempts <= 300


def test_an_unknown_kind_of_store():
    with pytest.raises(UsageError, match="unknown kind of store") as caught:
        open_store("gs://bucket/x")
    assert caught.value.seen == "gs://bucket/x"


def test_a_file_uri_is_a_directory(tmp_path: Path):
    store = open_store(f"file://{tmp_path}")
    assert store.root == str(tmp_path)


def test_a_store_is_listed_while_others_publish_and_remove(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(str(tmp_path / "store"))
    for key in ("artifacts/a/1", "artifacts/b/2"):
        store.write(key, b"x")
    real = os.scandir

    def scandir(path: Any = ".") -> Any:
        if Path(path).name == "b":  # it was there when its parent was read
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert list(store.keys("")) == ["artifacts/a/1"]
    monkeypatch.setattr(os, "scandir", Mock(side_effect=PermissionError(13, "Permission denied", "store")))
    with pytest.raises(StoreFailed):
        list(store.keys(""))
