"""The pages on SageMaker, each followed word by word by somebody who starts with an empty folder."""

from __future__ import annotations

import json
from pathlib import Path

from service_pages import PAGES, follow


def test_training_on_sagemaker(tmp_path: Path) -> None:
    work = follow(PAGES / "training-on-sagemaker.md", tmp_path, least=9)
    assert len(list((work / ".intermodal" / "runs").iterdir())) == 2


def test_sagemaker_pipelines(tmp_path: Path) -> None:
    work = follow(PAGES / "sagemaker-pipelines.md", tmp_path, least=7)
    definition = json.loads((work / "reviews.json").read_text())
    assert definition["Version"] == "2020-12-01"
    assert {item["Type"] for item in definition["Steps"]} >= {"Processing", "Training", "Condition"}


def test_sagemaker_endpoints(tmp_path: Path) -> None:
    follow(PAGES / "sagemaker-endpoints.md", tmp_path, least=16)


def test_tuning_and_autopilot(tmp_path: Path) -> None:
    work = follow(PAGES / "tuning-and-autopilot.md", tmp_path, least=6)
    logs = [path.read_text() for path in work.glob(".intermodal/runs/automl-*/tasks/*/log.txt")]
    for service in ("AutoML", "HyperParameterTuning"):
        assert sum(f"{service} job automl-" in log for log in logs) == 1


def test_steps_as_sagemaker_jobs(tmp_path: Path) -> None:
    follow(PAGES / "sagemaker.md", tmp_path, least=1)
