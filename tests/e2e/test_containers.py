"""Steps in containers of their image, built from components/Dockerfile; skips where no engine answers."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from launching import TESTS, intermodal

ROOT = TESTS.parent

pytestmark = pytest.mark.timeout(2400)  # building an image on a new machine takes minutes

IMAGE = "intermodal/core:0.1.0"
PIPELINE = """
from kfp import dsl
from intermodal import component

generate, ingest, validate = component("generate"), component("ingest"), component("validate")

@dsl.pipeline(name="contained")
def contained(source: str = "", rows: int = 500):
    raw = generate(rows=rows, unless=source)
    made = ingest(raw=raw.outputs["raw"], source=source)
    validate(reviews=made.outputs["reviews"])
"""


@pytest.fixture(scope="module")
def engine() -> str:
    """A container engine's address; the one beside the checkout is started when there is no other."""
    starter = Path(os.environ.get("INTERMODAL_SHARED", ROOT.parent / "shared")) / "tools" / "container-engine"
    if "DOCKER_HOST" not in os.environ and starter.is_file() and os.geteuid() == 0:
        subprocess.run([str(starter), "base"], check=True, capture_output=True, timeout=900)
        text = subprocess.run([str(starter), "start"], check=True, capture_output=True, text=True).stdout
        address = text.partition("DOCKER_HOST=")[2].split()[0]
    else:
        address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    environment = {**os.environ, "DOCKER_HOST": address}
    if subprocess.run(["docker", "version"], env=environment, capture_output=True, check=False).returncode:  # noqa: S607
        pytest.skip(f"no container engine answers at {address}")
    return address


@pytest.fixture(scope="module")
def image(engine: str) -> str:
    """The core image, built from this checkout."""
    command = ["docker", "build", "-q", "-f", "components/Dockerfile", "--target", "core", "-t", IMAGE, "."]
    environment = {**os.environ, "DOCKER_HOST": engine, "DOCKER_BUILDKIT": "0"}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[-2000:]
    return IMAGE


def test_artifacts_equal_those_of_the_subprocess_run(engine: str, image: str, home: Path, tmp_path: Path) -> None:
    (Path.cwd() / "contained.py").write_text(PIPELINE)
    here = intermodal("run", "contained.py", "--json")
    inside = intermodal(
        "run",
        "contained.py",
        "--containers",
        "--no-cache",
        "--json",
        DOCKER_HOST=engine,
        INTERMODAL_HOME=str(tmp_path / "c"),
    )
    assert inside.code == 0, inside.err[-3000:]
    assert inside.json["mode"] == "container"
    digests = {name: item["digest"] for name, item in here.json["artifacts"].items()}
    assert {name: item["digest"] for name, item in inside.json["artifacts"].items()} == digests


def test_a_container_goes_on_with_what_a_process_made(engine: str, image: str, home: Path) -> None:
    (Path.cwd() / "contained.py").write_text(PIPELINE)
    assert intermodal("run", "contained.py").code == 0
    again = intermodal("run", "contained.py", "--containers", "--json", DOCKER_HOST=engine)
    assert {task["state"] for task in again.json["tasks"]} == {"CACHED"}


def test_local_data_reaches_the_container_and_bad_data_is_told(engine: str, image: str, home: Path) -> None:
    (Path.cwd() / "contained.py").write_text(PIPELINE)
    Path("reviews.tsv").write_text("marketplace\tcustomer_id\nUS\t1\n")
    answer = intermodal("run", "contained.py", "-p", "source=reviews.tsv", "--containers", "--json", DOCKER_HOST=engine)
    assert answer.code == 3, answer.err[-2000:]
    assert answer.json["error"]["kind"] == "DataRejected"


def test_no_engine_and_no_image_are_clear_errors(home: Path) -> None:
    (Path.cwd() / "contained.py").write_text(PIPELINE)
    answer = intermodal("run", "contained.py", "--containers", DOCKER_HOST="unix:///nowhere.sock")
    assert answer.code == 5
    assert "no container engine answers" in answer.err
