"""The parent run in MLflow of a run on Kubeflow ends in its true state, and its page names no password."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from intermodal.core.config import load_settings
from intermodal.runtime.kubeflow.parent import Parent
from intermodal.runtime.record import RunRecord, TaskRecord
from intermodal.tracking.recorder_process import run_url


def test_without_its_report_it_ends_all_the_same(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    warnings: list[str] = []
    parent = Parent(load_settings(), "tests", warnings.append)
    task = TaskRecord("choose", state="SUCCEEDED", metrics={"my model (2)_accuracy": 0.5})
    record = RunRecord("a", "a", "a.py", {}, {}, state="SUCCEEDED", tasks=(task,), remote={"run_id": "b"})
    record = replace(record, mlflow=parent.claim(record))
    parent.end(record, tmp_path / "no-such-report.html")
    run = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").get_run(record.mlflow["run_id"])
    assert run.info.status == "FINISHED"
    assert list(run.data.metrics.values()) == [0.5]
    assert "summary" in warnings[0]


def test_pods_look_for_an_inherited_run_where_it_is(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    client, warnings = MlflowClient(uri), list[str]()
    run = client.create_run(client.create_experiment("elsewhere"))
    parent = Parent(load_settings(), "tests", warnings.append)
    assert parent.place() == "tests"
    monkeypatch.setenv("MLFLOW_RUN_ID", run.info.run_id)
    assert parent.place() == "elsewhere"
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    assert parent.place() == "tests"
    assert len(warnings) == 1


def test_the_page_of_a_run_names_no_password():
    page = "https://mlflow.example.com/base/#/experiments/1/runs/a"
    assert run_url("https://me:hidden@mlflow.example.com/base/", "a", "1") == page
    assert run_url("https://mlflow.example.com/base", "a", "1") == page
    assert run_url("sqlite:///a.db", "a", "1") == ""
