"""Runs on a local SageMaker, for tests: an image with the tests' steps in it, and what the service knows afterwards."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from intermodal.runtime.sagemaker_local.server import LocalSageMaker
from launching import TESTS, Answer, intermodal
from local_sagemaker import OpenSageMaker, add_program, client

CORE, TORCH = "intermodal/core:0.1.0", "intermodal/torch:0.1.0"
PIPELINES = TESTS / "sagemaker_pipelines.py"


@pytest.fixture
def sagemaker(open_sagemaker: OpenSageMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalSageMaker:
    """A local SageMaker whose core image has the tests' steps; the command line's home is the test's own."""
    monkeypatch.setenv("INTERMODAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), str(TESTS.parent / "src")]))
    for name in ("INTERMODAL_STORE", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "INTERMODAL_IMAGE_CORE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    folder = image(tmp_path)
    return open_sagemaker(images={CORE: folder, TORCH: folder})


def image(tmp_path: Path) -> Path:
    """A folder that stands for the images: this Python, with the tests' steps to be imported."""
    folder = tmp_path / "images" / "steps"
    (folder / "bin").mkdir(parents=True)
    path = os.pathsep.join([str(TESTS), str(TESTS.parent / "src")])
    for python in ("python", "python3"):
        add_program(folder, python, f'export PYTHONPATH="{path}"\nexec {sys.executable} "$@"', shell="sh")
    add_program(folder, "train", "exec python3 -m intermodal train", shell="sh")
    return folder


def run(name: str, *words: str, **environment: str) -> Answer:
    """Run a pipeline of `sagemaker_pipelines.py` on SageMaker."""
    return intermodal("run", f"{PIPELINES}:{name}", "--on", "sagemaker", "--json", *words, **environment)


def enough(marks: Path, name: str) -> None:
    """Tell a step of `sagemaker_steps.py` that takes long that it took long enough.

    Args:
        marks: Its parameter `marks`.
        name: As its mark is called: count-SEED or add_up-SEED.
    """
    (marks / f"{name}.enough").touch()


def jobs(prefix: str = "") -> dict[str, str]:
    """Every job whose name starts so → its status."""
    found: dict[str, str] = {}
    for kind in ("Processing", "Training"):
        pages = client().get_paginator(f"list_{kind.lower()}_jobs").paginate()
        for page in pages:
            found |= {item[f"{kind}JobName"]: item[f"{kind}JobStatus"] for item in page[f"{kind}JobSummaries"]}
    return {name: status for name, status in found.items() if name.startswith(prefix)}


def records() -> list[dict[str, Any]]:
    """The records of all runs, oldest first."""
    folders = sorted(
        Path(os.environ["INTERMODAL_HOME"], "runs").glob("*/run.json"), key=lambda path: path.stat().st_ctime
    )
    return sorted((json.loads(path.read_text()) for path in folders), key=lambda item: item["started"])


def digests(record: dict[str, Any]) -> dict[tuple[str, str], str]:
    """(task, output) → digest."""
    return {(t["name"], name): item["digest"] for t in record["tasks"] for name, item in t["artifacts"].items()}


def until_line(process: Any, holds: Callable[[str], bool]) -> str:
    """The first line on a process's standard error of which something holds."""
    for line in process.stderr:
        if holds(line):
            return str(line)
    raise AssertionError("the process said no such thing")


def mlflow_states() -> dict[str, str]:
    """Run name → status, of everything in the home's MLflow."""
    import mlflow

    uri = f"sqlite:///{os.environ['INTERMODAL_HOME']}/mlflow.db"
    tracking = mlflow.MlflowClient(tracking_uri=uri)
    ids = [item.experiment_id for item in tracking.search_experiments()]
    return {item.info.run_name: item.info.status for item in tracking.search_runs(ids)}
