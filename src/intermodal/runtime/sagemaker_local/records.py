"""What the service knows, by kind and name: JSON documents under its home, each replaced as a whole."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from intermodal.runtime.outcome import write_atomically


class Records:
    """Documents of one kind, kept in memory and, for the next start, in files.

    Args:
        folder: Folder of the files; made when the first document is put.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.RLock()
        self._known: dict[str, dict[str, Any]] = {}
        for path in sorted(folder.glob("*.json")):
            document = json.loads(path.read_text())
            self._known[document["name"]] = document["content"]

    def get(self, name: str) -> dict[str, Any] | None:
        """A document; a copy, so that changing it changes nothing here. None when there is none."""
        with self._lock:
            found = self._known.get(name)
            return None if found is None else json.loads(json.dumps(found))

    def put(self, name: str, content: dict[str, Any]) -> None:
        """Write a document, in place of the one that was.

        Args:
            name: Its name.
            content: Anything that JSON can say; times as seconds since 1970.
        """
        with self._lock:
            text = json.dumps({"name": name, "content": content})
            write_atomically(self._path(name), text)
            self._known[name] = json.loads(text)["content"]

    def remove(self, name: str) -> bool:
        """Remove a document.

        Returns:
            Whether there was one.
        """
        with self._lock:
            self._path(name).unlink(missing_ok=True)
            return self._known.pop(name, None) is not None

    def all(self) -> dict[str, dict[str, Any]]:
        """Name → document, in the order in which they were put first."""
        with self._lock:
            return {name: json.loads(json.dumps(content)) for name, content in self._known.items()}

    def __contains__(self, name: str) -> bool:
        """Whether there is such a document."""
        return name in self._known

    def __iter__(self) -> Iterator[str]:
        """The names."""
        with self._lock:
            return iter(list(self._known))

    def locked(self) -> threading.RLock:
        """Held over looking and putting, so that nobody puts in between."""
        return self._lock

    def _path(self, name: str) -> Path:
        return self._folder / f"{quote(name, safe='')[:200]}.json"
