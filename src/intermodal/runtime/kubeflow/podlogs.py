"""Pods' logs copied into the run's folder: every byte once, in order, whoever copies and however often it is killed.

A task's log is the logs of its pods one after the other. `pods.json` beside it says where in it each pod
begins; how much of a pod is there already is what follows, so nothing needs to be remembered.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from intermodal.runtime.kubeflow.patience import Lost, Refused
from intermodal.runtime.kubeflow.tasks import SeenTask
from intermodal.runtime.outcome import write_atomically
from intermodal.runtime.tail import Tail

# (pod, when it was made) → all that it has printed so far; None when there is nothing to be had
Fetch = Callable[[str, str], bytes | None]


class PodLogs:
    """Copies the logs of one run.

    Args:
        folder: The run's folder.
        fetches: Ways to a pod's log; one that refuses is not asked again, and the next one is.
        say: Told each new line, with its task's name.
        warn: Told once when there is no way left.
    """

    def __init__(
        self, folder: Path, fetches: list[Fetch], say: Callable[[str, str], None], warn: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._fetches = list(fetches)
        self._say = say
        self._warn = warn
        self._tails: dict[str, Tail] = {}

    def copy(self, seen: SeenTask, *, last: bool = False) -> bool:
        """Copy what a task's pods have printed since the last time.

        Args:
            seen: The task, as the server shows it.
            last: Nothing more will come: an unfinished line is told too.

        Returns:
            Whether every pod's log was to be had; if not, asking again is worth while.
        """
        path = self._folder / "tasks" / seen.name / "log.txt"
        tail = self._tails.get(seen.name) or self._begun(seen.name, path)
        lost = False
        for pod in seen.pods:
            try:
                content = self._fetch(pod, seen.created)
            except Lost:
                lost = True
                break  # a later attempt's log comes after this one's
            if content is not None:
                _append(path, pod, content)
        for line in tail.lines(last=last and not lost):
            self._say(seen.name, line)
        return not lost

    def _begun(self, name: str, path: Path) -> Tail:
        """The reader of a log; what an earlier follower has shown is not shown again."""
        tail = self._tails[name] = Tail(path)
        tail.lines()
        return tail

    def _fetch(self, pod: str, created: str) -> bytes | None:
        while self._fetches:
            try:
                return self._fetches[0](pod, created)
            except Refused as refused:
                del self._fetches[0]
                if not self._fetches:
                    self._warn(f"pods' logs cannot be read: {refused.headline} ({refused.seen})")
        return None


def _append(path: Path, pod: str, content: bytes) -> None:
    """Add what is new of a pod's log to its task's log; one follower at a time, should there be two."""
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(".log.lock")):
        _append_alone(path, pod, content)


def _append_alone(path: Path, pod: str, content: bytes) -> None:
    beginnings = _beginnings(path)
    size = path.stat().st_size if path.is_file() else 0
    if pod not in beginnings:
        beginnings[pod] = size
        write_atomically(path.with_name("pods.json"), json.dumps(beginnings))
    later = [start for start in beginnings.values() if start > beginnings[pod]]
    had = _between(path, beginnings[pod], min(later, default=size))
    if not content.startswith(had) and not had.startswith(content):
        # A repeated run's pods have the names of those before them.
        beginnings[pod] = size
        write_atomically(path.with_name("pods.json"), json.dumps(beginnings))
        later, had = [], b""
    if later or len(content) <= len(had):  # an earlier attempt's log is whole once the next one has begun
        return
    with path.open("ab") as stream:
        stream.write(content[len(had) :])


def _between(path: Path, start: int, end: int) -> bytes:
    if start == end:
        return b""
    with path.open("rb") as stream:
        stream.seek(start)
        return stream.read(end - start)


def _beginnings(path: Path) -> dict[str, int]:
    try:
        return dict(json.loads(path.with_name("pods.json").read_text()))
    except (OSError, ValueError):
        return {}
