"""A task that several hosts of one job work on: the first publishes, the others do their share and end after it.

The first host tells the others, over a connection that each of them opens, whether there is anything to do at all
(a result may be remembered already) and how it ended.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

from intermodal.core.hosts import hosts_here
from intermodal.errors import IntermodalError, Interrupted, RuntimeFailed, StepFailed
from intermodal.runtime.failure import failure_of
from intermodal.runtime.outcome import CACHED, CANCELLED, FAILED, SUCCEEDED, Outcome
from intermodal.runtime.sagemaker.cluster import Cluster
from intermodal.runtime.task import Task, look_up, run_share, run_task

FIRST_WORD_SECONDS = 3600.0  # the first host may fetch its inputs for long
LAST_WORD_SECONDS = 3600.0  # and publish for long
LATE_SECONDS, FAILED_SECONDS = 900.0, 30.0  # hosts start at different times
_AGAIN_SECONDS = 0.5
_RUN, _ENDED = "run", "ended"


def run_with_others(task: Task) -> Outcome:
    """Run a task on this host, together with the job's other hosts where there are any.

    Args:
        task: The task.

    Returns:
        How it ended; on all hosts but the first, without outputs. No error escapes.
    """
    try:
        cluster = Cluster(hosts_here())
        if not cluster.several_hosts:
            return run_task(task)
        return _as_first(task, cluster) if cluster.hosts.is_first else _as_member(task, cluster)
    except (IntermodalError, KeyboardInterrupt) as raised:
        error = failure_of(raised, task.context.task)
        return Outcome(CANCELLED if isinstance(error, Interrupted) else FAILED, error=error.to_json())


def _as_first(task: Task, cluster: Cluster) -> Outcome:
    with _announcing(cluster) as announcement:
        if not _is_remembered(task):
            announcement.tell({"word": _RUN})
        outcome = run_task(task)
        announcement.tell({"word": _ENDED, "state": outcome.state, "error": outcome.error})
        # A host that comes late must find somebody to tell it; SageMaker itself ends the others after a failure.
        announcement.wait_for(len(cluster.hosts.names) - 1, FAILED_SECONDS if outcome.error else LATE_SECONDS)
    return outcome


def _is_remembered(task: Task) -> bool:
    try:
        return look_up(task)[1] is not None
    except IntermodalError:  # the task itself will say what is wrong
        return False


def _as_member(task: Task, cluster: Cluster) -> Outcome:
    with _listening(cluster) as words:
        word = _next(words, FIRST_WORD_SECONDS)
        if word["word"] == _RUN:
            mine = run_share(task)
            if mine.error:
                return mine
            word = _next(words, LAST_WORD_SECONDS)
    if word["state"] in (SUCCEEDED, CACHED):
        return Outcome(SUCCEEDED, "the first host has published")
    return Outcome(str(word["state"]), error=dict(word["error"]))


class _Announcement:
    """What the first host has said so far, for those who listen and those who come later."""

    def __init__(self, server: socket.socket) -> None:
        self._server, self._said, self._lock = server, list[bytes](), threading.Condition()
        self._listeners: list[socket.socket] = []
        threading.Thread(target=self._welcome, daemon=True).start()

    def tell(self, word: dict[str, Any]) -> None:
        line = json.dumps(word).encode() + b"\n"
        with self._lock:
            self._said.append(line)
            for listener in self._listeners:
                with contextlib.suppress(OSError):  # who is gone need not hear it
                    listener.sendall(line)

    def wait_for(self, count: int, seconds: float) -> None:
        """Wait until so many have come to listen."""
        with self._lock:
            self._lock.wait_for(lambda: len(self._listeners) >= count, seconds)

    def close(self) -> None:
        self._server.close()
        for listener in self._listeners:
            listener.close()

    def _welcome(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                listener, _ = self._server.accept()
                with self._lock:
                    with contextlib.suppress(OSError):
                        listener.sendall(b"".join(self._said))
                    self._listeners.append(listener)
                    self._lock.notify_all()


@contextlib.contextmanager
def _announcing(cluster: Cluster) -> Iterator[_Announcement]:
    host = cluster.hosts.names[0]
    try:
        server = socket.create_server((host, cluster.port + 1))
    except OSError as error:
        raise RuntimeFailed(
            "the job's other hosts cannot be told", seen=error, expected=f"an address {host}"
        ) from error
    announcement = _Announcement(server)
    try:
        yield announcement
    finally:
        announcement.close()


@contextlib.contextmanager
def _listening(cluster: Cluster) -> Iterator[Any]:
    """Lines of the first host, once it answers."""
    address, deadline = (cluster.hosts.names[0], cluster.port + 1), time.monotonic() + FIRST_WORD_SECONDS
    while True:
        try:
            connection = socket.create_connection(address, timeout=10)
            break
        except OSError as error:
            if time.monotonic() > deadline:
                expected = f"an answer within {FIRST_WORD_SECONDS:.0f} s"
                raise RuntimeFailed("the job's first host does not answer", seen=error, expected=expected) from error
            time.sleep(_AGAIN_SECONDS)
    with connection, connection.makefile("rb") as lines:
        yield connection, lines


def _next(words: Any, seconds: float) -> dict[str, Any]:
    connection, lines = words
    connection.settimeout(seconds)
    try:
        line = lines.readline()
    except OSError as error:
        expected = f"a word within {seconds:.0f} s"
        raise RuntimeFailed("the job's first host says nothing", seen=error, expected=expected) from error
    if not line:
        raise StepFailed("the job's first host has ended without saying how", next_step="read its log")
    return dict(json.loads(line))
