"""The MLproject door: `mlflow run` starts a step and a pipeline, in the run that MLflow made."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from launching import TESTS

ROOT = TESTS.parent


def mlflow_run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`mlflow run . --env-manager local WORDS…` in this environment."""
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
        "INTERMODAL_HOME": str(folder / "home"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    command = [sys.executable, "-m", "mlflow", "run", str(ROOT), "--env-manager", "local", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, check=False)


def test_a_step_is_recorded_in_the_run_that_mlflow_made(tmp_path: Path) -> None:
    done = mlflow_run(tmp_path, "-e", "generate", "-P", "rows=300", "-P", "defects={}")
    assert done.returncode == 0, done.stderr[-2000:]
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    runs = [run for item in client.search_experiments() for run in client.search_runs([item.experiment_id])]
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    nested = [run for run in runs if run.data.tags.get("mlflow.parentRunId")]
    assert len(parents) == 1, "the run that MLflow made is adopted, not doubled"
    assert [run.data.tags["mlflow.parentRunId"] for run in nested] == [parents[0].info.run_id]
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert nested[0].data.metrics["rows"] == 300


def test_a_wrong_parameter_fails_the_run_with_the_reason(tmp_path: Path) -> None:
    done = mlflow_run(tmp_path, "-e", "generate", "-P", "rows=many")
    assert done.returncode != 0
    assert "a whole number" in done.stderr + done.stdout
