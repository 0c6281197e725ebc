"""A real container engine and the project's images, built once a test session; skipped where no engine answers."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import filelock
import pytest

from launching import TESTS, Answer, command

ROOT = TESTS.parent


@pytest.fixture(scope="session")
def engine() -> str:
    """A container engine's address; the one beside the checkout is started when there is no other."""
    starter = Path(os.environ.get("INTERMODAL_SHARED", ROOT.parent / "shared")) / "tools" / "container-engine"
    if "DOCKER_HOST" not in os.environ and starter.is_file() and os.geteuid() == 0:
        with filelock.FileLock("/tmp/intermodal-tests-engine.lock"):
            subprocess.run([str(starter), "base"], check=True, capture_output=True, timeout=900)
            text = subprocess.run([str(starter), "start"], check=True, capture_output=True, text=True).stdout
        address = text.partition("DOCKER_HOST=")[2].split()[0]
    else:
        address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    environment = {**os.environ, "DOCKER_HOST": address}
    if subprocess.run(["docker", "version"], env=environment, capture_output=True, check=False).returncode:
        pytest.skip(f"no container engine answers at {address}")
    return address


@pytest.fixture(scope="session")
def core_image(engine: str) -> str:
    """The core image, built from this checkout."""
    return _built(engine, "core")


@pytest.fixture(scope="session")
def torch_image(engine: str, core_image: str) -> str:
    """The torch image, built from this checkout."""
    return _built(engine, "torch")


def docker(engine: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the engine's own command line."""
    environment = {**os.environ, "DOCKER_HOST": engine, "DOCKER_BUILDKIT": "0"}
    return subprocess.run(["docker", *words], env=environment, capture_output=True, text=True, check=False)


def images(engine: str, *words: str) -> Answer:
    """Run `intermodal images` from the checkout; on a new machine a build takes minutes."""
    environment = {**os.environ, "DOCKER_HOST": engine, "DOCKER_BUILDKIT": "0"}
    full = command("images", *words, "--json")
    done = subprocess.run(full, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=2400)
    return Answer(done.returncode, done.stdout, done.stderr)


def _built(engine: str, family: str) -> str:
    # Test processes side by side build one after the other: the second finds every layer made.
    with filelock.FileLock("/tmp/intermodal-tests-images.lock"):
        answer = images(engine, "build", family)
    assert answer.code == 0, answer.err[-3000:]
    (image,) = answer.json["images"]
    assert image["bytes"] > 0
    return str(image["reference"])
