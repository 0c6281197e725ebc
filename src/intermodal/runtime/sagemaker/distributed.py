"""Call a step's function in several processes that torchrun starts, and say clearly which of them failed and why.

The wrapper on each host resolves the inputs once; the processes read the same paths. The very first process writes
the outputs where the wrapper of its host publishes them, every other one's outputs go with its scratch folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from intermodal.core.child import bound_to_parent
from intermodal.core.step import StepSpec
from intermodal.errors import IntermodalError, Interrupted, StepFailed, from_json
from intermodal.runtime.sagemaker.cluster import Cluster

GRACE_SECONDS = 100.0  # SageMaker kills 120 seconds after it has asked
FIRST_PROCESS = "first-process"
_AGENT = "intermodal.runtime.sagemaker.agent"


def call_in_processes(spec: StepSpec, given: dict[str, Any], cluster: Cluster, folder: Path) -> None:
    """Call a step's function on local paths, once in each process.

    Args:
        spec: The step.
        given: Its ExecutorInput, artifacts and outputs at local paths; the first process of all writes these.
        cluster: The processes.
        folder: A folder for the while; made.

    Raises:
        IntermodalError: What the first failing process raised.
        StepFailed: A process was killed.
    """
    folder.mkdir(parents=True)
    settings = folder / "settings.json"
    settings.touch(mode=0o600)  # parameters may be secrets
    settings.write_text(json.dumps({"step": spec.target, "given": given, "folder": str(folder)}))
    command = [sys.executable, "-m", _AGENT, str(folder), *cluster.arguments()]
    threads = max(1, (os.cpu_count() or 1) // cluster.processes)  # torchrun would say 1, and warn
    environment = {"OMP_NUM_THREADS": str(threads), **os.environ, **cluster.environment(), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(bound_to_parent(command), env=environment, start_new_session=True)
    with _ended(process, folder / FIRST_PROCESS):
        code = process.wait()
    if code:
        raise _failure(folder, code)


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes], first: Path) -> Iterator[None]:
    """What interrupts this process reaches the others.

    Of all processes the first one is told, where it is on this host: it saves its state and ends, and torchrun then
    ends the rest. Torchrun itself would leave it 30 seconds only.
    """
    try:
        yield
    except BaseException:
        try:
            os.kill(int(first.read_text()), signal.SIGTERM)
        except (OSError, ValueError):  # not here, not started yet, or gone
            process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
        raise
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _failure(folder: Path, code: int) -> IntermodalError:
    """Why it failed: a process that was killed says nothing itself, so it counts first; then the earliest error."""
    killed = _read(folder / "killed.json")
    for rank, number in sorted((int(rank), int(number)) for rank, number in killed.items()):
        name = signal.Signals(number).name
        why = ", most often for want of memory" if number == signal.SIGKILL else ""
        return StepFailed(f"process {rank} was killed by {name}{why}", expected="all processes end by themselves")
    told = sorted((_read(path) for path in folder.glob("failure-*.json")), key=lambda one: float(one["time"]))
    for one in [*(item for item in told if item["error"]["kind"] != Interrupted.__name__), *told]:
        error = from_json(one["error"])
        error.headline = f"{error.headline} (process {one['rank']} of {one['size']})"
        return error
    return StepFailed("the processes could not be started", seen=f"torchrun ended with exit code {code}")


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError:
        return {}
