"""Stopping jobs when SageMaker answers no more: each is asked for once, and the others still have their turn."""

from __future__ import annotations

from typing import Any

import pytest

from intermodal.aws.job_kinds import TRAINING
from intermodal.aws.ownership import Ownership
from intermodal.aws.settings import STOP_PATIENCE, SageMakerSettings
from intermodal.core.config import load_settings
from intermodal.errors import RuntimeFailed
from intermodal.runtime.sagemaker import launcher
from intermodal.runtime.sagemaker.launcher import Job, Jobs


class Mine(Ownership):
    """Every job is this run's."""

    def claim(self, job: str) -> None: ...

    def claim_new(self, job: str) -> bool:
        return True

    def is_ours(self, job: str) -> bool:
        return True

    def other(self, job: str) -> str:
        return ""


class Gone:
    """Stands for `Calls` of a service that is gone for one job, and answers for the other."""

    asked: list[tuple[str, str]]
    patience: list[float]

    def __init__(self, _service: str, settings: SageMakerSettings, **_more: Any) -> None:
        self.patience.append(settings.patience)

    def __call__(self, operation: str, **given: Any) -> dict[str, Any]:
        name = given["TrainingJobName"]
        self.asked.append((operation, name))
        if name == "lost":
            raise RuntimeFailed("sagemaker did not answer")
        stopped = ("StopTrainingJob", name) in self.asked
        return {"TrainingJobStatus": "Stopped" if stopped else "InProgress"}


def test_a_job_that_cannot_be_asked_for_is_asked_for_once_and_the_others_are_stopped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(launcher, "Calls", Gone)
    Gone.asked, Gone.patience = [], []
    jobs = Jobs(load_settings(), SageMakerSettings(), "adding")
    for name in ("lost", "found"):
        jobs._active[name] = Job(TRAINING, name, Mine(), description={"TrainingJobStatus": "InProgress"})
    Gone.patience.clear()
    jobs.stop()
    assert Gone.patience == [STOP_PATIENCE]
    assert [operation for operation, name in Gone.asked if name == "lost"] == ["DescribeTrainingJob"]
    assert [operation for operation, name in Gone.asked if name == "found"].count("StopTrainingJob") == 1
    assert (
        "warning: the training job lost may go on: sagemaker did not answer; intermodal reap" in capsys.readouterr().err
    )
    assert jobs._active == {}
