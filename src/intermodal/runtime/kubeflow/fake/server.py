"""The HTTP server of the fake, on 127.0.0.1 alone, and the fake as a Python object."""

from __future__ import annotations

import hmac
import json
import socket
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from intermodal.runtime.kubeflow.fake.answers import Refused
from intermodal.runtime.kubeflow.fake.controller import Controller
from intermodal.runtime.kubeflow.fake.faults import POD_FAULTS, Faults, PodFaults
from intermodal.runtime.kubeflow.fake.options import FakeOptions
from intermodal.runtime.kubeflow.fake.progress import read_progress
from intermodal.runtime.kubeflow.fake.requests import Backend, Request
from intermodal.runtime.kubeflow.fake.routes import answer
from intermodal.runtime.kubeflow.fake.state import State

_REMEMBERED = 10_000  # requests


@dataclass(frozen=True)
class Seen:
    """A request that came in.

    Attributes:
        method: Its method.
        path: Its path.
        status: The answer's HTTP status; 0 when the connection was dropped.
    """

    method: str
    path: str
    status: int


class KubeflowFake:
    """Kubeflow Pipelines' v2beta1 API on this machine; pipelines run for real.

    ::

        with KubeflowFake(FakeOptions(home=tmp_path)) as fake:
            kfp.Client(host=fake.url).create_run_from_pipeline_package("pipeline.yaml")

    Args:
        options: Its options.
    """

    def __init__(self, options: FakeOptions) -> None:
        options.home.mkdir(parents=True, exist_ok=True)
        self.options = options
        self._seen: deque[Seen] = deque(maxlen=_REMEMBERED)
        state = State(options.home / "state", None if options.multi_user else "")
        faults = Faults(PodFaults(options.home / POD_FAULTS))
        faults.clear()
        self._server = _Server(("127.0.0.1", options.port), _Handler)
        self._server.daemon_threads = True
        self.backend = Backend(options, state, Controller(options, state), faults)
        self._server.fake = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def requests(self) -> list[Seen]:
        """What it was asked, the oldest first; a copy, for more may come while it is looked through."""
        return list(self._seen)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> KubeflowFake:
        """Listen."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop listening, stop the runs, and wait until their pods are gone."""
        self._server.shutdown()
        self.backend.controller.close()
        self._server.server_close()

    def fault(self, **fields: Any) -> None:
        """Let something go wrong; see `intermodal.runtime.kubeflow.fake.faults`."""
        self.backend.faults.add(fields)

    def artifacts(self, run_id: str) -> list[dict[str, Any]]:
        """What a run has left behind, artifact by artifact."""
        return list(read_progress(self.options.runs / run_id).get("artifacts", []))

    def __enter__(self) -> KubeflowFake:
        """See `start`."""
        return self.start()

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """See `stop`."""
        self.stop()


class _Server(ThreadingHTTPServer):
    fake: KubeflowFake


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:  # noqa: N802  the name that http.server calls
        self._handle()

    do_POST = do_DELETE = do_PATCH = do_GET  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: `KubeflowFake.requests` has them."""

    def _handle(self) -> None:
        fake, request = self.server.fake, self._request()
        fault = {} if request.path.startswith("/fake/") else fake.backend.faults.take(request.method, request.path)
        time.sleep(fault.get("delay", 0))
        if fault.get("drop") == "before":
            self._drop(request)
            return
        status, body = self._answer(request, fault)
        if fault.get("drop") == "after":
            self._drop(request)
            return
        fake._seen.append(Seen(request.method, request.path, status))
        self._send(status, body)

    def _request(self) -> Request:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        return Request(
            method=self.command,
            path=parts.path,
            query=dict(parse_qsl(parts.query)),
            body=self.rfile.read(length),
            content_type=self.headers.get("Content-Type", ""),
        )

    def _answer(self, request: Request, fault: dict[str, Any]) -> tuple[int, dict[str, Any] | str]:
        try:
            self._authenticate()
            if "status" in fault:
                raise Refused(fault["status"], "this fault was asked for")
            return 200, answer(self.server.fake.backend, request)
        except Refused as refused:
            return refused.status, refused.to_json()

    def _authenticate(self) -> None:
        options = self.server.fake.options
        wanted = {"Authorization": f"Bearer {options.token}" if options.token else "", "Cookie": options.cookie}
        for name, value in wanted.items():
            if value and not hmac.compare_digest(self.headers.get(name, "").encode(), value.encode()):
                raise Refused(401, f"Unauthenticated: the request's {name} is missing or wrong")

    def _drop(self, request: Request) -> None:
        """End the connection without an answer."""
        self.server.fake._seen.append(Seen(request.method, request.path, 0))
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _send(self, status: int, body: dict[str, Any] | str) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        content = text.encode()
        with suppress(BrokenPipeError, ConnectionResetError):
            self.send_response(status)
            kind = "text/plain; charset=utf-8" if isinstance(body, str) else "application/json"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)


def open_fake(home: Path, **options: Any) -> KubeflowFake:
    """A fake with its state under `home`; see `FakeOptions` for the rest."""
    return KubeflowFake(FakeOptions(home=home, **options))
