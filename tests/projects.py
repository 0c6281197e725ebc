"""MLflow projects for tests: an `MLproject` over the toy steps, a store that is made once, and what is in it."""

from __future__ import annotations

import json
import shutil
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from launching import TESTS

MLPROJECT = """
name: toys
entry_points:
  line:
    parameters:
      n: {type: float, default: 10}
      seconds: {type: float, default: 0.0}
    command: intermodal run toy_line.py -p n={n} -p seconds={seconds}
  make:
    parameters:
      n: {type: float, default: 3}
      seconds: {type: float, default: 0.0}
    command: python3 -m intermodal step toy_steps:make --n {n} --seconds {seconds}
  total:
    parameters:
      parts: {type: string}
    command: intermodal step toy_steps:total --parts {parts}
  say:
    parameters:
      text: {type: string}
      polite: {type: string, default: please}
    command: intermodal step toy_steps:say --text "{text}, {polite}"
  fail:
    parameters:
      message: {type: string}
    command: intermodal step toy_steps:fail --message {message}
  quiet:
    command: intermodal step toy_steps:say --quiet --text x
  broken:
    command: intermodal run broken.py
"""


@dataclass(frozen=True)
class Store:
    """An MLflow store of a test.

    Attributes:
        uri: Its tracking URI.
    """

    uri: str

    @property
    def client(self) -> Any:
        from mlflow.tracking import MlflowClient

        return MlflowClient(self.uri)

    def runs(self) -> list[Any]:
        """Every run, oldest first."""
        client = self.client
        found = [run for item in client.search_experiments() for run in client.search_runs([item.experiment_id])]
        return sorted(found, key=lambda run: run.info.start_time)

    def parents(self) -> list[Any]:
        """Runs that are nested under none."""
        return [run for run in self.runs() if "mlflow.parentRunId" not in run.data.tags]

    def nested(self, run_id: str) -> list[Any]:
        """Runs nested under one."""
        return [run for run in self.runs() if run.data.tags.get("mlflow.parentRunId") == run_id]

    def artifact_of(self, run_id: str, task: str, output: str) -> str:
        """The URI of an output of a task nested under a run."""
        (found,) = [run for run in self.nested(run_id) if run.data.tags["intermodal.task"] == task]
        return str(json.loads(found.data.tags[f"intermodal.output.{output}"])["uri"])

    def states(self) -> set[str]:
        """States of all runs."""
        return {run.info.status for run in self.runs()}


def until(said: Callable[[], Any], patience: float = 120.0) -> Any:
    """Ask again and again until the answer is true; the answer."""
    end = time.monotonic() + patience
    while not (answer := said()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
    return answer


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's tables and no run; making one takes seconds."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    SqlAlchemyStore(f"sqlite:///{path}", str(path.parent / "artifacts")).engine.dispose()
    return path


@pytest.fixture
def store(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """An MLflow store of one's own, which `mlflow.projects.run` writes to."""
    import mlflow

    path = tmp_path / "mlflow.db"
    shutil.copy(empty_store, path)
    made = Store(f"sqlite:///{path}")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", made.uri)
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    mlflow.set_tracking_uri(made.uri)
    yield made
    mlflow.set_tracking_uri(None)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the toy steps."""
    folder = tmp_path / "toys"
    folder.mkdir()
    (folder / "MLproject").write_text(textwrap.dedent(MLPROJECT).lstrip())
    (folder / "broken.py").write_text("import this_is_not_there\n")
    for name in ("toy_steps.py", "toy_line.py"):
        shutil.copy(TESTS / name, folder / name)
    return folder
