"""Names for the private directories of one attempt, so that the remains of a killed one can be told."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import time
import uuid
from pathlib import Path

CONTAINER_VARIABLE = "INTERMODAL_CONTAINER"
_ONE_DAY = 86_400.0


def attempt_name() -> str:
    """A name that no other attempt has; it starts with the process's number and the machine's mark.

    Inside a container process numbers mean nothing to the host, so the name says so instead.
    """
    owner = "container" if os.environ.get(CONTAINER_VARIABLE) else str(os.getpid())
    return f"{owner}-{machine_mark()}-{uuid.uuid4().hex[:12]}"


def machine_mark() -> str:
    """Six digits that tell machines which share a directory apart."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:6]


def remove_abandoned(root: Path) -> list[str]:
    """Remove the directories of attempts whose process is gone.

    Of another machine's attempts, and of containers', nothing is known: they go when a day has passed.

    Args:
        root: The directory that holds them; absent is fine.

    Returns:
        Names of what was removed.
    """
    gone = [item for item in root.iterdir() if _is_abandoned(item)] if root.is_dir() else []
    for item in gone:
        shutil.rmtree(item, ignore_errors=True)
    return [item.name for item in gone]


def process_alive(number: int, started: str = "") -> bool:
    """Whether a process with this number runs on this machine and is no zombie.

    Args:
        number: The number; one that is a mere thread's is no process'.
        started: What `process_start` said of it when it ran for certain, so that a later process with the same
            number is not taken for it; empty when nobody noted that.
    """
    try:
        status = Path(f"/proc/{number}/status").read_text()
    except OSError:
        there = _answers(number)
    else:
        facts = dict(line.partition(":")[::2] for line in status.splitlines())
        there = int(facts["Tgid"]) == number and facts["State"].split()[0] != "Z"
    return there and (not started or process_start(number) in (started, ""))  # nothing is said of others' processes


def process_start(number: int) -> str:
    """When a process started, on a clock that nobody sets; empty when it is gone.

    Args:
        number: Its number.
    """
    if Path("/proc/self/stat").exists():
        try:
            return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[19]  # ticks since the boot
        except (OSError, IndexError):
            return ""
    import psutil

    try:
        return str(psutil.Process(number).create_time())
    except psutil.Error:
        return ""


def _answers(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_abandoned(item: Path) -> bool:
    owner, machine, *_ = (*item.name.split("-"), "")
    if owner.isdigit() and machine == machine_mark():
        return not process_alive(int(owner))
    try:
        return time.time() - item.stat().st_mtime > _ONE_DAY
    except OSError:
        return False
