"""A Keras training that is killed and started again ends with the very bytes of one that was not."""

from __future__ import annotations

import signal
from pathlib import Path

from tiny_models import save_checkpoint, save_features
from training_attempts import Attempts


def test_a_killed_keras_training_ends_with_the_same_bytes(tmp_path: Path) -> None:
    checkpoint = save_checkpoint(tmp_path / "tiny")
    features = save_features(tmp_path / "features", checkpoint, rows=80)
    parameters = {
        "checkpoint": str(checkpoint), "strategy": "full", "epochs": 2, "batch_size": 8, "average_with_tfidf": False,
    }  # fmt: skip
    attempts = Attempts(tmp_path, features, parameters, "train_tensorflow")
    killed = attempts.run("killed", kill={"at": "keras", "number": 17})
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert 10 <= attempts.positions()[-1] <= 16
    resumed = attempts.run("resumed")
    assert resumed.returncode == 0, resumed.stderr
    assert attempts.metadata("resumed")["resumed_from_step"] >= 10
    attempts.in_one_go("whole")
    assert attempts.made("resumed") == attempts.made("whole")
