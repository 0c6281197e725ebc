"""The steps `tune` and `autopilot`, done by a local SageMaker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kfp.dsl import Dataset
from local_sagemaker import BUCKET, OpenSageMaker, client, open_sagemaker  # noqa: F401
from step_calls import call_step
from tiny_models import save_features, save_tokenizer

from intermodal.steps.autopilot import autopilot
from intermodal.steps.baseline import baseline
from intermodal.steps.evaluate import evaluate
from intermodal.steps.tune import tune
from intermodal.text.held_out import model_digest

RANGES = {"regularisation": {"type": "continuous", "min": 0.01, "max": 20.0, "scale": "log"}, "min_texts": [1, 2]}


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("tuned")
    (folder / "checkpoint").mkdir()
    save_tokenizer(folder / "checkpoint")
    return save_features(folder / "features", folder / "checkpoint", rows=200)


@pytest.fixture
def on_sagemaker(open_sagemaker: OpenSageMaker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:  # noqa: F811
    open_sagemaker()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    (tmp_path / "work" / "intermodal.toml").write_text(f'[sagemaker]\nbucket = "{BUCKET}"\npoll = 0.5\n')
    monkeypatch.setenv("INTERMODAL_ENGINE", "sagemaker")
    monkeypatch.setenv("INTERMODAL_HOME", str(tmp_path / "work" / "home"))
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)


def test_a_tuning_job_gives_the_model_that_the_step_alone_makes(
    on_sagemaker: None, features: Dataset, tmp_path: Path
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
    problem: str, on_sagemaker: None, features: Dataset, tmp_path: Path
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
