"""Virtual environments with the clients that the local SageMaker must satisfy, made once, kept in the user cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import filelock
import pytest

from local_sagemaker import add_program

TESTS = Path(__file__).resolve().parent
CACHE = Path.home() / ".cache" / "intermodal-tests"
_INSTALLS = 1500  # seconds after which installing counts as hung
# SageMaker's SDKs report their use to AWS unless told not to.
QUIET = "SchemaVersion: '1.0'\nSageMaker:\n  PythonSDK:\n    Modules:\n      TelemetryOptOut: true\n"


def sdk_environment(name: str) -> Path:
    """The folder of an environment with what `requirements-NAME.txt` pins; skips where pip cannot install it.

    Args:
        name: Such as "sagemaker-v2".
    """
    requirements = TESTS / f"requirements-{name}.txt"
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:12]
    place = CACHE / f"{name}-{digest}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(f"{place}.lock"):
        if not (place / "complete").exists():
            _install(place, requirements)
    return place


def toolkit_image(folder: Path, toolkit: Path) -> Path:
    """A folder that stands for an image whose `train` is the program of AWS's training toolkit.

    Args:
        folder: The folder; made.
        toolkit: An environment with the toolkit.
    """
    (folder / "bin").mkdir(parents=True)
    for name in ("train", "python", "python3"):
        add_program(folder, name, f'export PATH="{toolkit}/bin:$PATH"; exec "{toolkit}/bin/{name}" "$@"', shell="sh")
    return folder


def _install(place: Path, requirements: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True, capture_output=True)
    words = [str(place / "bin" / "pip"), "install", "-q", "--disable-pip-version-check", "-r", str(requirements)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=_INSTALLS)
    if done.returncode:
        shutil.rmtree(place, ignore_errors=True)
        pytest.skip(f"pip cannot install {requirements.name}: {done.stderr.strip().splitlines()[-1:]}")
    (place / "complete").touch()


def run_client(environment: Path, script: str, folder: Path) -> str:
    """Run a Python script in such an environment, as its user would; what it printed.

    Args:
        environment: The environment.
        script: Python.
        folder: Where it runs.

    Raises:
        AssertionError: It failed.
    """
    (folder / "quiet.yaml").write_text(QUIET)
    (folder / "client.py").write_text(script)
    variables = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
    own = {
        "HOME": str(folder),
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(folder / "quiet.yaml"),
        "SAGEMAKER_SUPPRESS_V2_WARNING": "1",
        "PATH": f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }
    done = subprocess.run(
        [str(environment / "bin" / "python"), "client.py"],
        cwd=folder,
        env={**variables, **own},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
    return done.stdout
