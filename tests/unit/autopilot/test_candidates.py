"""Autopilot's candidates: what they learn, how they are compared, the notebooks that make them again."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from intermodal.autopilot import algorithms
from intermodal.autopilot.algorithms import ALGORITHMS, Rows, fit_candidate
from intermodal.autopilot.engine import Autopilot, Budget, Splits, read_splits
from intermodal.autopilot.local import Places, Wish, pilot_locally
from intermodal.autopilot.records import COMPLETED, CandidateRecord, describe, leaderboard
from intermodal.autopilot.scores import candidate_scores
from intermodal.errors import StepFailed, UsageError
from intermodal.text.model_files import ModelWriter
from intermodal.text.ngrams import tfidf
from intermodal.text.predictor_loading import load_predictor
from tiny_models import features_in, review

LABELS = ("1", "2", "3", "4", "5")


def rows_of(count: int, seed: int, classes: int = 5) -> Rows:
    random_ = random.Random(seed)
    labels = np.array([number % classes for number in range(count)])
    return Rows([review(label, random_) for label in labels.tolist()], labels, classes)


FIRST = {name: item.first for name, item in ALGORITHMS.items()} | {
    "trees": {**ALGORITHMS["trees"].first, "rounds": 6, "dimensions": 16}
}
TRAIN, HELD_OUT = rows_of(300, 1), rows_of(100, 2)


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
def test_every_algorithm_learns_and_its_model_directory_answers_the_same(name: str, tmp_path: Path) -> None:
    fitted = fit_candidate(name, TRAIN, FIRST[name], 7)
    found = fitted.predict_proba(HELD_OUT.texts)
    assert (found.argmax(axis=1) == HELD_OUT.labels).mean() > 0.7
    assert np.allclose(found.sum(axis=1), 1)
    writer = ModelWriter(tmp_path / "model", LABELS)
    fitted.add_to(writer)
    writer.finish({"max_seq_length": 0})
    again = load_predictor(tmp_path / "model").predict_proba(list(HELD_OUT.texts))
    assert np.allclose(again, found, atol=1e-6)
    assert json.loads((tmp_path / "model" / "model.json").read_text())["requirements"][0].startswith("numpy==")


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
def test_the_same_arguments_give_the_same_model(name: str, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        writer = ModelWriter(tmp_path / folder, LABELS)
        fit_candidate(name, TRAIN, FIRST[name], 7).add_to(writer)
        writer.finish({"max_seq_length": 0})
    one, two = (sorted(path.name for path in (tmp_path / folder).iterdir()) for folder in ("one", "two"))
    assert one == two
    assert "model.json" in one
    for path in sorted((tmp_path / "one").iterdir()):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


@pytest.mark.parametrize("classes", [2, 3])
def test_trees_in_numpy_answer_as_scikit_learn_s(classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Any] = []
    plain = algorithms._forest
    monkeypatch.setattr(algorithms, "_forest", lambda fitted, count: (kept.append(fitted), plain(fitted, count))[1])
    rows = rows_of(200, 3, classes)
    model = fit_candidate("trees", rows, FIRST["trees"], 1)
    base = model.model.base  # type: ignore[union-attr]
    inputs = tfidf(base.vocabulary.count(HELD_OUT.texts), base.idf).times(base.weights)
    assert np.allclose(kept[0].predict_proba(inputs), model.predict_proba(HELD_OUT.texts), atol=1e-12)


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
def test_a_class_without_rows_is_never_the_answer(name: str) -> None:
    known = TRAIN.labels != 2
    rows = Rows([text for text, keep in zip(TRAIN.texts, known, strict=True) if keep], TRAIN.labels[known], 5)
    found = fit_candidate(name, rows, FIRST[name], 7).predict_proba(HELD_OUT.texts)
    assert found.shape == (100, 5)
    assert (found.argmax(axis=1) != 2).all()


def splits_of(train: Rows = TRAIN) -> Splits:
    return Splits(train, HELD_OUT, LABELS)


def test_every_algorithm_comes_first_then_the_budget_goes_on() -> None:
    pilot = Autopilot(splits_of(), "accuracy", Budget(7), ["naive_bayes", "ordinal", "logistic"], seed=3)
    records = pilot.run()
    assert [item.algorithm for item in records[:3]] == ["naive_bayes", "ordinal", "logistic"]
    assert len({item.name for item in records}) == 7
    assert pilot.best is not None
    assert pilot.best[0] == leaderboard(records, "accuracy")[0]
    again = Autopilot(splits_of(), "accuracy", Budget(7), ["naive_bayes", "ordinal", "logistic"], seed=3).run()
    assert [item.to_json() for item in again] == [item.to_json() for item in records]


def test_a_metric_of_which_less_is_better_puts_the_least_first() -> None:
    board = leaderboard(Autopilot(splits_of(), "log_loss", Budget(4), ["naive_bayes"]).run(), "log_loss")
    values = [item.objective for item in board]
    assert values == sorted(values)  # type: ignore[type-var]


def test_a_candidate_that_fails_is_a_line_of_the_leaderboard(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = algorithms.Algorithm("broken", "none", ALGORITHMS["naive_bayes"].space, {}, lambda *_: 1 / 0)  # type: ignore[arg-type,return-value]
    monkeypatch.setitem(ALGORITHMS, "broken", broken)
    records = Autopilot(splits_of(), "accuracy", Budget(2), ["broken", "naive_bayes"]).run()
    board = leaderboard(records, "accuracy")
    assert [item.algorithm for item in board] == ["naive_bayes", "broken"]
    assert "ZeroDivisionError" in board[1].reason
    with pytest.raises(StepFailed, match="none of 1 candidates"):
        describe([board[1]], "accuracy", {}, [])


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("speed", Budget()), "does not know this metric"),
        (("accuracy", Budget(0)), "budget is too small"),
        (("accuracy", Budget(), ["magic"]), "no such algorithm"),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused(arguments: tuple[Any, ...], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        Autopilot(splits_of(), *arguments)


def test_uneven_and_missing_classes_are_warned_of() -> None:
    assert splits_of().warnings() == []
    keep = [number for number, label in enumerate(TRAIN.labels) if label not in (0, 1) or number < 40]
    uneven = Rows([TRAIN.texts[number] for number in keep], TRAIN.labels[keep], 5)
    (line,) = splits_of(uneven).warnings()
    assert "from 8 to 60 rows" in line
    assert "balance=true" in line
    missing = Rows(TRAIN.texts, np.minimum(TRAIN.labels, 3), 5)
    assert splits_of(missing).warnings()[0] == "Class 5 has no training rows."


def test_scores_agree_with_scikit_learn() -> None:
    from sklearn import metrics

    random_ = np.random.default_rng(3)
    probabilities, labels = random_.dirichlet(np.ones(4), 200), random_.integers(0, 4, 200)
    predicted, found = probabilities.argmax(axis=1), candidate_scores(probabilities, labels)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(labels, predicted))
    assert found["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(labels, predicted))
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(labels, predicted, average="macro"))
    assert found["macro_precision"] == pytest.approx(metrics.precision_score(labels, predicted, average="macro"))
    assert found["log_loss"] == pytest.approx(metrics.log_loss(labels, probabilities))


@pytest.fixture(scope="module")
def piloted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("piloted")
    features = features_in(folder, rows=200)
    places = Places(folder / "model", folder / "board", folder / "notebooks")
    pilot_locally(
        Path(features.path), features.metadata, Wish(candidates=3, algorithms=("naive_bayes", "ordinal")), places
    )
    return folder


def code_of(path: Path) -> str:
    notebook = json.loads(path.read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    cells = notebook["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells)
    assert all(cell["outputs"] == [] for cell in cells if cell["cell_type"] == "code")
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


@pytest.mark.parametrize("name", ["data_exploration.ipynb", "candidate_definition.ipynb"])
def test_the_notebooks_run_as_they_are(name: str, piloted: Path, tmp_path: Path) -> None:
    script = tmp_path / "notebook.py"
    script.write_text(code_of(piloted / "notebooks" / name))
    environment = {**os.environ, "FEATURES": str(piloted / "features")}
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    if name == "candidate_definition.ipynb":
        best = json.loads((piloted / "board" / "leaderboard.json").read_text())["best"]
        assert f"{best} {{'accuracy':" in done.stdout
        for part in ("linear.npz", "vocabulary.json"):
            assert (tmp_path / "best-model" / part).read_bytes() == (piloted / "model" / part).read_bytes()
    else:
        assert "most frequent over rarest: 1.0" in done.stdout


def test_notebooks_name_no_path_of_this_machine(piloted: Path) -> None:
    notebooks = list((piloted / "notebooks").iterdir())
    assert len(notebooks) == 2
    for path in notebooks:
        assert str(piloted) not in path.read_text()


def test_the_leaderboard_says_no_times(piloted: Path) -> None:
    text = (piloted / "board" / "leaderboard.json").read_text()
    assert "seconds" not in text
    assert len(json.loads(text)["candidates"]) == 3


def test_features_are_read_with_their_labels(piloted: Path) -> None:
    splits = read_splits(piloted / "features", LABELS)
    assert splits.counts == dict.fromkeys(LABELS, 40)


def test_the_first_of_equals_leads() -> None:
    records = [CandidateRecord(name, "a", {}, COMPLETED, 0.5) for name in ("one", "two")]
    assert [item.name for item in leaderboard(records, "accuracy")] == ["one", "two"]
