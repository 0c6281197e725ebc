"""Executes images through a container engine; a folder that stands for an image comes first, or when it is missing.

Containers of a job use this machine's network, because the service listens on loopback alone; each host of
the job has an address of its own there. With network isolation a single host has no network, and several
have a private one that leads nowhere else. What serves gets a network of its own and a published port.
"""

from __future__ import annotations

import codecs
import contextlib
import hashlib
import os
import signal
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from intermodal.runtime.reaper import Reaper
from intermodal.runtime.sagemaker_local.executing import Execution, Executor, Running
from intermodal.runtime.sagemaker_local.folders import host_address
from intermodal.runtime.sagemaker_local.images import own_name
from intermodal.runtime.sagemaker_local.namespaces import catches
from intermodal.runtime.sagemaker_local.operations import ApiError

if TYPE_CHECKING:
    from intermodal.runtime.sagemaker_local.folders import FolderExecutor
    from intermodal.runtime.sagemaker_local.service import Service

LABEL = "intermodal.sagemaker-local"
_SECONDS = 600.0  # of one call of the engine
_LAST_LINES_SECONDS = 10.0


class ContainerExecutor(Executor):
    """Runs images in containers.

    Args:
        service: The service.
        folders: Runs what the engine does not have.
        client: docker-py's client of the engine.
    """

    name = "containers"

    def __init__(self, service: Service, folders: FolderExecutor, client: Any) -> None:
        self._service, self._folders, self._client = service, folders, client
        digest = hashlib.sha256(str(service.home).encode()).hexdigest()[:16]
        self._label = f"{LABEL}={digest}"
        self._reaper = Reaper(self._label)
        self._networks = threading.Lock()

    @classmethod
    def connect(cls, service: Service, folders: FolderExecutor) -> ContainerExecutor | None:
        """The engine that answers; None when none does."""
        try:
            import docker
        except ImportError:
            return None
        try:
            client = docker.from_env(timeout=_SECONDS)
            client.ping()
        except (docker.errors.DockerException, OSError):
            return None
        return cls(service, folders, client)

    def require(self, image: str) -> None:
        """See `Executor.require`."""
        if self._service.images.mapped(image) or self._found(image) is None:
            self._folders.require(image)

    def start(self, execution: Execution) -> Running:
        """See `Executor.start`."""
        image = None if self._service.images.mapped(execution.image) else self._found(execution.image)
        if image is None:
            return self._folders.start(execution)
        import docker

        try:
            container = self._client.containers.create(image, **self._options(execution))
            container.start()
        except docker.errors.APIError as error:
            raise ApiError("ValidationException", f"unable to start the container: {error.explanation}") from error
        return _Container(container, _published(container, execution.port), local=_is_local())

    def sweep(self) -> None:
        """See `Executor.sweep`."""
        import docker

        wanted = {"label": self._label}
        with contextlib.suppress(docker.errors.APIError):
            for container in self._client.containers.list(all=True, filters=wanted):
                container.remove(force=True)
            for network in self._client.networks.list(filters=wanted):
                network.remove()

    def close(self) -> None:
        """See `Executor.close`."""
        self._folders.close()
        self.sweep()
        self._reaper.close()
        self._client.close()

    def _found(self, reference: str) -> str | None:
        """The engine's name of an image: as it was said, or one of ours without the registry."""
        import docker

        for name in dict.fromkeys((reference, own_name(reference))):
            with contextlib.suppress(docker.errors.ImageNotFound, docker.errors.APIError):
                if name:
                    self._client.images.get(name)
                    return name
        return None

    def _options(self, execution: Execution) -> dict[str, Any]:
        key, _, value = self._label.partition("=")
        reach = self._service.environment(execution.label)
        alone = not execution.network or execution.port
        if alone:  # it could not reach the service, so it needs no credentials
            reach = {name: text for name, text in reach.items() if name.endswith("REGION")}
        return {
            "entrypoint": list(execution.command) or None,
            "command": list(execution.arguments) or None,
            "environment": {**reach, **execution.environment},
            "volumes": {str(folder): {"bind": place, "mode": "rw"} for place, folder in execution.mounts.items()},
            "labels": {key: value, f"{LABEL}.for": execution.label},
            "hostname": execution.hostname,
            "security_opt": ["no-new-privileges"],
            **self._network(execution),
        }

    def _network(self, execution: Execution) -> dict[str, Any]:
        if execution.port:
            return {"ports": {f"{execution.port}/tcp": ("127.0.0.1", None)}}
        addresses = {name: host_address(index) for index, name in enumerate(execution.hosts)}
        if execution.network:
            return {"network_mode": "host", "extra_hosts": addresses}
        if len(execution.hosts) == 1:
            return {"network_mode": "none"}
        return self._private_network(execution)

    def _private_network(self, execution: Execution) -> dict[str, Any]:
        name = f"sagemaker-local-{hashlib.sha256(execution.label.encode()).hexdigest()[:12]}"
        key, _, value = self._label.partition("=")
        with self._networks:
            if not self._client.networks.list(names=[name]):
                self._client.networks.create(name, internal=True, labels={key: value})
        from docker.types import EndpointConfig

        alias = EndpointConfig(self._client.api._version, aliases=[execution.hostname])
        return {"network": name, "networking_config": {name: alias}}


class _Container(Running):
    """A container; it is removed when it has ended and been read."""

    def __init__(self, container: Any, address: str, *, local: bool) -> None:
        self._container, self.address, self._local = container, address, local
        self._code: int | None = None
        self._done, self._read = threading.Event(), threading.Event()
        self._read.set()
        threading.Thread(target=self._watch, daemon=True).start()

    def lines(self) -> Iterator[str]:
        """See `Running.lines`."""
        self._read.clear()
        try:
            decoder, rest = codecs.getincrementaldecoder("utf-8")("replace"), ""
            for chunk in self._container.logs(stream=True, follow=True):
                *whole, rest = (rest + decoder.decode(chunk)).split("\n")
                yield from (line.rstrip("\r") for line in whole)
            if rest:
                yield rest
        finally:
            self._read.set()

    def poll(self) -> int | None:
        """See `Running.poll`."""
        return self._code

    def wait(self, seconds: float | None = None) -> int | None:
        """See `Running.wait`."""
        self._done.wait(seconds)
        return self._code

    def signal(self, number: int) -> bool:
        """See `Running.signal`."""
        import docker

        if self._code is not None:
            return True
        if number != signal.SIGKILL and self._local and not self._hears(number):
            return False
        with contextlib.suppress(docker.errors.APIError):
            self._container.kill(signal=number)
        return True

    def _hears(self, number: int) -> bool:
        self._container.reload()
        process = self._container.attrs["State"]["Pid"]
        return bool(process) and catches(process, number)

    def _watch(self) -> None:
        import docker

        try:
            self._code = int(self._container.wait()["StatusCode"])
        except Exception:  # the engine is gone, and the container with it
            self._code = 128 + signal.SIGKILL
        self._done.set()
        self._read.wait(_LAST_LINES_SECONDS)
        with contextlib.suppress(docker.errors.APIError, OSError):
            self._container.remove(force=True)


def _published(container: Any, port: int) -> str:
    if not port:
        return ""
    container.reload()
    found = container.attrs["NetworkSettings"]["Ports"].get(f"{port}/tcp") or [{"HostPort": "0"}]
    return f"127.0.0.1:{found[0]['HostPort']}"


def _is_local() -> bool:
    """Whether the engine's processes are this machine's."""
    address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    return address.startswith("unix://") and os.path.isdir("/proc/self")
