"""Checkpoints of long work: each written whole or not at all, and found again only by the very same work.

A checkpoint is two files, `state-POSITION.safetensors` and, written last, `state-POSITION.json`, which names the size
and the sha256 of the first. Both are written under a hidden name, synced and renamed, so that whoever copies the
directory elsewhere while it is written to (SageMaker does so all the time) may copy half a checkpoint but never one
that looks whole. Each kind of work has a folder of its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intermodal.core.manifest import sha256_of
from intermodal.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

VARIABLE = "INTERMODAL_CHECKPOINTS"
SECONDS_VARIABLE = "INTERMODAL_CHECKPOINT_SECONDS"
_SECONDS = 300.0
_KEPT = 2
_SHARE = 20  # saving may take at most this part of the time between two checkpoints
_HIDDEN = ".writing-"


@dataclass(frozen=True)
class Checkpoint:
    """Where a piece of work was.

    Attributes:
        position: Steps done.
        facts: Whatever is no tensor, as JSON holds it.
        tensors: Arrays by name.
    """

    position: int
    facts: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, np.ndarray] = field(default_factory=dict)


class Checkpoints:
    """The checkpoints of one piece of work in a directory; see the module.

    Args:
        directory: Made.
        work: All that makes two pieces of work the same, as JSON holds it.
        seconds: How often a checkpoint is due.
        say: Told, in one line each, what was found and what was ignored; None prints it.
        clock: Seconds, for tests.

    Raises:
        UsageError: The directory cannot be written to.
    """

    def __init__(
        self,
        directory: Path,
        work: Mapping[str, Any],
        seconds: float = _SECONDS,
        say: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._root, self._work = directory, json.loads(json.dumps(work, sort_keys=True))
        self._folder = directory / hashlib.sha256(json.dumps(self._work, sort_keys=True).encode()).hexdigest()[:16]
        self._seconds, self._say, self._clock, self._last = seconds, say or _print, clock, clock()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for left in self._folder.glob(f"{_HIDDEN}*"):  # by a process that was killed while it wrote
                left.unlink(missing_ok=True)
        except OSError as error:
            expected = "a directory that can be written to"
            raise UsageError(f"no checkpoints can be kept in {directory}", seen=error, expected=expected) from error

    @classmethod
    def here(cls, work: Callable[[], Mapping[str, Any]]) -> Checkpoints | None:
        """The checkpoints in the directory that the environment names; None when it names none.

        Args:
            work: Gives what the class takes; asked only when there is a directory.

        Raises:
            UsageError: The directory cannot be written to, or the interval is not a number of seconds.
        """
        if not (directory := os.environ.get(VARIABLE)):
            return None
        text = os.environ.get(SECONDS_VARIABLE) or str(_SECONDS)
        try:
            seconds = float(text)
        except ValueError:
            raise UsageError(f"{SECONDS_VARIABLE} is not a number", seen=text, expected="seconds") from None
        return cls(Path(directory), work(), seconds)

    @property
    def due(self) -> bool:
        """Whether it is time for the next one."""
        return self._clock() - self._last >= self._seconds

    def newest(self) -> Checkpoint | None:
        """The last whole checkpoint of this work; None when there is none.

        Torn ones and those of other work are passed over, and said.
        """
        self._tell_others()
        for position, manifest in sorted(self._manifests(), reverse=True):
            try:
                found = self._read(manifest)
            except (OSError, ValueError, KeyError, TypeError) as error:
                self._say(f"checkpoint {position} is not whole and is ignored: {error}")
            else:
                self._say(f"resuming from the checkpoint after step {position}")
                return found
        return None

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint and drop all but the last two; a disk that does not take it is no failure, but is said."""
        began = self._clock()
        try:
            self._write(checkpoint)
            self._prune(checkpoint.position)
        except OSError as error:
            self._say(f"checkpoint {checkpoint.position} could not be written: {error}")
        self._last = self._clock()
        self._seconds = max(self._seconds, _SHARE * (self._last - began))

    def _write(self, checkpoint: Checkpoint) -> None:
        from safetensors.numpy import save_file

        name = f"state-{checkpoint.position:010d}"
        data = self._folder / f"{name}.safetensors"
        with self._replacing(data) as hidden:
            save_file(checkpoint.tensors, hidden)
            told = {"size": hidden.stat().st_size, "sha256": sha256_of(hidden)}
        manifest = {
            "work": self._work, "position": checkpoint.position, "facts": checkpoint.facts, "data": data.name, **told,
        }  # fmt: skip
        with self._replacing(self._folder / f"{name}.json") as hidden:
            hidden.write_text(json.dumps(manifest, sort_keys=True))

    @contextlib.contextmanager
    def _replacing(self, target: Path) -> Iterator[Path]:
        hidden = target.with_name(f"{_HIDDEN}{target.name}")
        try:
            yield hidden
            _sync(hidden)
            os.replace(hidden, target)
        finally:
            hidden.unlink(missing_ok=True)
        _sync(target.parent)

    def _prune(self, position: int) -> None:
        """Drop all but the last two, and what lies beyond `position`: a torn one that was passed over."""
        known = sorted((found for found, _ in self._manifests() if found <= position), reverse=True)[:_KEPT]
        kept = {f"state-{number:010d}" for number in known}
        for item in sorted(self._folder.glob("state-*")):  # .json comes before .safetensors
            if item.stem not in kept:
                item.unlink(missing_ok=True)

    def _read(self, manifest: Path) -> Checkpoint:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        told = json.loads(manifest.read_text())
        if told["work"] != self._work:
            raise ValueError(f"it is of other work, which differs in {_differences(told['work'], self._work)}")
        data = manifest.with_name(str(told["data"]).rpartition("/")[2])
        if data.stat().st_size != told["size"] or sha256_of(data) != told["sha256"]:
            raise ValueError(f"{data.name} is not what {manifest.name} says")
        try:
            return Checkpoint(int(told["position"]), dict(told["facts"]), load_file(data))
        except SafetensorError as error:
            raise ValueError(str(error)) from error

    def _manifests(self) -> Iterator[tuple[int, Path]]:
        for path in self._folder.glob("state-*.json"):
            if (number := path.stem.removeprefix("state-")).isdigit():
                yield int(number), path

    def _tell_others(self) -> None:
        for folder in sorted(self._root.iterdir()):
            manifests = sorted(folder.glob("state-*.json")) if folder.is_dir() and folder != self._folder else []
            if not manifests:
                continue
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
                differs = _differences(json.loads(manifests[-1].read_text())["work"], self._work)
                self._say(f"checkpoints in {folder.name} are of other work, which differs in {differs}: ignored")


def _print(line: str) -> None:
    print(line, flush=True)


def _differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    names = sorted(name for name in {*one, *other} if one.get(name) != other.get(name))
    return ", ".join(names) or "nothing"


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
