"""A training that is killed anywhere and started again ends with the very bytes of one that was not."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from kfp.dsl import Dataset

from tiny_models import save_checkpoint, save_features
from training_attempts import Attempts


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def features(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return save_features(tmp_path_factory.mktemp("features") / "features", checkpoint, rows=200)


def test_a_training_killed_at_several_points_ends_with_the_same_bytes(
    features: Dataset, checkpoint: Path, tmp_path: Path
) -> None:
    parameters = {
        "checkpoint": str(checkpoint),
        "strategy": "full",
        "epochs": 2,
        "batch_size": 8,
        "average_with_tfidf": False,
    }
    attempts = Attempts(tmp_path, features, parameters)
    attempts.in_one_go("whole")
    for number, kill in enumerate(
        ({"at": "step", "number": 9}, {"at": "replace", "number": 2}, {"at": "replace", "number": 5})
    ):
        killed = attempts.run(f"killed{number}", kill=kill)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    kept = attempts.positions()
    last = attempts.run("resumed")
    assert last.returncode == 0, last.stderr
    assert "resuming from the checkpoint after step" in last.stdout
    assert attempts.made("resumed") == attempts.made("whole")
    # How far three short lives come depends on the disk: checkpoints are written while the training goes on.
    assert attempts.metadata("resumed").pop("resumed_from_step") == kept[-1] > 0
    assert "resumed_from_step" not in attempts.metadata("whole")
    assert len(attempts.positions()) <= 2
    assert attempts.positions()[-1] == 50
    assert not list(attempts.kept.rglob(".writing-*"))


@pytest.mark.parametrize(
    ("told", "position"),
    [({"at": "step", "number": 30}, 30), ({"at": "judge", "number": 1}, 25)],
    ids=["step", "judge"],
)
def test_a_training_told_to_stop_saves_first_and_goes_on_from_there(
    told: dict[str, Any], position: int, features: Dataset, checkpoint: Path, tmp_path: Path
) -> None:
    parameters = {
        "checkpoint": str(checkpoint),
        "strategy": "lora",
        "epochs": 2,
        "batch_size": 8,
        "average_with_tfidf": False,
    }
    attempts = Attempts(tmp_path, features, parameters)
    stopped = attempts.run("stopped", signal=told)
    assert stopped.returncode == 130, stopped.stderr
    assert attempts.positions()[-1] == position  # the step that was under way was finished
    assert attempts.run("resumed").returncode == 0
    assert attempts.metadata("resumed")["resumed_from_step"] == position
    attempts.in_one_go("whole")
    assert attempts.made("resumed") == attempts.made("whole")
