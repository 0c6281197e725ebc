"""Pipe mode: each epoch of a channel is a named pipe, CHANNEL_0, CHANNEL_1, …, fed from S3 while it is read."""

from __future__ import annotations

import errno
import gzip
import json
import os
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from intermodal.runtime.sagemaker_local.channels import Item
from intermodal.runtime.sagemaker_local.operations import ApiError
from intermodal.runtime.sagemaker_local.transfer import split_uri

_MAGIC = 0xCED7230A
_CHUNK = 1 << 20
_POLL_SECONDS = 0.02
Content = Callable[[int], Iterator[bytes]]  # epoch → chunks


@dataclass
class PipeFeed:
    """Feeds one channel of one host until it is closed.

    Attributes:
        path: The channel's path without the epoch's number.
        content: What an epoch consists of.
    """

    path: Path
    content: Content
    _stop: threading.Event = field(default_factory=threading.Event)

    def start(self) -> PipeFeed:
        """Make the first pipe and begin."""
        self._make(0)
        self._thread = threading.Thread(target=self._go, daemon=True)
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop feeding."""
        self._stop.set()
        self._thread.join(5)

    def _go(self) -> None:
        epoch = 0
        while not self._stop.is_set():
            stream = self._opened(epoch)
            if stream is None:
                return
            self._make(epoch + 1)  # before the reader sees the end of this one and looks for the next
            with suppress(BrokenPipeError), os.fdopen(stream, "wb") as writer:
                for chunk in self.content(epoch):
                    writer.write(chunk)
            self._name(epoch).unlink(missing_ok=True)
            epoch += 1

    def _opened(self, epoch: int) -> int | None:
        """The pipe, opened for writing as soon as somebody reads; None when that never comes."""
        while not self._stop.is_set():
            try:
                stream = os.open(self._name(epoch), os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    return None
                time.sleep(_POLL_SECONDS)
                continue
            os.set_blocking(stream, True)
            return stream
        return None

    def _make(self, epoch: int) -> None:
        path = self._name(epoch)
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError, FileNotFoundError):
            os.mkfifo(path)
            path.chmod(0o666)

    def _name(self, epoch: int) -> Path:
        return self.path.with_name(f"{self.path.name}_{epoch}")


def object_content(s3: Any, items: list[Item], *, gzipped: bool, recordio: bool) -> Iterator[bytes]:
    """The objects one after the other; unpacked, or each as one record, when asked."""
    for item in items:
        body = s3.get_object(Bucket=item.bucket, Key=item.key)["Body"]
        if gzipped or recordio:
            data = gzip.decompress(body.read()) if gzipped else body.read()
            yield record(data) if recordio else data
        else:
            yield from body.iter_chunks(_CHUNK)


def manifest_content(s3: Any, uri: str, attributes: list[str], *, recordio: bool) -> Iterator[bytes]:
    """The attributes of an augmented manifest's lines; those whose names end with -ref name objects.

    Args:
        s3: A client.
        uri: The manifest: a JSON object a line.
        attributes: Which, in the order in which they are sent.
        recordio: Whether each is sent as a record.

    Raises:
        ApiError: A line lacks an attribute.
    """
    bucket, key = split_uri(uri)
    for line in s3.get_object(Bucket=bucket, Key=key)["Body"].iter_lines():
        document = json.loads(line)
        for name in attributes:
            if name not in document:
                raise ApiError("ValidationException", f"a line of {uri} has no attribute {name}")
            data = _attribute(s3, name, document[name])
            yield record(data) if recordio else data


def record(data: bytes) -> bytes:
    """One record of RecordIO: magic number, length, data, zeros up to a multiple of 4."""
    return struct.pack("<II", _MAGIC, len(data)) + data + b"\0" * (-len(data) % 4)


def _attribute(s3: Any, name: str, value: Any) -> bytes:
    if name.endswith("-ref"):
        bucket, key = split_uri(str(value))
        return bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    return (value if isinstance(value, str) else json.dumps(value)).encode()
