"""Folders that follow S3 while a job runs: checkpoints, continuous outputs, TensorBoard, debugger."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from intermodal.runtime.sagemaker_local.transfer import files_below, upload_folder

_SECONDS = 0.5
_TEMPORARY = (".tmp", ".temp", ".partial", ".part", ".swp", "~")
Stamp = tuple[int, int, int]  # inode, size, time of change in ns


class Sync:
    """Uploads what is new in a folder, again and again; a file is uploaded whole or not at all.

    Args:
        s3: A client.
        folder: The folder.
        uri: Where to.
        seconds: Between two looks.
    """

    def __init__(self, s3: Any, folder: Path, uri: str, seconds: float = _SECONDS) -> None:
        self._s3, self._folder, self._uri, self._seconds = s3, folder, uri, seconds
        self._seen: dict[Path, Stamp] = {}
        self._sent: dict[Path, Stamp] = _stamps(folder)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._go, daemon=True)

    def start(self) -> Sync:
        """Begin; what lies there already came from S3."""
        self._thread.start()
        return self

    def stop(self, *, last: bool = True) -> None:
        """End.

        Args:
            last: Whether what is new is uploaded first.
        """
        self._stop.set()
        self._thread.join()
        if last:
            self._send(_stamps(self._folder))

    def _go(self) -> None:
        while not self._stop.wait(self._seconds):
            try:
                self._look()
            except Exception as error:  # S3 stumbled, or a folder vanished: the next look sends it
                print(f"{self._uri} waits: {type(error).__name__}: {error}", file=sys.stderr, flush=True)

    def _look(self) -> None:
        now = _stamps(self._folder)
        # A file that has not changed since the last look is not being written.
        self._send({path: stamp for path, stamp in now.items() if self._seen.get(path) == stamp})
        self._seen = now

    def _send(self, stamps: dict[Path, Stamp]) -> None:
        for path, stamp in stamps.items():
            if self._sent.get(path) != stamp and self._upload(path, stamp):
                self._sent[path] = stamp

    def _upload(self, path: Path, stamp: Stamp) -> bool:
        """Upload from a copy, and only if the file was the same before and after copying."""
        with tempfile.TemporaryDirectory() as scratch, suppress(FileNotFoundError):
            copy = Path(scratch) / path.relative_to(self._folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
            if _stamp(path) == stamp:
                upload_folder(self._s3, Path(scratch), self._uri)
                return True
        return False


def _stamps(folder: Path) -> dict[Path, Stamp]:
    found: dict[Path, Stamp] = {}
    for path in files_below(folder):
        if not path.name.endswith(_TEMPORARY) and not path.name.startswith("."):
            with suppress(FileNotFoundError):
                found[path] = _stamp(path)
    return found


def _stamp(path: Path) -> Stamp:
    status = os.stat(path)
    return status.st_ino, status.st_size, status.st_mtime_ns
