"""A model tried before it is deployed: really served for a moment on loopback, and asked one question."""

from __future__ import annotations

import contextlib
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from intermodal.errors import StepFailed, UsageError

_PATIENCE = 120.0


def try_model(directory: Path, text: str) -> dict[str, Any]:
    """Serve a model as an endpoint would, ping it, and ask it for one rating.

    Args:
        directory: The model's directory.
        text: What to ask.

    Returns:
        Its answer: "rating" and "probabilities".

    Raises:
        UsageError: The packages that serve are not installed.
        ArtifactCorrupt: The directory holds no model that can be loaded.
        StepFailed: The model does not answer.
    """
    with _served(directory) as address:
        _ask(f"{address}/ping", None)
        body = json.dumps({"inputs": [text]}).encode()
        answer = json.loads(_ask(f"{address}/invocations", body))
    return dict(answer["predictions"][0])


@contextlib.contextmanager
def _served(directory: Path) -> Iterator[str]:
    try:
        import uvicorn
    except ImportError as error:
        step = "pip install 'intermodal[serve]'"
        raise UsageError("serving needs two more packages", seen=error, next_step=step) from error
    from intermodal.serving.server import make_application

    application = make_application(directory, "trial")
    server = uvicorn.Server(uvicorn.Config(application, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run, name="trial", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{_port(server, thread)}"
    finally:
        server.should_exit = True
        thread.join(_PATIENCE)


def _port(server: Any, thread: threading.Thread) -> int:
    until = time.monotonic() + _PATIENCE
    while not server.started:
        if time.monotonic() > until or not thread.is_alive():
            raise StepFailed("the model's server did not start", expected="a server that listens on loopback")
        time.sleep(0.01)
    return int(server.servers[0].sockets[0].getsockname()[1])


def _ask(url: str, body: bytes | None) -> bytes:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE) as response:
            return bytes(response.read())
    except urllib.error.HTTPError as error:
        seen = f"{error.code}: {error.read().decode('utf-8', 'replace')[:300]}"
        raise StepFailed("the model does not answer", seen=seen, next_step="try it: intermodal serve MODEL") from error
    except OSError as error:
        raise StepFailed("the model does not answer", seen=error, next_step="try it: intermodal serve MODEL") from error
