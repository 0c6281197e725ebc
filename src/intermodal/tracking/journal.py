"""The journal of tracking commands: nothing said is lost while MLflow, or its recorder, is away.

Two append-only files in a run's folder: `tracking.jsonl` holds every command in order, and
`tracking-acks.jsonl` which of them were carried out, refused, or answered with ids.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

COMMANDS = "tracking.jsonl"
ACKS = "tracking-acks.jsonl"
_PIECE = 1 << 20  # bytes read at once


class Journal:
    """Commands and their answers, as files.

    Args:
        folder: The run's folder; made when missing. What an earlier process left there is read.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._commands = folder / COMMANDS
        self._acks = folder / ACKS
        for path in (self._commands, self._acks):
            _mend(path)
        self.answers: dict[int, dict[str, Any]] = {row["seq"]: row for row in _rows(self._acks)}
        self.last = max((row["seq"] for row in _rows(self._commands)), default=0)

    def append(self, command: dict[str, Any]) -> int:
        """Add a command.

        Args:
            command: The command, without a number.

        Returns:
            Its number, from 1.
        """
        self.last += 1
        _append(self._commands, {"seq": self.last, **command})
        return self.last

    def acknowledge(self, answer: dict[str, Any]) -> None:
        """Remember the answer to a command: {"seq", "ok", "result" or "error"}."""
        self.answers[answer["seq"]] = answer
        _append(self._acks, answer)

    @property
    def waiting(self) -> int:
        """How many commands have no answer yet."""
        return self.last - len(self.answers)

    def read(self, offset: int) -> tuple[list[dict[str, Any]], int]:
        """Commands without an answer, from a place in the journal on.

        Args:
            offset: Byte to begin at; 0, or what the last call returned.

        Returns:
            Commands in order, and where to go on.
        """
        if not self._commands.exists():
            return [], 0
        with self._commands.open("rb") as stream:
            stream.seek(offset)
            content = stream.read(_PIECE)
            if content and b"\n" not in content:  # one command longer than a piece
                content += stream.readline()
        whole = content[: content.rfind(b"\n") + 1]
        rows = [json.loads(line) for line in whole.splitlines()]
        return [row for row in rows if row["seq"] not in self.answers], offset + len(whole)

    def history(self) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None]]:
        """Every command in order, each with its answer or None."""
        yield from ((row, self.answers.get(row["seq"])) for row in _rows(self._commands))


def _append(path: Path, row: dict[str, Any]) -> None:
    # One write call, so that a kill leaves either the line or a torn end, which `_mend` closes.
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, (json.dumps(row, default=str) + "\n").encode())
    finally:
        os.close(descriptor)


def _mend(path: Path) -> None:
    if path.exists() and (content := path.read_bytes()) and not content.endswith(b"\n"):
        path.write_bytes(content[: content.rfind(b"\n") + 1])


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n"):
                yield json.loads(line)
