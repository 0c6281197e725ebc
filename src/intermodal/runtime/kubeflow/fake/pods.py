"""Pods: a task's command, run as a process of this machine or in a container."""

from __future__ import annotations

import os
import signal
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from intermodal.runtime.kubeflow.fake.launcher import Places
from intermodal.runtime.kubeflow.fake.options import FakeOptions
from intermodal.runtime.local.processes import Processes
from intermodal.runtime.reaper import Reaper

# Before the command itself: the folder it works in, and SIGKILL when the process that started it is gone,
# even by kill -9. As a program of its own because Python code between fork and exec is unsafe beside threads.
_SHIM = (
    "import ctypes, os, sys\n"
    "sys.platform.startswith('linux') and ctypes.CDLL(None).prctl(1, 9)\n"
    "os.getppid() == int(sys.argv[1]) or os._exit(137)\n"
    "os.chdir(sys.argv[2])\n"
    "os.execvp(sys.argv[3], sys.argv[3:])\n"
)
# What an image would bring along; everything else of our own environment stays outside.
_OF_THE_IMAGE = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "VIRTUAL_ENV", "SSL_CERT_FILE", "LD_LIBRARY_PATH")

Watch = Callable[[], None]


@dataclass(frozen=True)
class Pod:
    """One pod.

    Attributes:
        name: Its name.
        folder: Where its log and its answers are kept.
        image: Its image.
        command: Its command.
        environment: Its variables.
        inputs: URIs that the launcher has downloaded for it.
        outputs: URIs that it may write.
    """

    name: str
    folder: Path
    image: str
    command: list[str]
    environment: Mapping[str, str]
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    @property
    def log(self) -> Path:
        """Everything it prints."""
        return self.folder / "log.txt"


class Pods(ABC):
    """Runs pods one way."""

    def __init__(self, options: FakeOptions) -> None:
        self.options = options

    @property
    def starting(self) -> bool:
        """Whether this thread is starting a pod that would be lost if it were interrupted now."""
        return False

    @abstractmethod
    def root(self, given: str) -> str:
        """The pipeline root as pods see it, from the one a run asked for; empty for the default."""

    @abstractmethod
    def places(self, root: str, run_root: str, folder: Path) -> Places:
        """Where a pod finds things."""

    @abstractmethod
    def here(self, uri: str) -> Path:
        """Where the object behind a URI lies on this machine."""

    @abstractmethod
    def run(self, pod: Pod, watch: Watch) -> int:
        """Run a pod to its end; its exit code, negative for a signal."""

    @abstractmethod
    def kill(self, pod: Pod) -> None:
        """End a pod at once, as the loss of its node would."""

    @abstractmethod
    def terminate(self) -> None:
        """Tell all to stop, without waiting; a signal handler calls it."""

    @abstractmethod
    def stop(self) -> None:
        """Stop all, and wait until they have."""


class LocalPods(Pods):
    """Each pod is a process of this Python, and a URI is an absolute path."""

    def __init__(self, options: FakeOptions) -> None:
        super().__init__(options)
        self._processes = Processes(options.grace)
        self._reaper = Reaper()
        self._numbers: dict[str, int] = {}

    @property
    def starting(self) -> bool:
        """See `Pods.starting`."""
        return self._processes.starting

    def root(self, given: str) -> str:
        """See `Pods.root`."""
        bucket = given.partition("://")[2].strip("/") if given else "mlpipeline/v2/artifacts"
        return str(self.options.objects / bucket)

    def places(self, root: str, run_root: str, folder: Path) -> Places:
        """See `Pods.places`."""
        return Places(root, run_root, str(folder / "kfp_outputs"), folder / "kfp_outputs")

    def here(self, uri: str) -> Path:
        """See `Pods.here`."""
        return Path(uri)

    def run(self, pod: Pod, watch: Watch) -> int:
        """See `Pods.run`."""
        scratch = pod.folder / "tmp"
        scratch.mkdir(parents=True, exist_ok=True)
        own = {name: value for name in _OF_THE_IMAGE if (value := os.environ.get(name))}
        own["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), own.get("PATH", os.defpath)])
        environment = {
            **own,
            "HOME": str(scratch),
            "TMPDIR": str(scratch),
            "PYTHONUNBUFFERED": "1",
            **pod.environment,
        }
        command = [sys.executable, "-S", "-E", "-c", _SHIM, str(os.getpid()), str(scratch), *pod.command]

        def started(number: int) -> None:
            self._numbers[pod.name] = number
            self._reaper.started(number)

        code = self._processes.run(command, environment, pod.log, watch, started)
        self._reaper.ended(self._numbers.pop(pod.name))
        return code

    def kill(self, pod: Pod) -> None:
        """See `Pods.kill`."""
        with suppress(ProcessLookupError, KeyError):
            os.killpg(self._numbers[pod.name], signal.SIGKILL)

    def terminate(self) -> None:
        """See `Pods.terminate`."""
        self._processes.terminate()

    def stop(self) -> None:
        """See `Pods.stop`."""
        self._processes.stop()
