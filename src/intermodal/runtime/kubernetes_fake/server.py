"""The fake over HTTP, on loopback."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from intermodal.runtime.kubernetes_fake import discovery
from intermodal.runtime.kubernetes_fake.cluster import Address, Cluster, Document
from intermodal.runtime.kubernetes_fake.fault import ApiFault
from intermodal.runtime.kubernetes_fake.selection import selected

_OBJECTS = re.compile(r"/(?:api/(?P<core>v1)|apis/(?P<group>[^/]+/[^/]+))(?:/(?P<rest>.+))?")
_OPENAPI_V2 = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_WATCH_SECONDS = 30.0
_POLL_SECONDS = 0.5


class FakeServer(ThreadingHTTPServer):
    """The HTTP server; `cluster` is its storage, `requests` what it was asked."""

    daemon_threads = True

    def __init__(self, cluster: Cluster, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.cluster = cluster
        self.requests: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextlib.contextmanager
def serving(cluster: Cluster, port: int = 0) -> Iterator[FakeServer]:
    """Serve a cluster until the block ends.

    Args:
        cluster: The storage.
        port: The port on 127.0.0.1; any free one by default.

    Yields:
        The server, which answers already.
    """
    server = FakeServer(cluster, port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def write_kubeconfig(path: Path, url: str) -> None:
    """Write what `kubectl --kubeconfig` needs to reach the fake.

    Args:
        path: The file.
        url: The server's address.
    """
    import yaml

    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "fake",
        "clusters": [{"name": "fake", "cluster": {"server": url}}],
        "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
        "users": [{"name": "fake", "user": {}}],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeServer

    def log_message(self, format: str, *arguments: Any) -> None:
        """Requests are in `FakeServer.requests`; standard error stays quiet."""

    def _answer(self) -> None:
        self.server.requests.append((self.command, self.path))
        if self.path.startswith("/openapi/v2"):
            self._send_bytes(200, b"", _OPENAPI_V2)  # an empty description: clients then ask for the kinds themselves
            return
        try:
            code, document = self._result()
        except ApiFault as fault:
            code, document = fault.code, fault.status()
        except (
            KeyError,
            TypeError,
            AttributeError,
            ValueError,
        ) as error:  # of a body that has another shape than any object
            code, document = 400, ApiFault(400, f"the request cannot be understood: {error!r}").status()
        if document is not None:
            self._send(code, document)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - http.server's names

    def _send(self, code: int, document: Document) -> None:
        self._send_bytes(code, json.dumps(document).encode(), "application/json")

    def _send_bytes(self, code: int, body: bytes, content_type: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _result(self) -> tuple[int, Document | None]:
        split = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(split.query).items()}
        body = self._body()
        path = split.path.rstrip("/")
        found = self._discovery(path)
        if found is not None:
            return 200, found
        address = self._address(path)
        if self.command == "GET" and query.get("watch", "").lower() in ("1", "true"):
            self._watch(address, query)
            return 200, None
        if self.command == "GET":
            return 200, self._read(address, query)
        return self._write(address, query, body)

    def _body(self) -> Document:
        import yaml

        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "protobuf" in self.headers.get("Content-Type", ""):
            raise ApiFault(415, "protobuf is not spoken here: use kubectl apply -f or create -f, which send JSON")
        try:
            body = yaml.safe_load(raw) if raw else {}
        except yaml.YAMLError as error:
            raise ApiFault(400, f"the body is neither JSON nor YAML: {error}") from error
        if not isinstance(body, dict):
            raise ApiFault(415, "the body is no object (JSON patches are not spoken here)")
        return body

    def _discovery(self, path: str) -> Document | None:
        kinds = list(self.server.cluster.kinds.values())
        fixed: dict[str, Callable[[], Document]] = {
            "/version": discovery.version,
            "/api": lambda: {"kind": "APIVersions", "versions": ["v1"]},
        }
        if path in fixed:
            return fixed[path]()
        if path == "/apis":
            return discovery.groups(kinds)
        if path == "/openapi/v3":
            return discovery.openapi_index(kinds)
        if path.startswith("/openapi/v3/"):
            return discovery.openapi(kinds, path.removeprefix("/openapi/v3"))
        match = _OBJECTS.fullmatch(path)
        if match and not match["rest"] and any(kind.api_version == (match["core"] or match["group"]) for kind in kinds):
            return discovery.resources(kinds, match["core"] or match["group"])
        return None

    def _address(self, path: str) -> Address:
        match = _OBJECTS.fullmatch(path)
        parts = (match["rest"] or "").split("/") if match else []
        namespace = ""
        if len(parts) > 2 and parts[0] == "namespaces" and parts[2] not in ("status", "finalize"):
            namespace, parts = parts[1], parts[2:]
        kind = self.server.cluster.kinds.get((match["core"] or match["group"], parts[0])) if match and parts else None
        if kind is None:
            raise ApiFault(404, "the server could not find the requested resource")
        if kind.namespaced and not namespace and len(parts) > 1:
            raise ApiFault(404, f"{kind.plural} lie in namespaces")
        return Address(kind, namespace, *parts[1:3])

    def _read(self, address: Address, query: dict[str, str]) -> Document:
        cluster = self.server.cluster
        if address.name:
            return cluster.get(address)
        items = selected(cluster.listed(address), query)
        head = {"kind": f"{address.kind.name}List", "apiVersion": address.kind.api_version}
        return {**head, "metadata": {"resourceVersion": str(cluster.revision)}, "items": items}

    def _write(self, address: Address, query: dict[str, str], body: Document) -> tuple[int, Document]:
        cluster, dry_run = self.server.cluster, query.get("dryRun") == "All"
        if self.command == "POST" and not address.name:
            return 201, cluster.create(address, body, dry_run=dry_run)
        if self.command == "PUT" and address.name:
            return 200, cluster.replace(address, body, dry_run=dry_run)
        if self.command == "PATCH" and address.name:
            manager = query.get("fieldManager", "unknown")
            content_type = self.headers.get("Content-Type", "").partition(";")[0]
            return 200, cluster.patch(address, body, content_type, manager, dry_run=dry_run)
        if self.command == "DELETE":
            return 200, self._delete(address, query, dry_run)
        raise ApiFault(405, f"{self.command} is not supported on this resource")

    def _delete(self, address: Address, query: dict[str, str], dry_run: bool) -> Document:
        cluster = self.server.cluster
        names = (
            [address.name]
            if address.name
            else [item["metadata"]["name"] for item in selected(cluster.listed(address), query)]
        )
        gone = [Address(address.kind, address.namespace, name) for name in names]
        documents = [cluster.get(item) if dry_run else cluster.delete(item) for item in gone]
        details = {"kind": address.kind.plural, "name": address.name}
        if address.name:
            details["uid"] = documents[0]["metadata"]["uid"]
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}

    def _watch(self, address: Address, query: dict[str, str]) -> None:
        """Stream events until the client's timeout, as chunks of one line each."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        cluster, seen = self.server.cluster, int(query.get("resourceVersion") or 0)
        deadline = time.monotonic() + float(query.get("timeoutSeconds", _WATCH_SECONDS))
        with contextlib.suppress(OSError):
            while time.monotonic() < deadline:
                until = cluster.revision
                for at, event in cluster.events_after(address, seen, _POLL_SECONDS):
                    seen = at
                    if selected([event["object"]], query):
                        self._chunk(json.dumps(event).encode() + b"\n")
                seen = max(seen, until)
            self._chunk(b"")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()
