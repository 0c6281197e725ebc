"""The step `tune` on this machine, called as a plain function."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kfp.dsl import Dataset

from intermodal.core.source import source_files
from intermodal.errors import UsageError
from intermodal.steps.baseline import baseline
from intermodal.steps.tune import tune
from intermodal.text.held_out import model_digest
from step_calls import call_step
from tiny_models import features_in

RANGES = {"regularisation": [0.01, 2.0], "min_texts": {"type": "integer", "min": 1, "max": 2}}


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return features_in(tmp_path_factory.mktemp("tune"), rows=100)


def test_the_model_is_what_the_training_step_alone_makes(features: Dataset, tmp_path: Path) -> None:
    made = call_step(tune, tmp_path / "tuned", features=features, ranges=RANGES, trial_count=3)
    tuned = made["model"].metadata["tuned"]
    assert set(tuned) == {"regularisation", "min_texts", "seed"}
    alone = call_step(baseline, tmp_path / "alone", features=features, **tuned)
    assert model_digest(Path(made["model"].path)) == model_digest(Path(alone["model"].path))
    assert alone["model"].metadata.items() <= made["model"].metadata.items()
    metrics = made["metrics"].metadata
    assert alone["metrics"].metadata.items() <= metrics.items()
    assert (metrics["trials_completed"], metrics["trials_failed"], metrics["trials_stopped"]) == (3, 0, 0)
    assert len(made["trials"].metadata["seconds"]) == 3


def test_a_second_tuning_begins_with_what_the_first_found(
    features: Dataset, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first = call_step(tune, tmp_path / "first", features=features, ranges=RANGES, trial_count=2)
    call_step(tune, tmp_path / "second", features=features, ranges=RANGES, trial_count=1, earlier=first["trials"])
    assert "2 trials of an earlier tuning are known" in capfd.readouterr().out


def test_the_page_and_the_notes_say_what_was_best(features: Dataset, tmp_path: Path) -> None:
    made = call_step(tune, tmp_path, features=features, ranges={"min_texts": [1, 2, 900]}, strategy="grid")
    told = json.loads((Path(made["trials"].path) / "trials.json").read_text())
    page, notes = (Path(made[name].path).read_text() for name in ("report", "notes"))
    assert f"trial {told['best']} of 3 is the best" in page
    assert page.count("<svg") >= 3
    assert "://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "2 completed, 0 stopped, 1 failed." in notes


def test_a_wrong_range_is_refused_before_anything_starts(features: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no parameter of that name"):
        call_step(tune, tmp_path / "x", features=features, ranges={"depth": [1]})
    assert not list((tmp_path / "x").iterdir())


def test_a_change_of_what_is_tuned_is_a_change_of_the_step() -> None:
    files = source_files("intermodal.steps.tune:tune")
    for name in ("steps.baseline", "steps.train_pytorch", "text.linear_training", "tuning.search"):
        assert f"intermodal.{name}" in files
