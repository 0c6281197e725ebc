"""A model hub on the loopback interface: as much of the hub's API as downloading a snapshot needs."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "c0ffee" + "0" * 34


@contextmanager
def serve(name: str, directory: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve the files of a directory as the model `name`; yields the endpoint and the list of files asked for."""
    files, asked = {item.name: item.read_bytes() for item in sorted(directory.iterdir())}, []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(body=True)

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def answer(self, *, body: bool) -> None:
            path = self.path.partition("?")[0]
            if path.startswith(f"/api/models/{name}"):
                listing = [{"rfilename": file, "size": len(data)} for file, data in files.items()]
                tree = [{"type": "file", "path": file, "size": len(data), "oid": ""} for file, data in files.items()]
                info = {"id": name, "sha": COMMIT, "siblings": listing}
                self.reply(200, json.dumps(tree if "/tree/" in path else info).encode(), body)
            elif path.startswith(f"/{name}/resolve/") and path.rpartition("/")[2] in files:
                asked.append(path.rpartition("/")[2])
                self.reply(200, files[path.rpartition("/")[2]], body)
            else:
                self.reply(404, b"{}", body, {"X-Error-Code": "RepoNotFound"})

        def reply(self, code: int, data: bytes, body: bool, extra: dict[str, str] | None = None) -> None:
            self.send_response(code)
            headers = {"Content-Length": str(len(data)), "X-Repo-Commit": COMMIT, "Content-Type": "application/json"}
            headers["ETag"] = f'"{hashlib.sha256(data).hexdigest()}"'
            for key, value in (headers | (extra or {})).items():
                self.send_header(key, value)
            self.end_headers()
            if body:
                self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Say nothing: the test's output is not a log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
