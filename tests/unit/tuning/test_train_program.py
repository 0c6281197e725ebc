"""The program `train` of our images, over a folder that stands for /opt/ml."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from intermodal.core.manifest import Manifest, Origin, describe_files
from intermodal.core.registry import load_spec
from intermodal.errors import UsageError
from intermodal.tuning.train_program import metadata_of, read_parameters

TESTS = Path(__file__).parent.parent.parent


def train(
    root: Path, hyperparameters: dict[str, str], metadata: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the program as SageMaker would."""
    features = root / "input/data/features"
    features.mkdir(parents=True, exist_ok=True)
    (features / "rows.txt").write_text("rows")
    layout, files = describe_files(features)
    manifest = Manifest("system.Dataset", layout, files, Origin("test"), metadata=metadata or {})
    (features / "manifest.json").write_text(manifest.to_json())
    for name in ("input/config", "model", "output"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "input/config/hyperparameters.json").write_text(json.dumps(hyperparameters))
    environment = {**os.environ, "SM_LOCAL_PREFIX": str(root), "PYTHONPATH": str(TESTS)}
    command = [sys.executable, "-m", "intermodal", "train", "train"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_it_trains_from_hyperparameters_and_says_its_metrics(tmp_path: Path) -> None:
    given = {
        "intermodal_step": "toy_training:toy_training", "x": "0.5", "steps": "2", "_tuning_objective_metric": "score",
        "sagemaker_region": "us-east-1",
    }  # fmt: skip
    done = train(tmp_path, given, {"who": "me"})
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "model" / "told.json").read_text()) == {"seed": 0, "who": "me", "x": 0.5}
    lines = [line for line in done.stdout.splitlines() if line.startswith("metric ")]
    assert lines == ["metric score=-0.125 step=1", "metric score=-0.25 step=2", "metric score=-0.25 step=0"]
    told = json.loads((tmp_path / "output" / "data" / "metadata.json").read_text())
    assert told == {"metrics": {"score": -0.25}, "model": {"x": 0.5}}
    assert sorted(path.name for path in (tmp_path / "output").iterdir()) == ["data"]


@pytest.mark.parametrize(
    ("given", "why", "code"),
    [
        ({"x": "1"}, "name no step", 2),
        ({"intermodal_step": "toy_training:toy_training", "x": "much"}, "x has the wrong type", 2),
        ({"intermodal_step": "toy_training:toy_training", "y": "1"}, "no parameter of that name", 2),
        ({"intermodal_step": "toy_training:toy_training", "ending": "raise"}, "ValueError: asked for", 1),
    ],
)
def test_a_failure_says_why_where_sagemaker_looks(given: dict[str, str], why: str, code: int, tmp_path: Path) -> None:
    done = train(tmp_path, given)
    assert done.returncode == code
    assert why in (tmp_path / "output" / "failure").read_text()
    assert not list((tmp_path / "model").iterdir())


def test_hyperparameters_become_the_step_s_types() -> None:
    given = {"intermodal_step": "x", "epochs": "3", "learning_rate": "1e-4", "average_with_tfidf": "false", "_x": "1"}
    assert read_parameters(load_spec("train_pytorch"), given) == {
        "epochs": 3, "learning_rate": 1e-4, "average_with_tfidf": False,
    }  # fmt: skip
    with pytest.raises(UsageError):
        read_parameters(load_spec("train_pytorch"), {"epochs": "many"})


def test_features_without_a_manifest_say_nothing_of_themselves(tmp_path: Path) -> None:
    assert metadata_of(tmp_path) == {}
