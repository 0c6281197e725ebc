"""What is brought back from an AutoML job, when the candidates are SageMaker's own."""

from __future__ import annotations

import datetime as dt
import json
import tarfile
from pathlib import Path

import pytest

from intermodal.autopilot.notebooks import write_missing
from intermodal.autopilot.sagemaker import _write_model
from intermodal.aws.automl_job import STORIES, AutomlProgress, candidate_of
from intermodal.aws.service_model import _service
from intermodal.errors import ArtifactCorrupt
from intermodal.text.predictor_loading import load_predictor

BEGAN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
CANDIDATE = candidate_of(
    {
        "CandidateName": "WeightedEnsemble-L2",
        "CandidateStatus": "Completed",
        "FinalAutoMLJobObjectiveMetric": {"MetricName": "Accuracy", "Value": 0.5},
        "CandidateProperties": {
            "CandidateMetrics": [
                {"StandardMetricName": "Accuracy", "Value": 0.5, "Set": "Validation"},
                {"StandardMetricName": "Accuracy", "Value": 0.9, "Set": "Train"},
                {"StandardMetricName": "LogLoss", "Value": 1.5, "Set": "Validation"},
                {"StandardMetricName": "InferenceLatency", "Value": 0.1, "Set": "Validation"},
            ]
        },
        "InferenceContainers": [
            {"Image": "x/autogluon:1", "ModelDataUrl": "s3://b/0.tar.gz", "Environment": {"A": "b"}},
            {"Image": "x/other:1", "ModelDataUrl": "s3://b/1.tar.gz", "Environment": {}},
        ],
        "CreationTime": BEGAN,
        "EndTime": BEGAN + dt.timedelta(seconds=90),
    }
)


def archive(path: Path, files: dict[str, str]) -> Path:
    folder = path.parent / f"{path.name}.files"
    folder.mkdir(parents=True)
    with tarfile.open(path, "w:gz") as opened:
        for name, text in files.items():
            (folder / name).write_text(text)
            opened.add(folder / name, name)
    return path


def test_a_candidate_is_read_with_its_validation_metrics() -> None:
    assert CANDIDATE.metrics == {"accuracy": 0.5, "log_loss": 1.5}
    assert (CANDIDATE.objective, CANDIDATE.seconds, len(CANDIDATE.containers)) == (0.5, 90.0, 2)


def test_every_secondary_status_of_aws_has_a_story() -> None:
    shape = _service("sagemaker").operation_model("DescribeAutoMLJobV2").output_shape
    assert set(shape.members["AutoMLJobSecondaryStatus"].enum) == set(STORIES)


def test_progress_is_said_once_for_each_phase(capsys: pytest.CaptureFixture[str]) -> None:
    say = AutomlProgress()
    for phase in ("Starting", "Starting", "AnalyzingData", "AnalyzingData", "NewPhase"):
        say({"AutoMLJobSecondaryStatus": phase})
    assert capsys.readouterr().out.splitlines() == [
        "Starting: starting", "AnalyzingData: looking at the data", "NewPhase: at work",
    ]  # fmt: skip


def test_containers_of_sagemaker_s_own_are_kept_and_say_where_they_answer(tmp_path: Path) -> None:
    (tmp_path / "containers").mkdir()
    archives = [archive(tmp_path / "containers" / f"{number}-model.tar.gz", {"x": str(number)}) for number in (0, 1)]
    assert _write_model(CANDIDATE, archives, ["1", "2"], tmp_path / "model") == "sagemaker-containers"
    told = json.loads((tmp_path / "model" / "containers.json").read_text())
    assert [item["Image"] for item in told["containers"]] == ["x/autogluon:1", "x/other:1"]
    kept = tmp_path / "model" / "containers" / "1-model.tar.gz"
    assert kept.read_bytes() == archives[1].read_bytes()
    with pytest.raises(ArtifactCorrupt, match="cannot be loaded") as caught:
        load_predictor(tmp_path / "model")
    assert "runs in the containers" in caught.value.seen


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "0-model.tar.gz").write_text("no archive")
    with pytest.raises(ArtifactCorrupt, match="no archive"):
        _write_model(CANDIDATE, [tmp_path / "0-model.tar.gz"], ["1"], tmp_path / "model")


def test_notebooks_that_the_service_did_not_give_are_written(tmp_path: Path) -> None:
    described = {"warnings": [], "classes": {"1": 2}, "metric": "accuracy", "best": "x", "candidates": []}
    (tmp_path / "data_exploration.ipynb").write_text("theirs")
    write_missing(tmp_path, ["data_exploration.ipynb"], described, ["1"], "the-job")
    assert (tmp_path / "data_exploration.ipynb").read_text() == "theirs"
    text = (tmp_path / "candidate_definition.ipynb").read_text()
    assert 'AutoMLJobName=\\"the-job\\"' in text
    assert json.loads(text)["nbformat"] == 4
