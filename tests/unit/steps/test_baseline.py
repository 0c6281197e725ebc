"""The step `baseline`, called as a plain function."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from kfp.dsl import HTML, Dataset, Markdown, Metrics, Model

from intermodal.errors import DataRejected, UsageError
from intermodal.steps.baseline import baseline
from intermodal.text.predictor_loading import load_predictor
from intermodal.text.token_rows import read_rows
from tiny_models import features_in


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return features_in(tmp_path_factory.mktemp("baseline"))


def run(features: Dataset, folder: Path, **parameters: object) -> tuple[Model, Metrics]:
    model = Model(name="model", uri=str(folder / "model"), metadata={})
    metrics = Metrics(name="metrics", uri=str(folder / "metrics"), metadata={})
    curves = Dataset(name="curves", uri=str(folder / "curves"), metadata={})
    report = HTML(name="report", uri=str(folder / "report.html"), metadata={})
    notes = Markdown(name="notes", uri=str(folder / "notes.md"), metadata={})
    baseline(features, model, curves, metrics, report, notes, **parameters)
    return model, metrics


def test_the_baseline_rates_unseen_reviews(features: Dataset, tmp_path: Path) -> None:
    model, metrics = run(features, tmp_path)
    test = read_rows(Path(features.path), "test", 5)
    found = load_predictor(model.path).predict_proba(test.texts)
    assert (found.argmax(axis=1) == test.labels).mean() > 0.6
    assert model.metadata["kind"] == "tfidf"
    assert model.metadata["test_digest"] == features.metadata["splits"]["test"]["digest"]
    held_out = read_rows(Path(features.path), "validation", 5)
    right = load_predictor(model.path).predict_proba(held_out.texts).argmax(axis=1) == held_out.labels
    assert metrics.metadata["validation_accuracy"] == pytest.approx(right.mean())
    assert json.loads((tmp_path / "model" / "model.json").read_text())["recipe"]["rows"] == 400


def test_the_same_parameters_give_the_same_bytes(features: Dataset, tmp_path: Path) -> None:
    for name in ("one", "two"):
        run(features, tmp_path / name)
    for path in sorted((tmp_path / "one").rglob("*.*")):
        other = tmp_path / "two" / path.relative_to(tmp_path / "one")
        assert path.read_bytes() == other.read_bytes(), path.name


def test_stronger_regularisation_gives_answers_less_sure(features: Dataset, tmp_path: Path) -> None:
    texts = read_rows(Path(features.path), "test", 5).texts
    weak, strong = (
        load_predictor(run(features, tmp_path / str(value), regularisation=value)[0].path)
        .predict_proba(texts)
        .max(axis=1)
        for value in (2.0, 0.02)
    )
    assert np.mean(strong) < np.mean(weak) - 0.1


@pytest.mark.parametrize("wrong", [{"regularisation": 0.0}, {"regularisation": float("nan")}, {"min_texts": 0}])
def test_parameters_out_of_range_are_refused(wrong: dict[str, float], features: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="out of range"):
        run(features, tmp_path, **wrong)


def test_features_without_a_split_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataRejected, match="no split train"):
        run(Dataset(name="features", uri=str(tmp_path / "empty"), metadata={}), tmp_path)
