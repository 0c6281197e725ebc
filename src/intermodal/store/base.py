"""What an artifact store can do: six verbs over keys, the same for a directory and for S3."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path


class Store(ABC):
    """A place where artifacts live.

    Keys are relative, with forward slashes. Every write is atomic: a reader sees all of it or nothing.

    Attributes:
        root: The store's root as a URI: an absolute path, or s3://bucket/prefix.
    """

    root: str

    def uri(self, key: str) -> str:
        """The URI of a key."""
        return f"{self.root}/{key}" if key else self.root

    @abstractmethod
    def read(self, key: str) -> bytes | None:
        """Content of one object, or None when it is absent.

        Raises:
            StoreFailed: The store did not answer, or refused.
        """

    @abstractmethod
    def write(self, key: str, content: bytes, *, only_if_absent: bool = False) -> bool:
        """Write one object atomically.

        Args:
            key: Where.
            content: All of it.
            only_if_absent: Leave an existing object alone.

        Returns:
            False when the object was there and `only_if_absent` was asked.

        Raises:
            StoreFailed: The store did not answer, refused, or is full.
        """

    @abstractmethod
    def publish(self, staged: Path, prefix: str, last: str) -> None:
        """Move a finished directory into the store; one file of it becomes visible after all others.

        Args:
            staged: A directory on this machine; it is gone or unimportant afterwards.
            prefix: Key prefix, not used before.
            last: Name of the file that is written last.

        Raises:
            StoreFailed: The store did not answer, refused, or is full; nothing is visible then.
        """

    @abstractmethod
    def fetch(self, prefix: str, names: list[str], target: Path) -> Path:
        """Make files of a prefix readable as local files.

        A file that is not there is left out: whoever asked compares with the manifest.

        Args:
            prefix: Key prefix.
            names: Paths relative to the prefix.
            target: Directory for copies, used by stores that are not local.

        Returns:
            The directory that holds the files; `target`, or the store's own.

        Raises:
            StoreFailed: The store did not answer, or refused.
        """

    @abstractmethod
    def keys(self, prefix: str) -> Iterator[str]:
        """All keys under a prefix, sorted as text.

        A prefix is a folder: under "a" lies "a/b", and never "ab" or "a" itself; under "" lies everything.

        Raises:
            StoreFailed: The store did not answer.
        """

    @abstractmethod
    def remove(self, prefix: str) -> None:
        """Remove the object of that key, and everything under it as a prefix; absent is fine.

        Raises:
            StoreFailed: The store did not answer, or refused.
        """
