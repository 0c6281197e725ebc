"""Where review files come from: a file, a folder, a glob, or the same on S3.

`find_files` turns what a person types into a sorted list of `SourceFile`; each is opened as a stream, so that
nothing downstream knows whether the bytes come from a disk or from a bucket.
"""

from __future__ import annotations

import contextlib
import glob
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from intermodal.core.manifest import MANIFEST_NAME
from intermodal.errors import UsageError

EXTENSIONS = {
    ".tsv": "tsv",
    ".tab": "tsv",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_GLOB_CHARACTERS = "*?["
_HIDDEN = ("_", ".")


class SourceFile(ABC):
    """One file to read.

    Attributes:
        name: Its path relative to the folder or glob it was found by, "/"-separated: the same on every machine.
        address: Where it is, for messages.
        size: Its size in bytes as stored.
    """

    name: str
    address: str
    size: int

    @abstractmethod
    def open(self) -> BinaryIO:
        """The stored bytes as a stream; close it after use."""

    @abstractmethod
    def local_copy(self) -> contextlib.AbstractContextManager[Path]:
        """A local path with these bytes, for formats that must be read from the end; valid inside the block."""

    @property
    def extension_format(self) -> str:
        """The format that the extension says (".gz" aside), or "" when it says none."""
        return EXTENSIONS.get(PurePosixPath(self.name.lower().removesuffix(".gz")).suffix, "")


class LocalFile(SourceFile):
    """A file on a mounted file system."""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        self.address = str(path)
        self.size = path.stat().st_size

    def open(self) -> BinaryIO:
        """The file, opened.

        Raises:
            UsageError: It cannot be opened.
        """
        try:
            return self.path.open("rb")
        except OSError as error:
            raise UsageError(f"cannot read {self.address}", seen=error.strerror, expected="a readable file") from error

    @contextlib.contextmanager
    def local_copy(self) -> Iterator[Path]:
        """The file itself."""
        yield self.path


def find_files(source: str) -> list[SourceFile]:
    """Every file that `source` means, sorted by name.

    Args:
        source: A file, a folder (searched to any depth), a glob ("**" crosses folders), or an s3:// URI of an
            object, a prefix or a glob.

    Returns:
        At least one file. In a folder only those with a known extension, unless none has one; files and
        folders whose name starts with "." or "_" are skipped, as Spark and Hive do.

    Raises:
        UsageError: Nothing matches.
        StoreFailed: S3 did not answer, or refused.
    """
    if source.startswith(("s3://", "s3a://", "s3n://")):
        from intermodal.reviews.s3 import find_objects

        found = find_objects(source)
    else:
        found = _find_local(os.path.expanduser(source.removeprefix("file://")))
    if not found:
        raise UsageError(
            "the source matches no file",
            seen=source,
            expected="a file, a folder, a glob or an s3:// URI that exists",
            next_step="check the path; quote a glob, so that the shell does not expand it",
        )
    return sorted(found, key=lambda item: item.name)


def choose_files(source: str, folder: str) -> list[SourceFile]:
    """The files to read, when they are named directly or made by an earlier step, but not both.

    Args:
        source: As for `find_files`; may be empty.
        folder: A local folder, or "" for none; an empty folder counts as none.

    Returns:
        At least one file.

    Raises:
        UsageError: Both are given, or neither, or nothing matches.
        StoreFailed: S3 did not answer, or refused.
    """
    found = _find_local(folder) if folder else []
    made = [item for item in found if item.name.rpartition("/")[2] != MANIFEST_NAME]
    if source and made:
        seen = f"source={source} and {len(made)} files of an earlier step"
        raise UsageError("two sources of reviews", seen=seen, expected="a source, or the input raw, not both")
    if not source and not made:
        raise UsageError(
            "no source of reviews",
            expected="a file, folder, glob or s3:// URI, or files of an earlier step",
            next_step="pass --source reviews.tsv.gz, or run generate first",
        )
    return sorted(made, key=lambda item: item.name) or find_files(source)


def is_glob(text: str) -> bool:
    """Whether `text` has a wildcard in it."""
    return any(character in text for character in _GLOB_CHARACTERS)


def readable(names: list[str]) -> list[str]:
    """Of the file names in a folder, those to read: the known extensions, or all when there are none.

    Args:
        names: "/"-separated paths relative to the folder.

    Returns:
        The names kept, in order.
    """
    visible = [name for name in names if not any(part.startswith(_HIDDEN) for part in name.split("/"))]
    known = [name for name in visible if PurePosixPath(name.lower().removesuffix(".gz")).suffix in EXTENSIONS]
    return known or visible


def _find_local(source: str) -> list[SourceFile]:
    path = Path(source)
    if path.is_dir():
        files = sorted(item.relative_to(path).as_posix() for item in path.rglob("*") if item.is_file())
        return [LocalFile(path / name, name) for name in readable(files)]
    if path.is_file():
        return [LocalFile(path, path.name)]
    if not is_glob(source):
        return []
    matches = [Path(match) for match in glob.glob(source, recursive=True)]
    root = Path(os.path.dirname(source[: min(source.find(c) for c in _GLOB_CHARACTERS if c in source)]))
    return [LocalFile(match, match.relative_to(root).as_posix()) for match in matches if match.is_file()]
