"""Scores, intervals, slices and calibration against scikit-learn, SciPy and hand-made cases."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intermodal.errors import ArtifactCorrupt, DataRejected
from intermodal.text.answers import predictions, worst_errors, write_evaluation
from intermodal.text.class_scores import calibration_bins, kappa
from intermodal.text.evaluation import evaluate_scored, headline, score
from intermodal.text.held_out import proven_digest, read_split
from intermodal.text.scored import Scored, wilson
from intermodal.text.slices import CATEGORY_SLICES, by_category, by_length
from intermodal.text.split_digest import split_digest

LABELS = ("1", "2", "3", "4", "5")


def _rows(truth: list[int], **columns: list[object]) -> pa.Table:
    count = len(truth)
    given = {
        "review_id": [f"R{number:03d}" for number in range(count)],
        "text": [f"text {number}" for number in range(count)],
        "product_category": ["Software"] * count,
        "label_ids": truth,
        "tokens": [10] * count,
    } | columns
    return pa.table(given)


def _scored(truth: list[int], predicted: list[int], sure: list[float] | None = None, **columns: list[object]) -> Scored:
    probabilities = np.zeros((len(truth), 5), dtype=np.float32)
    for row, (answer, share) in enumerate(zip(predicted, sure or [0.6] * len(truth), strict=True)):
        probabilities[row] = (1 - share) / 4
        probabilities[row, answer] = share
    return Scored(_rows(truth, **columns), np.array(truth), probabilities, LABELS)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 2000).flatmap(lambda rows: st.tuples(st.integers(0, rows), st.just(rows))))
def test_the_interval_is_wilsons(pair: tuple[int, int]) -> None:
    from scipy.stats import binomtest

    expected = binomtest(*pair).proportion_ci(0.95, method="wilson")
    assert wilson(*pair) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_the_figures_of_a_small_split_by_hand() -> None:
    found = evaluate_scored(_scored([0, 1, 2, 3, 4, 4, 4, 0], [0, 1, 2, 3, 4, 3, 0, 0]))
    assert found["rows"] == 8
    assert found["accuracy"]["value"] == 0.75
    assert found["within_one"]["value"] == 0.875
    assert found["mae"] == 0.625  # one star and four stars over eight reviews
    assert found["confusion"] == [[2, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [1, 0, 0, 1, 1]]
    assert found["per_class"][0] == {"label": "1", "precision": 0.666667, "recall": 1.0, "f1": 0.8, "support": 2}
    assert found["per_class"][4]["recall"] == 0.333333
    assert found["macro_f1"] == pytest.approx(np.mean([row["f1"] for row in found["per_class"]]), abs=1e-6)
    assert found["accuracy"]["low"] < 0.75 < found["accuracy"]["high"]
    assert found["ece"] == pytest.approx(0.15, abs=1e-6)  # 0.75 right at a confidence of 0.6
    assert headline(found)["accuracy_low"] == found["accuracy"]["low"]


def test_quadratic_kappa_by_its_definition() -> None:
    generator = np.random.default_rng(5)
    truth, predicted = generator.integers(0, 5, 400), generator.integers(0, 5, 400)
    weights = (np.arange(5)[:, None] - np.arange(5)) ** 2
    observed = np.zeros((5, 5))
    np.add.at(observed, (truth, predicted), 1)
    by_chance = np.outer(observed.sum(1), observed.sum(0)) / 400
    expected = 1 - (weights * observed).sum() / (weights * by_chance).sum()
    assert kappa(truth, predicted, 5) == pytest.approx(expected, abs=1e-6)
    assert kappa(np.array([2, 2]), np.array([2, 2]), 5) is None


def test_a_perfect_model_and_one_class_only_are_no_trouble() -> None:
    perfect = evaluate_scored(_scored([0, 1, 2, 3, 4], [0, 1, 2, 3, 4]))
    assert (perfect["accuracy"]["value"], perfect["qwk"], perfect["macro_auc"]) == (1.0, 1.0, 1.0)
    lonely = evaluate_scored(_scored([4, 4], [4, 4]))
    assert (lonely["qwk"], lonely["macro_auc"], lonely["roc"][4]["points"]) == (None, None, [])
    assert "qwk" not in headline(lonely)
    json.dumps(lonely, allow_nan=False)


def test_calibration_of_a_model_that_is_too_sure() -> None:
    sure = [0.95] * 10 + [0.55] * 4
    scored = _scored([0] * 14, [0] * 5 + [1] * 5 + [0] * 3 + [1], sure)
    assert calibration_bins(scored, 10) == [
        {"confidence": 0.55, "accuracy": 0.75, "count": 4},
        {"confidence": 0.95, "accuracy": 0.5, "count": 10},
    ]
    assert evaluate_scored(scored, 10)["ece"] == pytest.approx((4 * 0.2 + 10 * 0.45) / 14, abs=1e-6)


def test_slices_by_length_cover_every_row_once() -> None:
    tokens: list[object] = [1, 16, 17, 64, 65, 300]
    slices = by_length(_scored([0] * 6, [0, 0, 1, 0, 0, 1], tokens=tokens))
    assert [(part["name"], part["rows"], part["accuracy"]) for part in slices] == [
        ("1–16 tokens", 2, 1.0),
        ("17–32 tokens", 1, 0.0),
        ("33–64 tokens", 1, 1.0),
        ("65–128 tokens", 1, 1.0),
        ("over 256 tokens", 1, 0.0),
    ]
    assert all(part["low"] <= part["accuracy"] <= part["high"] for part in slices)


def test_slices_by_category_are_largest_first_and_take_the_small_together() -> None:
    names: list[object] = [f"Category {number:02d}" for number in range(CATEGORY_SLICES + 3)]
    given = names + ["Category 05"] * 2 + [None]
    slices = by_category(_scored([0] * len(given), [0] * len(given), product_category=given))
    assert (slices[0]["name"], slices[0]["rows"]) == ("Category 05", 3)
    assert len(slices) == CATEGORY_SLICES + 1
    assert slices[-1]["name"] == "4 others"
    assert sum(part["rows"] for part in slices) == len(given)


def test_the_worst_errors_come_first_and_no_right_answer_is_among_them() -> None:
    scored = _scored([0, 4, 2, 3, 1], [4, 3, 2, 3, 0], [0.9, 0.99, 0.9, 0.9, 0.5])
    table = worst_errors(scored, 10)
    assert table.column("review_id").to_pylist() == ["R000", "R001", "R004"]
    assert table.slice(0, 1).to_pylist()[0] == {
        "review_id": "R000",
        "text": "text 0",
        "product_category": "Software",
        "label": "1",
        "predicted": "5",
        "confidence": pytest.approx(0.9),
    }
    assert worst_errors(scored, 1).num_rows == 1
    assert worst_errors(_scored([1], [1]), 5).num_rows == 0


def test_the_files_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    scored = _scored([0, 4, 2], [4, 4, 1])
    for name in ("a", "b"):
        write_evaluation(tmp_path / name, evaluate_scored(scored), predictions(scored), worst_errors(scored, 5))
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["evaluation.json", "predictions.parquet", "worst_errors.parquet"]
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in names)
    answers = pq.read_table(tmp_path / "a" / "predictions.parquet")
    assert answers.column_names == ["review_id", "label", "predicted", "p1", "p2", "p3", "p4", "p5"]
    assert answers.column("predicted").to_pylist() == ["5", "5", "2"]


def test_every_text_is_asked_once_in_order_and_progress_is_told() -> None:
    asked: list[str] = []
    told: list[tuple[int, int]] = []

    def predict(texts: list[str]) -> np.ndarray:
        asked.extend(texts)
        return np.full((len(texts), 5), 0.2, dtype=np.float32)

    rows = _rows([0] * 1200)
    scored = score(rows, LABELS, predict, lambda done, total: told.append((done, total)))
    assert asked == rows.column("text").to_pylist()
    assert told[-1] == (1200, 1200)
    assert scored.probabilities.shape == (1200, 5)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (np.full((3, 4), 0.25), "wrong shape"),
        (np.full((2, 5), 0.2), "wrong shape"),
        (np.full((3, 5), 0.5), "no probabilities"),
        (np.full((3, 5), np.nan), "no probabilities"),
        (np.tile([1.2, -0.2, 0, 0, 0], (3, 1)), "no probabilities"),
    ],
)
def test_answers_that_are_no_probabilities_are_refused(answer: np.ndarray, message: str) -> None:
    with pytest.raises(ArtifactCorrupt, match=message):
        score(_rows([0, 1, 2]), LABELS, lambda _texts: answer, lambda _done, _total: None)


@pytest.mark.parametrize(("truth", "message"), [([], "no rows"), ([0, 5], "classes that the model does not know")])
def test_a_split_that_does_not_fit_is_refused(truth: list[int], message: str) -> None:
    with pytest.raises(DataRejected, match=message):
        score(_rows(truth), LABELS, lambda texts: np.full((len(texts), 5), 0.2), lambda _done, _total: None)


def _write_split(folder: Path, rows: pa.Table, split: str = "test") -> None:
    (folder / f"split={split}").mkdir(parents=True)
    pq.write_table(rows, folder / f"split={split}" / "part-00000.parquet")


def test_the_split_must_be_the_one_that_was_split_off(tmp_path: Path) -> None:
    rows = _rows([0, 1, 2])
    _write_split(tmp_path, rows)
    read = read_split(tmp_path, "test")
    digest = split_digest(*(rows.column(name).to_pylist() for name in ("review_id", "text", "label_ids")))
    told = {"splits": {"test": {"digest": digest}}}
    assert proven_digest(read, tmp_path, told, "test") == digest
    assert proven_digest(read.take([2, 0, 1]), tmp_path, told, "test") == digest  # whatever the order
    with pytest.raises(ArtifactCorrupt, match="not the one that was split off"):
        proven_digest(read.slice(1), tmp_path, told, "test")
    with pytest.raises(DataRejected, match="do not say the digest"):
        proven_digest(read, tmp_path, {}, "test")
    (tmp_path / "manifest.json").write_text(json.dumps(told))
    assert proven_digest(read, tmp_path, {}, "test") == digest


def test_a_missing_split_or_column_is_told(tmp_path: Path) -> None:
    _write_split(tmp_path, _rows([0]).drop_columns(["tokens"]), "train")
    with pytest.raises(DataRejected, match="have no split test") as caught:
        read_split(tmp_path, "test")
    assert "split=train" in caught.value.seen
    with pytest.raises(DataRejected, match="lacks a column"):
        read_split(tmp_path, "train")
