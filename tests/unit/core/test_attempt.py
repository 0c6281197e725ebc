"""The remains of a killed attempt are told from the work of a living one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from intermodal.core import attempt
from intermodal.core.attempt import (
    CONTAINER_VARIABLE,
    attempt_name,
    machine_mark,
    process_alive,
    process_start,
    remove_abandoned,
)


def name_in_a_child(tmp_path: Path) -> tuple[subprocess.Popen[str], Path]:
    """A child that made an attempt's directory, and lives."""
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom intermodal.core.attempt import attempt_name\n"
        "path = Path(sys.argv[1]) / attempt_name()\npath.mkdir()\nprint(path, flush=True)\ntime.sleep(60)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    return child, Path(child.stdout.readline().strip())


def test_names_never_repeat():
    assert len({attempt_name() for _ in range(1000)}) == 1000


def test_a_living_attempt_stays_and_a_killed_one_goes(tmp_path: Path):
    child, made = name_in_a_child(tmp_path)
    (made / "inner").mkdir()
    (made / "inner" / "file").write_text("half")
    own = tmp_path / attempt_name()
    own.mkdir()
    assert remove_abandoned(tmp_path) == []
    child.kill()
    child.wait()
    assert remove_abandoned(tmp_path) == [made.name]
    assert not made.exists()
    assert own.exists()


def test_a_zombie_counts_as_dead(tmp_path: Path):
    child, made = name_in_a_child(tmp_path)
    child.kill()
    deadline = time.monotonic() + 30
    while process_alive(child.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not process_alive(child.pid)  # not waited for: the kernel keeps its entry
    assert remove_abandoned(tmp_path) == [made.name]
    child.wait()


def test_this_process_is_alive_and_an_impossible_one_is_not():
    assert process_alive(os.getpid())
    assert process_alive(1)
    assert not process_alive(2**22 + 1)


@pytest.mark.parametrize("owner", ["container-aaaaaa-1", f"{2**22 + 1}-{'0' * 6}-1", "something-else", "plain"])
def test_what_another_machine_or_a_container_made_goes_after_a_day(tmp_path: Path, owner: str):
    path = tmp_path / owner
    path.mkdir()
    assert remove_abandoned(tmp_path) == []
    old = time.time() - 90_000
    os.utime(path, (old, old))
    assert remove_abandoned(tmp_path) == [owner]


def test_a_name_made_in_a_container_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(CONTAINER_VARIABLE, "1")
    assert attempt_name().startswith("container-")


def test_machines_have_different_marks(monkeypatch: pytest.MonkeyPatch):
    here = machine_mark()
    monkeypatch.setattr(attempt.platform, "node", lambda: "another-machine")
    assert machine_mark() != here


def test_a_folder_that_is_not_there(tmp_path: Path):
    assert remove_abandoned(tmp_path / "nowhere") == []


def test_neither_a_thread_nor_a_later_process_with_its_number_is_taken_for_a_process() -> None:
    assert process_alive(os.getpid(), process_start(os.getpid()))
    assert not process_alive(os.getpid(), "1")
    assert process_start(2**22 + 1) == ""
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert thread.native_id is not None
        os.kill(thread.native_id, 0)  # for the kernel a thread's number is as good as a process'
        assert not process_alive(thread.native_id)
    finally:
        done.set()
        thread.join()
