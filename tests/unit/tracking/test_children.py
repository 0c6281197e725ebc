"""Runs nested under a task's own run."""

from __future__ import annotations

from pathlib import Path

import pytest

from intermodal.tracking.children import FAILED, FINISHED, KILLED, Child, record_children
from intermodal.tracking.recorder import Recorder
from intermodal.tracking.store_init import ensure_store


@pytest.fixture
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    from mlflow.tracking import MlflowClient

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.chdir(tmp_path)
    ensure_store(uri)
    run = Recorder(MlflowClient(uri), str(tmp_path / "artifacts")).start_pipeline("trials", "task")["run_id"]
    monkeypatch.setenv("MLFLOW_RUN_ID", run)
    return run


def nested(tmp_path: Path, parent: str) -> dict[str, object]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    place = client.get_run(parent).info.experiment_id
    found = client.search_runs([place], f"tags.`mlflow.parentRunId` = '{parent}'")
    return {run.info.run_name: run for run in found}


CHILDREN = [
    Child("trial-0", {"x": 1.5}, {"score": 0.5}, FINISHED, {"intermodal.trial": "0"}, 2.0),
    Child("trial-1", {"x": 2.5}, {}, FAILED, {"intermodal.error": "it broke"}),
    Child("trial-2", {"x": 3.5}, {"score": 0.1}, KILLED),
]


def test_every_child_is_recorded_once_in_its_true_state(parent: str, tmp_path: Path) -> None:
    for _ in range(2):
        assert record_children(CHILDREN) == 3
    found = nested(tmp_path, parent)
    assert {name: run.info.status for name, run in found.items()} == {  # type: ignore[attr-defined]
        "trial-0": "FINISHED", "trial-1": "FAILED", "trial-2": "KILLED",
    }  # fmt: skip
    first = found["trial-0"]
    assert first.data.params == {"x": "1.5"}  # type: ignore[attr-defined]
    assert first.data.metrics == {"score": 0.5}  # type: ignore[attr-defined]
    assert first.data.tags["intermodal.trial"] == "0"  # type: ignore[attr-defined]
    assert first.info.end_time - first.info.start_time >= 1999  # type: ignore[attr-defined]


def test_artifacts_go_to_the_task_s_own_run(parent: str, tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    (tmp_path / "notebook.ipynb").write_text("{}")
    record_children([], [tmp_path / "notebook.ipynb"], "autopilot")
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    assert [item.path for item in client.list_artifacts(parent, "autopilot")] == ["autopilot/notebook.ipynb"]


def test_without_a_run_or_with_mlflow_away_nothing_is_recorded_and_nothing_fails(
    parent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    assert record_children(CHILDREN) == 0
    assert "MLflow does not take the nested runs" in capfd.readouterr().err
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "off")
    assert record_children(CHILDREN) == 0
    monkeypatch.delenv("MLFLOW_RUN_ID")
    assert record_children(CHILDREN) == 0
    assert nested(tmp_path, parent) == {}
