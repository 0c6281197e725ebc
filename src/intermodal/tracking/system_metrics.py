"""What a task's processes use of the machine, under the names MLflow's "System metrics" page shows."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

FIRST_SECONDS = 0.5  # between samples at first, so that a short task has some
LAST_SECONDS = 5.0
BATCH = 60  # points sent in one request
_MEGABYTE = 1e6


class Usage(NamedTuple):
    """Totals over a process and its descendants.

    Attributes:
        cpu: CPU seconds so far, those of children that ended included.
        memory: Resident bytes; pages that processes share count once for each.
        read: Bytes read from disk so far.
        written: Bytes written to disk so far.
        processes: How many they are.
    """

    cpu: float
    memory: int
    read: int
    written: int
    processes: int


def usage_of(pid: int) -> Usage | None:
    """Usage of a process and its descendants; None when the process is gone."""
    import psutil

    try:
        root = psutil.Process(pid)
        if root.status() == psutil.STATUS_ZOMBIE:
            return None
        rows = [row for process in (root, *root.children(recursive=True)) if (row := _row(process))]
    except psutil.Error:
        return None
    return Usage(*(sum(column) for column in zip(*rows, strict=True))) if rows else None


class ProcessTree:
    """Samples one task's process tree, ever less often, and hands the points out in batches.

    Args:
        pid: The task's process.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._interval = FIRST_SECONDS
        self._points: list[tuple[str, float, int, int]] = []
        self._step = 0
        self._last = usage_of(pid)
        self._at = time.monotonic()

    def sample_if_due(self) -> None:
        """Take a sample if the last one is old enough and the process is still there."""
        now = time.monotonic()
        if self._last is None or now - self._at < self._interval:
            return
        before, elapsed = self._last, now - self._at
        self._last, self._at = usage_of(self._pid), now
        self._interval = min(self._interval * 1.3, LAST_SECONDS)
        if self._last:
            self._add(self._last, max(0.0, self._last.cpu - before.cpu) / elapsed)

    def take(self, everything: bool = False) -> list[tuple[str, float, int, int]]:
        """Points (name, value, step, epoch milliseconds) once there is a batch of them.

        Args:
            everything: Also less than a batch.
        """
        if len(self._points) < (1 if everything else BATCH):
            return []
        points, self._points = self._points, []
        return points

    def _add(self, usage: Usage, cores: float) -> None:
        values = {
            "system/cpu_utilization_percentage": 100 * cores,  # of one core
            "system/memory_usage_megabytes": usage.memory / _MEGABYTE,
            "system/disk_read_megabytes": usage.read / _MEGABYTE,
            "system/disk_write_megabytes": usage.written / _MEGABYTE,
            "system/processes": usage.processes,
        }
        now = int(time.time() * 1000)
        self._points += [(name, float(value), self._step, now) for name, value in values.items()]
        self._step += 1


def _row(process: Any) -> tuple[float, int, int, int, int] | None:
    import psutil

    try:
        with process.oneshot():
            cpu = process.cpu_times()
            memory = process.memory_info().rss
            disk = process.io_counters() if hasattr(process, "io_counters") else None
    except psutil.Error:  # it ended in between, or is another user's
        return None
    seconds = cpu.user + cpu.system + cpu.children_user + cpu.children_system
    return seconds, memory, getattr(disk, "read_bytes", 0), getattr(disk, "write_bytes", 0), 1
