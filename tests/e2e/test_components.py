"""The component files, for people who never install intermodal: kfp and an image are enough."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from container_engine import ROOT

# kfp alone: the steps' package is neither imported here nor on the path of what runs.
SCRIPT = """
import json, os, sys
from kfp import compiler, components, dsl, local

generate = components.load_component_from_url(sys.argv[1] + "/generate/component.yaml")
ingest = components.load_component_from_file(sys.argv[2] + "/ingest/component.yaml")

@dsl.pipeline(name="others")
def others(rows: int = 100) -> dsl.Dataset:
    raw = generate(rows=rows)
    return ingest(raw=raw.outputs["raw"]).outputs["reviews"]

compiler.Compiler().compile(others, "others.yaml")
assert not [name for name in sys.modules if name.partition(".")[0] == "intermodal"]
if len(sys.argv) > 3:
    local.init(local.DockerRunner(user=f"{os.getuid()}:{os.getgid()}"), pipeline_root=sys.argv[3])
    made = others(rows=120).output
    print(json.dumps({"path": made.path, "metadata": made.metadata}))
"""


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    """The components' folder over HTTP."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Silent, directory=ROOT / "components"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def run(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    script = folder / "others.py"
    script.write_text(SCRIPT)
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, str(script), *words],
        cwd=folder,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
    )


def test_they_load_from_a_url_and_a_file_and_compile(address: str, tmp_path: Path) -> None:
    done = run(tmp_path, address, str(ROOT / "components"))
    assert done.returncode == 0, done.stderr[-2000:]
    text = (tmp_path / "others.yaml").read_text()
    assert "intermodal.steps.ingest:ingest" in text
    assert "pip install" not in text  # nothing is installed when the container starts


@pytest.mark.timeout(2400)
def test_they_run_under_kfp_alone(engine: str, core_image: str, address: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    done = run(tmp_path, address, str(ROOT / "components"), str(root), DOCKER_HOST=engine)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    # The artifact lies where kfp looks for it, whole: files, and the manifest that says what they are.
    manifest = json.loads((Path(told["path"]) / "manifest.json").read_text())
    assert manifest["digest"] == told["metadata"]["intermodal_digest"]
    assert manifest["rows"] == told["metadata"]["rows"] > 100
    assert all((Path(told["path"]) / item["path"]).is_file() for item in manifest["files"])
