"""The steps `tune` and `autopilot`, done by a local SageMaker."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kfp.dsl import Dataset

from intermodal.runtime.sagemaker_local.server import LocalSageMaker
from intermodal.steps.autopilot import autopilot
from intermodal.steps.baseline import baseline
from intermodal.steps.evaluate import evaluate
from intermodal.steps.tune import tune
from intermodal.text.held_out import model_digest
from local_sagemaker import BUCKET, PATIENCE, OpenSageMaker, client, wait_for
from step_calls import call_step
from tiny_models import features_in

TESTS = Path(__file__).parent.parent
RANGES = {"regularisation": {"type": "continuous", "min": 0.01, "max": 20.0, "scale": "log"}, "min_texts": [1, 2]}


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return features_in(tmp_path_factory.mktemp("tuned"), rows=200)


@pytest.fixture
def on_sagemaker(
    open_sagemaker: OpenSageMaker,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> LocalSageMaker:
    local = open_sagemaker()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    (tmp_path / "work" / "intermodal.toml").write_text(f'[sagemaker]\nbucket = "{BUCKET}"\npoll = 0.5\n')
    monkeypatch.setenv("INTERMODAL_SERVICE", "sagemaker")
    monkeypatch.setenv("INTERMODAL_HOME", str(tmp_path / "work" / "home"))
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    return local


def test_a_tuning_job_gives_the_model_that_the_step_alone_makes(
    on_sagemaker: LocalSageMaker, features: Dataset, tmp_path: Path
) -> None:
    made = call_step(tune, tmp_path / "tuned", features=features, ranges=RANGES, trial_count=3, parallel=2)
    told = json.loads((Path(made["trials"].path) / "trials.json").read_text())
    assert [item["state"] for item in told["trials"]] == ["COMPLETED"] * 3
    alone = call_step(baseline, tmp_path / "alone", features=features, **made["model"].metadata["tuned"])
    assert model_digest(Path(made["model"].path)) == model_digest(Path(alone["model"].path))
    assert made["metrics"].metadata["validation_accuracy"] == alone["metrics"].metadata["validation_accuracy"]
    assert made["model"].metadata["test_digest"] == features.metadata["splits"]["test"]["digest"]
    job = client().describe_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=made["trials"].metadata["tuning_job"]
    )
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert job["TrainingJobStatusCounters"]["Completed"] == 3


@pytest.mark.parametrize("problem", ["text", "tabular"])
def test_autopilot_brings_candidates_notebooks_and_a_model_that_evaluates(
    problem: str, on_sagemaker: LocalSageMaker, features: Dataset, tmp_path: Path
) -> None:
    made = call_step(autopilot, tmp_path / "piloted", features=features, candidates=3, problem=problem)
    told = json.loads((Path(made["leaderboard"].path) / "leaderboard.json").read_text())
    assert len(told["candidates"]) == (1 if problem == "text" else 3)
    containers = json.loads((Path(made["leaderboard"].path) / "containers.json").read_text())
    assert containers["candidate"] == told["best"]
    assert containers["containers"][0]["ModelDataUrl"].endswith("model.tar.gz")
    names = sorted(path.name for path in Path(made["notebooks"].path).iterdir())
    assert names == ["candidate_definition.ipynb", "data_exploration.ipynb"]
    judged = call_step(evaluate, tmp_path / "judged", model=made["model"], features=features)
    assert judged["metrics"].metadata["accuracy"] > 0.5
    assert made["metrics"].metadata["validation_accuracy"] == told["candidates"][0]["objective"]


def slow_tuning(features: Dataset, **more: str) -> list[str]:
    """The command of a tuning whose training jobs take a minute each."""
    given = {
        "features": features.path, "train": "toy_training:toy_training", "ranges": '{"x": [0.0, 1.0, 2.0, 3.0]}',
        "fixed": '{"pause": 60}', "metric": "score", "trial_count": "4", "parallel": "2", **more,
    }  # fmt: skip
    words = [word for name, value in given.items() for word in (f"--{name}", value)]
    return [sys.executable, "-m", "intermodal", "step", "tune", *words]


def the_tuning_job() -> str:
    def found() -> str:
        jobs = client().list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"]
        return str(jobs[0]["HyperParameterTuningJobName"]) if jobs else ""

    return str(wait_for(found, "no tuning job"))


def children_of(job: str) -> list[dict[str, Any]]:
    answer = client().list_training_jobs_for_hyper_parameter_tuning_job(HyperParameterTuningJobName=job)
    return list(answer["TrainingJobSummaries"])


def test_told_to_stop_it_stops_the_tuning_job_once_and_so_its_training_jobs(
    on_sagemaker: LocalSageMaker, features: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    with (tmp_path / "out.txt").open("wb") as out:
        process = subprocess.Popen(slow_tuning(features), stdout=out, stderr=out)
        try:
            job = the_tuning_job()
            wait_for(lambda: sum(item["TrainingJobStatus"] == "InProgress" for item in children_of(job)) == 2)
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 130
        finally:
            process.kill()
    described = client().describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=job)
    assert described["HyperParameterTuningJobStatus"] in ("Stopping", "Stopped")
    wait_for(lambda: all(item["TrainingJobStatus"] in ("Stopped", "Completed") for item in children_of(job)))
    stops = [seen for seen in on_sagemaker.requests if seen.operation == "StopHyperParameterTuningJob"]
    assert [seen.status for seen in stops] == [200]
    assert len(children_of(job)) == 2


def test_a_second_run_adopts_the_tuning_job_that_the_first_left(
    on_sagemaker: LocalSageMaker, features: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "off")
    more = {"fixed": '{"pause": 3}', "trial_count": "2"}
    with (tmp_path / "out.txt").open("wb") as out:
        first = subprocess.Popen(slow_tuning(features, **more), stdout=out, stderr=out)
        job = the_tuning_job()
        first.kill()
        first.wait()
        second = subprocess.run(slow_tuning(features, **more), stdout=out, stderr=out, check=False, timeout=200)
    text = (tmp_path / "out.txt").read_text()
    assert second.returncode == 0, text
    creations = [seen for seen in on_sagemaker.requests if seen.operation == "CreateHyperParameterTuningJob"]
    assert [seen.status for seen in creations] == [200, 400]
    assert the_tuning_job() == job
    assert len(children_of(job)) == 2
