"""A tuning on SageMaker that is told to stop, while the service is gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from intermodal.aws.calls import Calls
from intermodal.aws.settings import STOP_PATIENCE
from intermodal.core.registry import load_spec
from intermodal.errors import Interrupted
from intermodal.tuning import sagemaker
from intermodal.tuning.engine import Given
from sagemaker_plans import a_catalogue_plan

RANGES = {"regularisation": {"type": "continuous", "min": 0.1, "max": 10, "scale": "log"}}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How patient each question about the training jobs was; the tuning job itself is told to stop."""
    found: list[float] = []

    class Stopped:
        name = "reviews-tune-0"

        def __init__(self, *_given: Any) -> None: ...

        def run(self, *_given: Any) -> None:
            raise Interrupted("told to stop")

    def children(calls: Calls, *_given: Any) -> list[Any]:
        found.append(calls.settings.patience)
        return []

    monkeypatch.setattr(sagemaker, "ServiceJob", Stopped)
    monkeypatch.setattr(sagemaker, "child_jobs", children)
    monkeypatch.setattr(sagemaker, "tell_mlflow", lambda *_given: None)
    monkeypatch.setattr(sagemaker, "ship_features", lambda *_given: "s3://bucket/features")
    monkeypatch.setattr(sagemaker, "current_plan", lambda *_given: a_catalogue_plan("tune"))
    return found


def test_no_more_than_the_patience_of_whoever_has_to_end(asked: list[float], tmp_path: Path) -> None:
    defaults = {item.name: item.default for item in load_spec("tune").parameters}
    parameters = {**defaults, "train": "baseline", "metric": "validation_qwk", "ranges": RANGES}
    with pytest.raises(Interrupted):
        sagemaker.tune_on_sagemaker(parameters, Given(tmp_path, {}, {}), tmp_path / "model", tmp_path)
    assert asked == [STOP_PATIENCE]
