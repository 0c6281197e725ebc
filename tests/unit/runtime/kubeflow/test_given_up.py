"""A run on Kubeflow that cannot begin, or be followed any more: what its record and its MLflow run say then."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

import launching
from intermodal.cli.resume import main as resume
from intermodal.core.config import load_settings
from intermodal.errors import RuntimeFailed, UsageError
from intermodal.runtime.base import RunRequest
from intermodal.runtime.kubeflow import runtime as module
from intermodal.runtime.observer import Observer
from intermodal.runtime.pipeline import load_pipeline
from intermodal.runtime.record import RUNNING, find_record, list_records, this_process
from intermodal.tracking.shared_parent import OWNER_TAG

SETTINGS = """
[kubeflow]
host = "http://127.0.0.1:1"
allow_mutable_tags = true
patience = 0.1
"""


@pytest.fixture
def runtime(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> module.KubeflowRuntime:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    Path("intermodal.toml").write_text(SETTINGS)
    return module.KubeflowRuntime(load_settings())


def begun(runtime: module.KubeflowRuntime) -> None:
    request = RunRequest(load_pipeline(launching.pipeline("uncached", "toy_pipelines.py")), {})
    with pytest.raises(RuntimeFailed):
        runtime.run(request, Observer())


def test_a_run_that_no_server_was_there_for_has_failed(runtime: module.KubeflowRuntime):
    begun(runtime)
    (record,) = list_records(runtime.settings.runs)
    assert record.state == "FAILED"
    assert "did not answer" in record.error["headline"]


def test_a_run_that_nobody_can_follow_leaves_its_mlflow_run_to_its_tasks(
    runtime: module.KubeflowRuntime, monkeypatch: pytest.MonkeyPatch
):
    def created(self: Any, request: RunRequest, server: Any, record: Any) -> Any:
        return self._noted(record, SimpleNamespace(run_id="11111111-2222-3333-4444-555555555555"))

    monkeypatch.setattr(module.KubeflowRuntime, "_created", created)
    begun(runtime)
    (record,) = list_records(runtime.settings.runs)
    assert record.state == RUNNING
    run = MlflowClient(runtime.settings.tracking_uri).get_run(record.mlflow["run_id"])
    assert OWNER_TAG not in run.data.tags
    assert run.info.status != "RUNNING"


def test_a_run_that_is_being_created_is_not_created_by_another_process_too(runtime: module.KubeflowRuntime):
    begun(runtime)
    record = replace(list_records(runtime.settings.runs)[0], state=RUNNING, **this_process())
    record.save(runtime.settings.runs)
    with pytest.raises(UsageError, match="still going on"):
        resume([record.run_id])
    assert find_record(runtime.settings.runs, record.run_id).state == RUNNING
