"""The pipeline `automl` as a user runs it: on this machine, and on a local SageMaker."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from launching import command
from local_sagemaker import OpenSageMaker, client

PIPELINE = Path(__file__).resolve().parents[2] / "pipelines" / "automl.py"
GIVEN = ("rows=600", "candidates=2", "trials=3", "parallel=2", "problem=tabular")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INTERMODAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    for name in ("INTERMODAL_STORE", "MLFLOW_RUN_ID", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> dict[str, Any]:
    parameters = [word for item in GIVEN for word in ("-p", item)]
    # Without a limit of its own: nine jobs one after the other take their time on a busy machine.
    done = subprocess.run(command("run", str(PIPELINE), *parameters, *words, "--json"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout))


def nested_runs(folder: Path) -> dict[str, list[str]]:
    """Name of a task → states of the runs nested under its own."""
    from mlflow.tracking import MlflowClient

    mlflow = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    found = mlflow.search_runs([item.experiment_id for item in mlflow.search_experiments()])
    names = {item.info.run_id: item.info.run_name for item in found}
    under: dict[str, list[str]] = {}
    for item in found:
        parent = names.get(item.data.tags.get("mlflow.parentRunId", ""), "")
        under.setdefault(parent, []).append(item.info.status)
    return under


def check(answer: dict[str, Any], home: Path) -> None:
    digests = {name: item["digest"] for name, item in answer["artifacts"].items()}
    assert digests["choose.model"] in (digests["autopilot.model"], digests["tune.model"])
    metrics = {task["name"]: task["metrics"] for task in answer["tasks"]}
    assert metrics["tune"]["trials_completed"] == 3
    assert metrics["autopilot"]["candidates"] == 2
    nested = nested_runs(home)
    assert nested["tune"] == ["FINISHED"] * 3
    assert nested["autopilot"] == ["FINISHED"] * 2


def test_autopilot_beside_a_tuned_baseline_and_the_better_is_chosen(home: Path) -> None:
    answer = run()
    check(answer, home)
    choice = json.loads((Path(answer["artifacts"]["choose.choice"]["uri"]) / "choice.json").read_text())
    assert {item["name"] for item in choice["ranking"]} == {"autopilot", "tuned"}
    again = run()
    assert {task["state"] for task in again["tasks"]} == {"CACHED"}


def test_the_same_on_sagemaker(open_sagemaker: OpenSageMaker, home: Path) -> None:
    open_sagemaker()
    (home / "intermodal.toml").write_text("[sagemaker]\npoll = 0.5\n")
    answer = run("--on", "sagemaker")
    check(answer, home)
    (tuning,) = client().list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"]
    (automl,) = client().list_auto_ml_jobs()["AutoMLJobSummaries"]
    assert tuning["HyperParameterTuningJobStatus"] == automl["AutoMLJobStatus"] == "Completed"
    tags = client().list_tags(ResourceArn=tuning["HyperParameterTuningJobArn"])["Tags"]
    assert {"Key": "intermodal:task", "Value": "tune"} in tags
