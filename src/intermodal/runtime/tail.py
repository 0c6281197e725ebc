"""Following a file that another process appends to."""

from __future__ import annotations

from pathlib import Path


class Tail:
    """Reads the complete lines that were added to a file since the last look.

    Args:
        path: The file; it may not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""

    def lines(self, *, last: bool = False) -> list[str]:
        """New lines, without their ends.

        Args:
            last: Give an unfinished line too, because nothing more will come.
        """
        try:
            with self._path.open("rb") as stream:
                stream.seek(self._offset)
                content = stream.read()
        except OSError:
            content = b""
        self._offset += len(content)
        *whole, self._rest = (self._rest + content).split(b"\n")
        if last and self._rest:
            whole, self._rest = [*whole, self._rest], b""
        return [line.decode("utf-8", "replace").rstrip("\r") for line in whole]


def last_lines(path: Path, count: int = 20) -> list[str]:
    """The last lines of a file; none when it is absent."""
    try:
        with path.open("rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - 64 * 1024))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return []
    return text.splitlines()[-count:]
