"""What a process tree uses of the machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from intermodal.tracking import system_metrics
from intermodal.tracking.system_metrics import ProcessTree, usage_of

BUSY = """
import subprocess, sys, time
work = "block = bytearray(60_000_000); print('ready', flush=True)\\nwhile True: pass"
child = subprocess.Popen([sys.executable, "-c", work])
child.wait()
"""


def test_descendants_count() -> None:
    busy = subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert busy.stdout is not None
        assert busy.stdout.readline() == b"ready\n"
        before = after = usage_of(busy.pid)
        deadline = time.monotonic() + 60
        while before and after and after.cpu == before.cpu and time.monotonic() < deadline:
            time.sleep(0.05)
            after = usage_of(busy.pid)
        assert before and after
        assert after.processes == 2
        assert after.memory > 60_000_000
        assert after.cpu > before.cpu
    finally:
        os.killpg(busy.pid, 9)
        busy.wait()
    assert usage_of(busy.pid) is None


def test_a_zombie_uses_nothing() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    while usage_of(ended.pid) is not None:
        time.sleep(0.01)
    ended.wait()


def test_samples_come_in_batches_and_the_rest_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_metrics, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(system_metrics, "LAST_SECONDS", 0.0)
    tree = ProcessTree(os.getpid())
    for _ in range(5):
        time.sleep(0.002)
        tree.sample_if_due()
    assert tree.take() == []
    points = tree.take(everything=True)
    assert {name for name, *_ in points} == {
        "system/cpu_utilization_percentage",
        "system/memory_usage_megabytes",
        "system/disk_read_megabytes",
        "system/disk_write_megabytes",
        "system/processes",
    }
    assert sorted({step for _, _, step, _ in points}) == [0, 1, 2, 3, 4]
    assert all(value >= 0 for _, value, _, _ in points)
    while len(points := tree.take()) == 0:
        time.sleep(0.002)
        tree.sample_if_due()
    assert len(points) >= system_metrics.BATCH


def test_samples_become_rarer(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(system_metrics.time, "monotonic", lambda: clock[0])
    tree, taken = ProcessTree(os.getpid()), []
    for _ in range(600):
        clock[0] += 0.25
        tree.sample_if_due()
        taken.append(len(tree.take(everything=True)) > 0)
    assert 8 <= sum(taken[:60]) <= 20  # the first 15 s
    assert sum(taken[300:600]) == 300 * 0.25 // 5  # then one every 5 s


def test_a_process_that_is_gone_gives_no_samples() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    tree = ProcessTree(gone.pid)
    tree.sample_if_due()
    assert tree.take(everything=True) == []
