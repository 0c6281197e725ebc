"""The step `train_pytorch`, called as a plain function."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from kfp.dsl import HTML, Dataset, Markdown, Metrics, Model

from intermodal.errors import DataRejected, UsageError
from intermodal.steps.train_pytorch import train_pytorch
from intermodal.text.predictor_loading import load_predictor
from intermodal.text.token_rows import read_rows
from tiny_models import FAMILIES, save_checkpoint, save_features


@dataclass(frozen=True)
class Made:
    """The outputs of the step."""

    model: Model
    curves: Dataset
    metrics: Metrics

    def series(self) -> dict[str, list[float]]:
        """Values of each curve."""
        table = pq.read_table(Path(self.curves.path) / "curves.parquet").to_pydict()
        found: dict[str, list[float]] = {}
        for name, value in zip(table["series"], table["value"], strict=True):
            found.setdefault(name, []).append(value)
        return found

    def facts(self) -> dict[str, object]:
        """The content of `model.json`."""
        return dict(json.loads((Path(self.model.path) / "model.json").read_text()))


def run(features: Dataset, folder: Path, **parameters: object) -> Made:
    made = Made(
        Model(name="model", uri=str(folder / "model"), metadata={}),
        Dataset(name="curves", uri=str(folder / "curves"), metadata={}),
        Metrics(name="metrics", uri=str(folder / "metrics"), metadata={}),
    )
    report = HTML(name="report", uri=str(folder / "report.html"), metadata={})
    notes = Markdown(name="notes", uri=str(folder / "notes.md"), metadata={})
    train_pytorch(features, made.model, made.curves, made.metrics, report, notes, **parameters)
    return made


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def features(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return save_features(tmp_path_factory.mktemp("features") / "features", checkpoint)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_trained_model_rates_unseen_reviews(features: Dataset, checkpoint: Path, tmp_path: Path) -> None:
    made = run(features, tmp_path, checkpoint=str(checkpoint), epochs=2)
    test = read_rows(Path(features.path), "test", 5)
    found = load_predictor(made.model.path).predict_proba(test.texts)
    assert (found.argmax(axis=1) == test.labels).mean() > 0.6
    assert made.model.metadata["kind"] == "bert+tfidf"
    assert made.model.metadata["test_digest"] == features.metadata["splits"]["test"]["digest"]
    assert {"validation_accuracy", "validation_qwk", "validation_loss"} <= made.metrics.metadata.keys()
    assert "validation_bert_accuracy" in made.metrics.metadata
    assert made.facts()["labels"] == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_encoder_alone_learns_in_every_family(family: str, tmp_path: Path) -> None:
    checkpoint = save_checkpoint(tmp_path / family, family)
    features = save_features(tmp_path / "features", checkpoint)
    made = run(
        features, tmp_path, checkpoint=str(checkpoint), strategy="full", epochs=4, learning_rate=2e-3, batch_size=16,
        average_with_tfidf=False,
    )  # fmt: skip
    series = made.series()
    assert series["train_loss"][-1] < series["train_loss"][0] - 0.3
    assert len(series["validation_accuracy"]) == 4
    assert series["validation_accuracy"][-1] > 0.5
    assert made.model.metadata["kind"] == "bert"
    assert made.metrics.metadata["validation_accuracy"] == pytest.approx(series["validation_accuracy"][-1])
    assert not (Path(made.model.path) / "linear.npz").exists()


@pytest.mark.parametrize("parameters", [{}, {"strategy": "full"}, {"strategy": "lora"}], ids=["auto", "full", "lora"])
def test_the_same_seed_gives_the_same_bytes(
    parameters: dict[str, str], features: Dataset, checkpoint: Path, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        run(features, tmp_path / name, checkpoint=str(checkpoint), epochs=1, **parameters)
    one, two = files(tmp_path / "one"), files(tmp_path / "two")
    assert one.keys() == two.keys()
    assert [name for name in one if one[name] != two[name]] == []
    run(features, tmp_path / "other", checkpoint=str(checkpoint), epochs=1, seed=8, **parameters)
    assert files(tmp_path / "other")["model/encoder.safetensors"] != one["model/encoder.safetensors"]


def test_a_model_does_not_know_where_its_checkpoint_lay(features: Dataset, tmp_path: Path) -> None:
    for name in ("one", "two"):
        save_checkpoint(tmp_path / name / "mine")
        run(features, tmp_path / name, checkpoint=str(tmp_path / name / "mine"), epochs=1)
    one, two = (files(tmp_path / name / "model") for name in ("one", "two"))
    assert one == two
    assert json.loads(one["model.json"])["checkpoint"] == "mine"


def test_encoder_rows_are_bounded_and_linear_ones_are_not(features: Dataset, checkpoint: Path, tmp_path: Path) -> None:
    recipe = run(features, tmp_path, checkpoint=str(checkpoint), epochs=1, train_rows=100).facts()["recipe"]
    assert isinstance(recipe, dict)
    assert (recipe["rows"], recipe["linear_rows"]) == (100, 400)


def test_progress_and_curves_are_told_while_it_runs(
    features: Dataset, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = tmp_path / "journal"
    monkeypatch.setenv("INTERMODAL_JOURNAL", str(journal))
    made = run(features, tmp_path, checkpoint=str(checkpoint), epochs=2)
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    told = [(event["name"], event["value"]) for event in events if event["event"] == "metric"]
    assert [value for name, value in told if name == "train_loss"] == made.series()["train_loss"]
    assert len([value for name, value in told if name == "validation_accuracy"]) == 2
    last = [event for event in events if event["event"] == "progress"][-1]
    assert last["done"] == last["total"]
    assert "epoch 2 of 2" in last["note"]


def test_features_of_another_tokenizer_are_refused(features: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="another tokenizer") as caught:
        run(features, tmp_path)  # the embedded checkpoint's is not the tiny one's
    assert "same checkpoint" in caught.value.next_step
    assert not (tmp_path / "model").exists()


def test_features_longer_than_the_checkpoint_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    features = save_features(tmp_path / "features", checkpoint)
    features.metadata["max_seq_length"] = 41
    with pytest.raises(UsageError, match="too long for this checkpoint"):
        run(features, tmp_path, checkpoint=str(checkpoint))


@pytest.mark.parametrize(
    "wrong", [{"strategy": "best"}, {"epochs": -1}, {"batch_size": 0}, {"train_rows": -1}, {"precision": "int8"}]
)
def test_wrong_parameters_are_refused(
    wrong: dict[str, object], features: Dataset, checkpoint: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError):
        run(features, tmp_path, checkpoint=str(checkpoint), **wrong)


def test_missing_splits_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    import shutil

    features = save_features(tmp_path / "features", checkpoint)
    shutil.rmtree(Path(features.path) / "split=validation")
    with pytest.raises(DataRejected, match="no split validation"):
        run(features, tmp_path, checkpoint=str(checkpoint))


def test_float32_is_computed_when_asked_for(features: Dataset, checkpoint: Path, tmp_path: Path) -> None:
    made = [
        run(features, tmp_path / name, checkpoint=str(checkpoint), epochs=1, precision=name)
        for name in ("float32", "bfloat16")
    ]
    assert [item.facts()["recipe"]["precision"] for item in made] == ["float32", "bfloat16"]  # type: ignore[index]
    losses = [np.array(item.series()["train_loss"]) for item in made]
    np.testing.assert_allclose(*losses, rtol=0.02)
    assert not np.array_equal(*losses)
