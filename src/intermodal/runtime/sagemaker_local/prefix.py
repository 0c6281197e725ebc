"""The folders that a host of a job sees: /opt/ml, and whatever else its request names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = "/opt/ml"


class Prefix:
    """One host's folders on this machine.

    Args:
        folder: Folder of the host; what it sees as /opt/ml lies in it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.mounts: dict[str, Path] = {}
        self.at(ROOT)

    def at(self, path: str) -> Path:
        """The folder on this machine of a folder of the host; made when it is not there.

        Args:
            path: As the host sees it; outside /opt/ml it becomes a mount of its own.
        """
        wanted = path.rstrip("/") or "/"
        for place, folder in self.mounts.items():
            if wanted == place or wanted.startswith(f"{place}/"):
                return _made(folder / wanted[len(place) :].lstrip("/"))
        folder = self._folder / wanted.strip("/").replace("/", "-")
        self.mounts[wanted] = folder
        return _made(folder)

    def write(self, path: str, content: Any) -> None:
        """Write a JSON file.

        Args:
            path: As the host sees it.
            content: What JSON can say.
        """
        target = self.at(path.rpartition("/")[0]) / path.rpartition("/")[2]
        target.write_text(json.dumps(content, default=str))
        target.chmod(0o644)

    def read(self, path: str, limit: int = 1024) -> str:
        """The beginning of a text file that the host wrote; empty when it did not."""
        file = self.at(path.rpartition("/")[0]) / path.rpartition("/")[2]
        if not file.is_file():
            return ""
        with file.open("rb") as stream:
            return stream.read(4 * limit).decode("utf-8", "replace")[:limit]

    def open_up(self) -> None:
        """Let every user write: an image may run as another user than we do."""
        for folder in self.mounts.values():
            for path in (folder, *folder.rglob("*")):
                if path.is_dir() and not path.is_symlink():
                    path.chmod(0o777)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def host_names(count: int) -> tuple[str, ...]:
    """The host names of a job: algo-1, algo-2, …"""
    return tuple(f"algo-{index + 1}" for index in range(count))
