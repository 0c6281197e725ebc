"""A fake Kubeflow for tests, with the real `kfp.Client` in front of it; `kubeflow` is a fixture."""

from __future__ import annotations

import os
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from intermodal.runtime.kubeflow.fake import KubeflowFake, open_fake
from intermodal.runtime.pipeline import load_pipeline
from launching import PATIENCE, pipeline, start

ENDED = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")
OpenFake = Callable[..., KubeflowFake]
Serve = Callable[..., subprocess.Popen[str]]


def client_of(fake: KubeflowFake, **options: Any) -> Any:
    """A `kfp.Client`."""
    import kfp

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kfp.Client(host=fake.url, **options)


@lru_cache
def compiled(name: str, file: str = "toy_pipelines.py") -> Any:
    """A toy pipeline as kfp compiles it."""
    return load_pipeline(pipeline(name, file)).source


def submit(fake: KubeflowFake, name: str, file: str = "toy_pipelines.py", **arguments: Any) -> str:
    """Start a toy pipeline; the run's id."""
    client = client_of(fake)
    run = client.create_run_from_pipeline_func(compiled(name, file), arguments=arguments)
    return str(run.run_id)


def ended(fake: KubeflowFake, run_id: str) -> Any:
    """The run when it has ended; kfp's own waiting knows no CANCELED."""
    return until(fake, run_id, lambda run: run.state in ENDED)


def until(fake: KubeflowFake, run_id: str, holds: Callable[[Any], bool]) -> Any:
    """The run as soon as something holds of it."""
    client, limit = client_of(fake), time.monotonic() + PATIENCE
    while time.monotonic() < limit:
        run = client.get_run(run_id)
        if holds(run):
            return run
        time.sleep(0.05)
    raise TimeoutError(f"run {run_id} is {run.state}: {[(t.display_name, t.state) for t in tasks_of(run)]}")


def tasks_of(run: Any) -> list[Any]:
    """Everything in a run's details but drivers."""
    return [item for item in run.run_details.task_details if not item.display_name.endswith("-driver")]


def states(run: Any) -> dict[str, str]:
    """The states of a run's tasks, by the way to each: "condition-2/say" → SUCCEEDED."""
    known = {item.task_id: item for item in run.run_details.task_details}

    def way(item: Any) -> str:
        parent = known.get(item.parent_task_id)
        around = way(parent) if parent is not None else ""
        return f"{around}/{item.display_name}" if around else item.display_name

    return {way(item).removeprefix("root/"): item.state for item in tasks_of(run)}


def pod_of(run: Any, task: str) -> Any:
    """The node of a task's pod."""
    parent = next(item for item in run.run_details.task_details if item.display_name == task)
    return next(
        item
        for item in run.run_details.task_details
        if item.parent_task_id == parent.task_id and item.display_name == "executor"
    )


@pytest.fixture
def open_kubeflow(tmp_path: Path) -> Iterator[OpenFake]:
    """Opens fakes whose pods share a store; they are stopped at the test's end."""
    opened: list[KubeflowFake] = []

    def go(name: str = "kubeflow", **options: Any) -> KubeflowFake:
        variables = {
            "INTERMODAL_STORE": str(tmp_path / "store"),
            "MLFLOW_TRACKING_URI": "off",
            "PYTHONPATH": os.environ["PYTHONPATH"],
            **options.pop("pod_env", {}),
        }
        fake = open_fake(tmp_path / name, pod_env=variables, **options).start()
        opened.append(fake)
        return fake

    yield go
    for fake in opened:
        fake.stop()


@pytest.fixture
def kubeflow(open_kubeflow: OpenFake) -> KubeflowFake:
    """A fake with the usual options."""
    return open_kubeflow()


@pytest.fixture
def serve_kubeflow(tmp_path: Path) -> Iterator[Serve]:
    """Starts the fake as a person does, with one and the same home; what is left is killed at the test's end."""
    servers: list[subprocess.Popen[str]] = []

    def go(*words: str) -> subprocess.Popen[str]:
        servers.append(start("kubeflow-fake", "--port", "0", "--home", str(tmp_path / "served"), "--json", *words))
        return servers[-1]

    yield go
    for server in servers:
        server.kill()
        server.wait()
