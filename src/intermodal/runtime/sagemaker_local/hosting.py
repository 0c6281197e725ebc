"""A model's container, running: its files brought, started with `serve`, pinged until it answers, asked, ended."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from intermodal.runtime.sagemaker_local.executing import Execution, Running
from intermodal.runtime.sagemaker_local.models import primary_container
from intermodal.runtime.sagemaker_local.operations import ApiError
from intermodal.runtime.sagemaker_local.service import Service
from intermodal.runtime.sagemaker_local.transfer import download_prefix, download_tar

PORT = 8080
_PING_SECONDS = 2.0  # as SageMaker gives each ping
_PAUSE = 0.1
_END_SECONDS = 30.0  # between SIGTERM and SIGKILL of a container that hosts
_LAST_LINES_SECONDS = 30.0  # until what it printed is logged, once it has ended
PATIENCE = 480.0  # seconds until a container must answer pings, unless its variant says otherwise
FORWARDED = ("Content-Type", "Accept", "X-Amzn-SageMaker-Custom-Attributes", "X-Amzn-SageMaker-Inference-Id")


@dataclass(frozen=True)
class Reply:
    """What a container answered.

    Attributes:
        status: HTTP status.
        headers: Its headers, names in small letters.
        body: Its body.
    """

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Hosted:
    """What is to be hosted.

    Attributes:
        label: ARN of what it is hosted for.
        folder: Folder of its files on this machine; emptied first.
        model: The model's record.
        environment: Variables beside the model's own.
        patience: Seconds until it must answer pings.
        log: Given every line that the container prints.
    """

    label: str
    folder: Path
    model: dict[str, Any]
    environment: dict[str, str] = field(default_factory=dict)
    patience: float = PATIENCE
    log: Callable[[str], None] = lambda _line: None


class ModelServer:
    """A container that serves a model.

    Args:
        service: The service.
        hosted: What to host.

    Raises:
        ApiError: The model's files are not there, or the image cannot be run.
    """

    def __init__(self, service: Service, hosted: Hosted) -> None:
        self._hosted = hosted
        shutil.rmtree(hosted.folder, ignore_errors=True)
        container = primary_container(hosted.model)
        bring_model(service, container, hosted.folder / "model")
        self._running = service.executor.start(_execution(hosted, container))
        self._drain = threading.Thread(target=self._log, name=f"log of {hosted.label}", daemon=True)
        self._drain.start()

    @property
    def running(self) -> Running:
        """The container."""
        return self._running

    def wait_until_up(self, given_up: threading.Event) -> str:
        """Ping until it answers.

        Args:
            given_up: Set when nobody wants it any more.

        Returns:
            Why it never will; empty when it answers.
        """
        until = time.monotonic() + self._hosted.patience
        while time.monotonic() < until and not given_up.wait(_PAUSE):
            code = self._running.poll()
            if code is not None:
                return f"its container ended with exit code {code}"
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self._ask("GET", "/ping", b"", {}, _PING_SECONDS).status == 200:
                    return ""
        return f"it did not answer /ping with 200 within {self._hosted.patience:.0f} s"

    def invoke(self, body: bytes, headers: dict[str, str], seconds: float = 60.0) -> Reply:
        """POST /invocations.

        Args:
            body: The body.
            headers: Headers for the container.
            seconds: Longest time it may take.

        Raises:
            OSError: It does not answer; TimeoutError, not in time.
            http.client.HTTPException: It answers nonsense.
        """
        return self._ask("POST", "/invocations", body, headers, seconds)

    def end(self, seconds: float = _END_SECONDS) -> None:
        """End the container, log all that it printed, and remove its files.

        Args:
            seconds: Between SIGTERM and SIGKILL.
        """
        heard = self._running.signal(signal.SIGTERM)
        if not heard or self._running.wait(seconds) is None:
            self._running.kill()
            self._running.wait(seconds)
        self._drain.join(_LAST_LINES_SECONDS)
        shutil.rmtree(self._hosted.folder, ignore_errors=True)

    def _ask(self, method: str, path: str, body: bytes, headers: dict[str, str], seconds: float) -> Reply:
        host, _, port = self._running.address.rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=seconds)
        try:
            connection.request(method, path, body if method == "POST" else None, headers)
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, names, response.read())
        finally:
            connection.close()

    def _log(self) -> None:
        for line in self._running.lines():
            self._hosted.log(line)


def bring_model(service: Service, container: dict[str, Any], folder: Path) -> None:
    """Bring a container's model to where it looks for it.

    Args:
        service: The service.
        container: Its definition: ModelDataUrl, ModelDataSource, or neither.
        folder: What will be /opt/ml/model.

    Raises:
        ApiError: ValidationException, the model's files are not there.
    """
    folder.mkdir(parents=True)
    s3 = service.client("s3")
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    uri = source["S3Uri"] if source else container.get("ModelDataUrl", "")
    if not uri:
        return
    try:
        if source and source["CompressionType"] == "None":
            download_prefix(s3, uri, folder)
        else:
            download_tar(s3, uri, folder)
    except ApiError as error:
        raise ApiError("ValidationException", f"Could not find model data at {uri}: {error.message}") from error


def _execution(hosted: Hosted, container: dict[str, Any]) -> Execution:
    # A container that is isolated from the network could not be asked from here: isolation is not kept for hosting.
    return Execution(
        image=container["Image"],
        label=hosted.label,
        arguments=("serve",),
        environment={**container.get("Environment", {}), **hosted.environment},
        mounts={"/opt/ml": hosted.folder},
        hostname="model",
        hosts=("model",),
        port=PORT,
    )
