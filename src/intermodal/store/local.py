"""An artifact store in a directory. Writes become visible by one rename."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from intermodal.core.attempt import attempt_name
from intermodal.errors import StoreFailed
from intermodal.store.base import Store

STAGING = ".staging"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class LocalStore(Store):
    """A store under one directory of this machine.

    Args:
        root: The directory; made on the first write.
    """

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")
        self._path = Path(self.root)

    def read(self, key: str) -> bytes | None:
        """See `Store.read`."""
        with _clear_errors("read", key):
            try:
                return (self._path / key).read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None

    def write(self, key: str, content: bytes, *, only_if_absent: bool = False) -> bool:
        """See `Store.write`."""
        target = self._path / key
        with _clear_errors("write", key), self._staging() as staging:
            temporary = staging / "object"
            _write_durably(temporary, content)
            target.parent.mkdir(parents=True, exist_ok=True)
            if not only_if_absent:
                os.replace(temporary, target)
                return True
            try:
                os.link(temporary, target)  # fails when the target exists: the first writer wins
            except FileExistsError:
                return False
            return True

    def publish(self, staged: Path, prefix: str, last: str) -> None:
        """See `Store.publish`; one rename shows all files at once, so `last` is last by nature."""
        target = self._path / prefix
        with _clear_errors("publish", prefix), self._staging() as staging:
            source = staged
            if not _same_device(staged, self._path):
                source = Path(shutil.copytree(staged, staging / "tree"))
            _sync_tree(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.rename(source, target)
            _sync_directory(target.parent)

    def fetch(self, prefix: str, names: list[str], target: Path) -> Path:
        """See `Store.fetch`; the files are read where they lie."""
        return self._path / prefix

    def keys(self, prefix: str) -> Iterator[str]:
        """See `Store.keys`."""
        base = self._path / prefix
        with _clear_errors("list", prefix):
            found = list(_files(base, self._path / STAGING))
        yield from sorted(item.relative_to(self._path).as_posix() for item in found)

    def remove(self, prefix: str) -> None:
        """See `Store.remove`."""
        target = self._path / prefix
        with _clear_errors("remove", prefix):
            if target.is_dir():
                with self._staging() as staging:  # moved away first: never half of it visible
                    os.rename(target, staging / "removed")
            else:
                target.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _staging(self) -> Iterator[Path]:
        path = self._path / STAGING / attempt_name()
        path.mkdir(parents=True)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _clear_errors(verb: str, key: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in _FULL or any(f"[Errno {number}]" in str(error) for number in _FULL)  # shutil's, of many
        raise StoreFailed(
            f"the store could not {verb} {key}" + (": the disk is full" if full else ""),
            seen=f"{error.strerror or error} ({error.filename or 'several files'})"[:300],
            expected="free space" if full else "a directory this user may read and write",
            next_step="free some space, or set INTERMODAL_HOME to a larger disk; then run the same command again",
        ) from error


def _same_device(one: Path, other: Path) -> bool:
    return one.stat().st_dev == other.stat().st_dev


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _files(base: Path, besides: Path) -> Iterator[Path]:
    """The files below a directory that others write to and remove from; what vanishes meanwhile is not there."""
    for top, folders, names in os.walk(base, onerror=_unless_vanished):
        folders[:] = [name for name in folders if Path(top, name) != besides]
        yield from (path for name in names if (path := Path(top, name)).is_file())


def _unless_vanished(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


def _sync_tree(root: Path) -> None:
    for item in root.rglob("*"):
        if item.is_file():
            with item.open("rb") as stream:
                os.fsync(stream.fileno())
    _sync_directory(root)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
