"""Chromium over its DevTools protocol: just enough to open a page, size it and ask it something."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

BINARY = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-port=0",
    "--remote-allow-origins=*",
]  # fmt: skip
PATIENCE = 180  # seconds for a browser on a busy machine


class Chromium:
    """One tab of a browser of its own."""

    def __init__(self) -> None:
        self._profile = tempfile.mkdtemp(prefix="chromium-")
        command = [str(BINARY), *FLAGS, f"--user-data-dir={self._profile}", "about:blank"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._count = 0
        self.complaints: list[str] = []
        self._socket = self._connect()
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def _connect(self) -> Any:
        import websocket

        port_file, deadline = Path(self._profile) / "DevToolsActivePort", time.monotonic() + PATIENCE
        while not (tab := self._first_tab(port_file)):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("Chromium did not start")
            time.sleep(0.05)
        return websocket.create_connection(tab, timeout=PATIENCE)

    def _first_tab(self, port_file: Path) -> str:
        """Where to talk to the tab; empty as long as there is none, which is later than the browser answers."""
        text = port_file.read_text() if port_file.is_file() else ""
        if "\n" not in text:
            return ""
        with urllib.request.urlopen(f"http://127.0.0.1:{text.splitlines()[0]}/json", timeout=PATIENCE) as answer:
            tabs = [item for item in json.load(answer) if item["type"] == "page"]
        return tabs[0].get("webSocketDebuggerUrl", "") if tabs else ""

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol; what the console says meanwhile is kept in `complaints`."""
        self._count += 1
        self._socket.send(json.dumps({"id": self._count, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv())
            self._listen(message)
            if message.get("id") == self._count:
                assert "error" not in message, message
                return message["result"]

    def _listen(self, message: dict[str, Any]) -> None:
        if message.get("method") in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"):
            self.complaints.append(json.dumps(message["params"])[:500])

    def open(self, page: Path, width: int, dark: bool = False) -> None:
        """Open a page at a width, light or dark, and wait until its script has run."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=page.as_uri())
        deadline = time.monotonic() + PATIENCE
        while self.ask("document.readyState + location.href") != f"complete{page.as_uri()}":
            assert time.monotonic() < deadline, "the page did not load"
            time.sleep(0.05)

    def ask(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def close(self) -> None:
        """End the browser and remove its profile."""
        self._socket.close()
        self._process.terminate()
        self._process.wait(PATIENCE)
        shutil.rmtree(self._profile, ignore_errors=True)
