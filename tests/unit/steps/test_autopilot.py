"""The step `autopilot` on this machine, called as a plain function."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from kfp.dsl import Dataset

from intermodal.errors import UsageError
from intermodal.steps.autopilot import autopilot
from intermodal.steps.evaluate import evaluate
from intermodal.steps.featurize import featurize
from intermodal.steps.generate import generate
from intermodal.steps.ingest import ingest
from step_calls import call_step
from tiny_models import features_in

FAST = ["naive_bayes", "ordinal"]


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return features_in(tmp_path_factory.mktemp("autopilot"), rows=200)


def test_the_best_candidate_is_a_model_that_evaluates(features: Dataset, tmp_path: Path) -> None:
    made = call_step(autopilot, tmp_path / "made", features=features, candidates=4, algorithms=FAST)
    board = json.loads((Path(made["leaderboard"].path) / "leaderboard.json").read_text())
    table = pq.read_table(Path(made["leaderboard"].path) / "leaderboard.parquet").to_pylist()
    assert [row["name"] for row in table] == [item["name"] for item in board["candidates"]]
    assert board["best"] == table[0]["name"]
    assert made["metrics"].metadata["validation_accuracy"] == table[0]["objective"]
    assert made["model"].metadata["test_digest"] == features.metadata["splits"]["test"]["digest"]
    judged = call_step(evaluate, tmp_path / "judged", model=made["model"], features=features)
    assert judged["metrics"].metadata["accuracy"] > 0.6


def test_the_same_parameters_give_the_same_bytes(features: Dataset, tmp_path: Path) -> None:
    for name in ("one", "two"):
        call_step(autopilot, tmp_path / name, features=features, candidates=3, algorithms=FAST)
    paths = [path for path in sorted((tmp_path / "one").rglob("*")) if path.is_file()]
    assert len(paths) > 8
    for path in paths:
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes(), path.name


def test_reviews_give_what_their_features_give(tmp_path: Path) -> None:
    raw = call_step(generate, tmp_path / "raw", rows=900)["raw"]
    reviews = call_step(ingest, tmp_path / "reviews", raw=raw)["reviews"]
    features = call_step(featurize, tmp_path / "features", reviews=reviews)["features"]
    of_reviews = call_step(autopilot, tmp_path / "one", reviews=reviews, candidates=1, algorithms=FAST)
    of_features = call_step(autopilot, tmp_path / "two", features=features, candidates=1, algorithms=FAST)
    names = ("linear.npz", "vocabulary.json")
    assert [(Path(of_reviews["model"].path) / name).read_bytes() for name in names] == [
        (Path(of_features["model"].path) / name).read_bytes() for name in names
    ]
    board = json.loads((Path(of_reviews["leaderboard"].path) / "leaderboard.json").read_text())
    assert board["warnings"] == []


def test_the_page_and_the_notes_show_the_leaderboard(features: Dataset, tmp_path: Path) -> None:
    made = call_step(autopilot, tmp_path, features=features, candidates=3, algorithms=FAST)
    best = made["leaderboard"].metadata["best"]
    page, notes = (Path(made[name].path).read_text() for name in ("report", "notes"))
    assert f"{best} is the best of 3 candidates" in page
    assert "<svg" in page
    assert best in notes.replace("\\", "")


@pytest.mark.parametrize("both", [True, False])
def test_features_or_reviews_are_needed_and_not_both(both: bool, features: Dataset, tmp_path: Path) -> None:
    given = {"features": features, "reviews": features} if both else {}
    with pytest.raises(UsageError, match="features or reviews"):
        call_step(autopilot, tmp_path, **given)
