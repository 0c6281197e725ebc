"""Executions: a program of an image with folders where it expects them; where it runs is an `Executor`'s affair."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from intermodal.runtime.sagemaker_local.service import Service

ENGINES = ("auto", "containers", "namespaces", "processes")


@dataclass(frozen=True)
class Execution:
    """One program to be run as SageMaker would run it.

    Attributes:
        image: Image reference.
        label: ARN or name of what it is run for; containers carry it.
        command: Words; empty for the image's own entry point.
        arguments: Words after them.
        environment: Variables; those of the image and the service's address come on top.
        mounts: Path in the container → folder of this machine.
        hostname: Its name, such as "algo-1".
        hosts: All host names of the job, its own among them.
        directory: Working directory where a folder stands for the image; a real one has its own.
        network: Whether it may reach anything beside itself.
        port: Port on which it serves, as it sees it; 0 for none.
    """

    image: str
    label: str
    command: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    mounts: dict[str, Path] = field(default_factory=dict)
    hostname: str = "algo-1"
    hosts: tuple[str, ...] = ("algo-1",)
    directory: str = ""
    network: bool = True
    port: int = 0


class Running(ABC):
    """A started execution."""

    address: str = ""  # "127.0.0.1:PORT" where it serves, when it was given a port

    @abstractmethod
    def lines(self) -> Iterator[str]:
        """What it prints, line by line, to its end; may be asked once."""

    @abstractmethod
    def poll(self) -> int | None:
        """Its exit code; None while it runs."""

    @abstractmethod
    def wait(self, seconds: float | None = None) -> int | None:
        """Wait for its end, at most so long; its exit code, or None."""

    @abstractmethod
    def signal(self, number: int) -> bool:
        """Send it a signal; nothing happens when it has ended.

        Returns:
            Whether it was sent. It is not while the program has no handler for it and would, being process
            1, never hear of it: ask again.
        """

    def kill(self) -> None:
        """End it, and whatever it has started."""
        import signal

        self.signal(signal.SIGKILL)


class Executor(ABC):
    """Where executions run.

    Attributes:
        name: "containers", "namespaces" or "processes".
        network: Name of the network interface over which hosts of a job reach one another.
    """

    name: str
    network: str = "lo"

    @abstractmethod
    def start(self, execution: Execution) -> Running:
        """Start one.

        Raises:
            ApiError: It cannot be started: its image is not there.
        """

    @abstractmethod
    def require(self, image: str) -> None:
        """Refuse an image that cannot be run.

        Raises:
            ApiError: ValidationException, with what to do about it.
        """

    def sweep(self) -> None:  # noqa: B027  most leave nothing behind
        """End what an earlier service of the same home has left running."""

    def close(self) -> None:  # noqa: B027  most need not
        """End everything."""


def choose_executor(service: Service, engine: str) -> Executor:
    """The executor for this machine.

    Args:
        service: The service.
        engine: "auto", "containers", "namespaces" or "processes".

    Raises:
        RuntimeFailed: The engine that was asked for is not here.
    """
    from intermodal.errors import RuntimeFailed
    from intermodal.runtime.sagemaker_local.folders import FolderExecutor
    from intermodal.runtime.sagemaker_local.namespaces import namespaces_work

    spaces = engine in ("auto", "containers", "namespaces") and namespaces_work()
    if engine == "namespaces" and not spaces:
        raise RuntimeFailed(
            "this machine lets nobody make namespaces",
            expected="root, or user namespaces (unshare --user --mount)",
            next_step="--engine processes",
        )
    folders = FolderExecutor(service, private=spaces)
    if engine in ("namespaces", "processes"):
        return folders
    from intermodal.runtime.sagemaker_local.containers import ContainerExecutor

    containers = ContainerExecutor.connect(service, folders)
    if containers is None and engine == "containers":
        raise RuntimeFailed("no container engine answers", next_step="start Docker, set DOCKER_HOST, or --engine auto")
    return containers or folders
