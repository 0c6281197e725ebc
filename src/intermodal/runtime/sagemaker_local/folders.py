"""Executes with folders in place of images: in private namespaces or, without the right to make them, as processes.

A plain process has no /opt/ml of its own: it finds the folder that stands for it in the variable
`SM_LOCAL_PREFIX`, which AWS's training toolkit is told by `SAGEMAKER_BASE_DIR` as well. Words of the
command and values of variables that begin with a mounted path are rewritten.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from intermodal.core.hosts import free_port
from intermodal.runtime.reaper import Reaper
from intermodal.runtime.sagemaker_local.executing import Execution, Executor, Running
from intermodal.runtime.sagemaker_local.images import ImageFolder
from intermodal.runtime.sagemaker_local.namespaces import catches, child_of, namespace_command, network_alone
from intermodal.runtime.sagemaker_local.operations import ApiError

if TYPE_CHECKING:
    from intermodal.runtime.sagemaker_local.service import Service

PREFIX_VARIABLE = "SM_LOCAL_PREFIX"
_SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class FolderExecutor(Executor):
    """Runs programs of folders that stand for images.

    Args:
        service: The service.
        private: Whether each runs in namespaces of its own.
    """

    def __init__(self, service: Service, *, private: bool) -> None:
        self.name = "namespaces" if private else "processes"
        self._service, self._private = service, private
        self._reaper = Reaper()
        self._networks: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()

    def require(self, image: str) -> None:
        """See `Executor.require`."""
        self._found(image)

    def start(self, execution: Execution) -> Running:
        """See `Executor.start`."""
        found = self._found(execution.image)
        port = free_port() if execution.port else 0
        environment = self._environment(execution, found, port)
        command = [*(execution.command or found.entry_point), *execution.arguments]
        if self._private:
            hosts = _hosts_file(self._service.home / "hosts", execution)
            words = namespace_command(
                command,
                mounts=execution.mounts,
                hostname=execution.hostname,
                hosts_file=hosts,
                directory=execution.directory or "/",
                network=execution.network,
                joined=self._joined(execution),
            )
            environment |= {} if execution.network else {"ISOLATED": "1"}
            return self._run(words, environment, None, port)
        words, environment = _rewritten(command, environment, execution)
        directory = _mapped(execution.directory, execution.mounts) or None
        return self._run(words, environment, directory, port)

    def close(self) -> None:
        """See `Executor.close`."""
        self._reaper.close()
        for process in self._networks.values():
            process.kill()
            process.wait()

    def _joined(self, execution: Execution) -> int:
        """The process that holds the network of an isolated job's hosts; 0 where each is alone, or none is.

        It is kept until the service ends: an interrupted job's hosts come again.
        """
        if execution.network or len(execution.hosts) == 1 or os.geteuid() != 0:
            return 0  # without root, nobody may join a network that is not its own
        with self._lock:
            if execution.label not in self._networks:
                self._networks[execution.label] = network_alone()
                self._reaper.started(self._networks[execution.label].pid)
            return self._networks[execution.label].pid

    def _found(self, image: str) -> ImageFolder:
        found = self._service.images.find(image)
        if found is None:
            raise ApiError(
                "ValidationException",
                f"Image {image} is not on this machine. Start the service with --image {image}=FOLDER, whose bin/ "
                "holds the image's programs, or start a container engine that has the image",
            )
        return found

    def _environment(self, execution: Execution, found: ImageFolder, port: int) -> dict[str, str]:
        home = self._service.home / "user"
        home.mkdir(exist_ok=True)
        reach = self._service.environment(execution.label)
        if not execution.network:
            reach = {name: value for name, value in reach.items() if name.endswith("REGION")}
        # It shares this machine's network: our own server then listens on loopback alone.
        served = {"SAGEMAKER_BIND_TO_PORT": str(port), "INTERMODAL_SERVE_HOST": "127.0.0.1"} if port else {}
        path = os.pathsep.join([*map(str, found.path), _SYSTEM])
        fixed = {"PATH": path, "HOME": str(home), "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}
        return {**fixed, **reach, **found.environment, **execution.environment, **served}

    def _run(self, words: list[str], environment: dict[str, str], directory: str | None, port: int) -> Running:
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=directory,
                start_new_session=True,
            )
        except (FileNotFoundError, PermissionError) as error:
            raise ApiError("ValidationException", f"unable to start the container process: {error}") from error
        self._reaper.started(process.pid)
        return _Process(process, self._reaper, f"127.0.0.1:{port}" if port else "", private=self._private)


class _Process(Running):
    """A process group of this machine, with or without namespaces of its own."""

    def __init__(self, process: subprocess.Popen[bytes], reaper: Reaper, address: str, *, private: bool) -> None:
        self._process, self._reaper, self.address, self._private = process, reaper, address, private
        self._lock, self._over = threading.Lock(), False

    def lines(self) -> Iterator[str]:
        """See `Running.lines`."""
        assert self._process.stdout is not None
        # A progress bar rewrites its line with "\r": that is one line.
        text = io.TextIOWrapper(self._process.stdout, encoding="utf-8", errors="replace", newline="\n")
        for line in text:
            yield line.rstrip("\r\n")

    def poll(self) -> int | None:
        """See `Running.poll`."""
        return self._ended(self._process.poll())

    def wait(self, seconds: float | None = None) -> int | None:
        """See `Running.wait`."""
        try:
            return self._ended(self._process.wait(seconds))
        except subprocess.TimeoutExpired:
            return None

    def signal(self, number: int) -> bool:
        """See `Running.signal`."""
        if self._process.poll() is not None:
            return True
        with contextlib.suppress(ProcessLookupError):
            if number == signal.SIGKILL:
                os.killpg(self._process.pid, number)
            elif self._private:
                return self._signal_inside(number)
            else:
                os.kill(self._process.pid, number)
        return True

    def _signal_inside(self, number: int) -> bool:
        """`unshare` passes no signal on, so its child is told; a child without a handler would not hear it."""
        child = child_of(self._process.pid)
        if child is None or not catches(child, number):
            return False
        os.kill(child, number)
        return True

    def _ended(self, code: int | None) -> int | None:
        """Its code as a container engine tells it: 128 and the signal; what it has started ends with it."""
        if code is None:
            return None
        with self._lock:
            first, self._over = not self._over, True
        if first:  # later its number may be another's
            self._end_group()
        return 128 - code if code < 0 else code

    def _end_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._reaper.ended(self._process.pid)


def host_address(index: int) -> str:
    """The address of the job's host with that index: all of 127/8 is this machine, and each host has its own."""
    return f"127.0.{1 + (index + 1) // 250}.{1 + (index + 1) % 250}"


def _hosts_file(folder: Path, execution: Execution) -> Path:
    lines = ["127.0.0.1 localhost", *(f"{host_address(at)} {name}" for at, name in enumerate(execution.hosts))]
    if execution.hostname not in execution.hosts:
        lines.append(f"127.0.0.1 {execution.hostname}")
    folder.mkdir(exist_ok=True)
    path = folder / "-".join((execution.hostname, str(len(execution.hosts))))
    if not path.exists():
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False) as stream:
            stream.write("\n".join(lines) + "\n")
        Path(stream.name).chmod(0o644)
        os.replace(stream.name, path)
    return path


def _rewritten(
    command: list[str], environment: dict[str, str], execution: Execution
) -> tuple[list[str], dict[str, str]]:
    mounts = execution.mounts
    own = mounts.get("/opt/ml")
    told = {PREFIX_VARIABLE: str(own), "SAGEMAKER_BASE_DIR": str(own)} if own is not None else {}
    values = {name: _mapped(value, mounts) for name, value in environment.items() if name != "PATH"}
    return [_mapped(word, mounts) for word in command], {"PATH": environment["PATH"], **told, **values}


def _mapped(text: str, mounts: dict[str, Path]) -> str:
    for place, folder in sorted(mounts.items(), reverse=True):
        if text == place or text.startswith(f"{place}/"):
            return f"{folder}{text[len(place) :]}"
    return text
