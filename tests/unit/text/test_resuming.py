"""A training that is killed anywhere and started again ends with the very bytes of one that was not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kfp.dsl import HTML, Dataset, Markdown, Metrics, Model

from intermodal.steps.train_pytorch import train_pytorch
from tiny_models import save_checkpoint, save_features

PROCESS = Path(__file__).parents[2] / "training_process.py"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def features(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return save_features(tmp_path_factory.mktemp("features") / "features", checkpoint, rows=200)


class Attempts:
    """Attempts at one training, each in a process of its own, with the same directory of checkpoints."""

    def __init__(
        self, folder: Path, features: Dataset, parameters: dict[str, Any], step: str = "train_pytorch"
    ) -> None:
        self.kept, self._folder, self._step = folder / "checkpoints", folder, step
        self._features, self._parameters = features, parameters

    def run(self, name: str, **arranged: Any) -> subprocess.CompletedProcess[str]:
        told = {
            "folder": str(self._folder / name), "features": self._features.path, "metadata": self._features.metadata,
            "parameters": self._parameters, "step": self._step, **arranged,
        }  # fmt: skip
        settings = self._folder / f"{name}.json"
        settings.write_text(json.dumps(told))
        environment = {**os.environ, "PYTHONPATH": str(PROCESS.parent), "TF_CPP_MIN_LOG_LEVEL": "3"}
        environment |= {"INTERMODAL_CHECKPOINTS": str(self.kept), "INTERMODAL_CHECKPOINT_SECONDS": "0"}
        command = [sys.executable, str(PROCESS), str(settings)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280, check=False)

    def in_one_go(self, name: str) -> None:
        """The same training in this process, without checkpoints."""
        folder = self._folder / name
        made = [
            kind(name=part, uri=str(folder / part), metadata={})
            for kind, part in (
                (Model, "model"),
                (Dataset, "curves"),
                (Metrics, "metrics"),
                (HTML, "r"),
                (Markdown, "n"),
            )
        ]
        train_pytorch(self._features, *made, **self._parameters)
        (folder / "metadata.json").write_text(json.dumps(made[0].metadata))

    def made(self, name: str) -> dict[str, bytes]:
        """Files of the model and of the curves."""
        roots = [self._folder / name / part for part in ("model", "curves")]
        files = [path for root in roots for path in sorted(root.rglob("*")) if path.is_file()]
        assert files
        return {str(path.relative_to(self._folder / name)): path.read_bytes() for path in files}

    def metadata(self, name: str) -> dict[str, Any]:
        return dict(json.loads((self._folder / name / "metadata.json").read_text()))

    def positions(self) -> list[int]:
        return sorted(int(path.stem.removeprefix("state-")) for path in self.kept.rglob("state-*.json"))


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
    last = attempts.run("resumed")
    assert last.returncode == 0, last.stderr
    assert "resuming from the checkpoint after step" in last.stdout
    assert attempts.made("resumed") == attempts.made("whole")
    assert attempts.metadata("resumed").pop("resumed_from_step") > 8
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
