"""Answers line by line, batches without a limit for people, and what an endpoint captured."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hosted import write_reviews
from intermodal.errors import DataRejected, StepFailed, UsageError
from intermodal.serving.captured import drift_of_captured, read_captured, violations_of
from intermodal.serving.questions import BATCH, LINES, MOST_TEXTS, lines_answer, texts_of
from intermodal.serving.trial import try_model
from intermodal.text.drift import Limits
from intermodal.text.reference import describe_reviews, write_reference
from intermodal.text.review_files import find_reviews
from mlflow_cases import write_model


def test_lines_hold_the_models_own_probabilities():
    given = np.array([[0.1, 0.9], [1 / 3, 2 / 3]], np.float32)
    rows = [json.loads(line) for line in lines_answer(["1", "2"], given).splitlines()]
    assert [row["rating"] for row in rows] == [2, 2]
    again = np.array([[row["probabilities"][name] for name in ("1", "2")] for row in rows], np.float32)
    assert np.array_equal(again, given)


def test_a_batch_job_may_send_more_than_a_person():
    body = b'{"text": "x"}\n' * (MOST_TEXTS + 1)
    assert len(texts_of(body, LINES, BATCH)) == MOST_TEXTS + 1
    with pytest.raises(UsageError, match="too many texts"):
        texts_of(body, LINES)


def test_a_model_is_tried_by_being_served(tmp_path: Path):
    pytest.importorskip("uvicorn")
    assert try_model(write_model(tmp_path / "model"), "terrible thing")["rating"] == 1
    broken = write_model(tmp_path / "broken")
    (broken / "predictor.py").write_text(
        "class Predictor:\n    def __init__(self, d): pass\n    def predict_proba(self, t): raise OSError('gone')\n"
    )
    with pytest.raises(StepFailed, match="does not answer") as caught:
        try_model(broken, "x")
    assert caught.value.seen.startswith("500")


def side(data: str, kind: str = "application/json", encoding: str = "JSON") -> dict[str, str]:
    return {"observedContentType": kind, "mode": "INPUT", "data": data, "encoding": encoding}


def write_captured(folder: Path, *records: dict[str, Any]) -> Path:
    hour = folder / "reviews" / "champion" / "2026" / "01" / "02" / "03"
    hour.mkdir(parents=True)
    lines = [json.dumps({"captureData": item, "eventMetadata": {}, "eventVersion": "0"}) for item in records]
    (hour / "04-05-006.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def test_captured_texts_are_read_in_every_encoding(tmp_path: Path):
    answer = json.dumps({"predictions": [{"rating": 5}, {"rating": 1}]})
    folder = write_captured(
        tmp_path,
        {"endpointInput": side('{"inputs": ["a", "b"]}'), "endpointOutput": side(answer)},
        {"endpointInput": side("c\nd\n", "text/csv", "CSV")},
        {"endpointInput": side(base64.b64encode(b'{"text": "e"}').decode(), LINES, "BASE64")},
        {"endpointInput": side("??", "image/png", "BASE64")},
    )
    found = read_captured(folder)
    assert found.texts == ["a", "b", "c", "d", "e"]
    assert found.ratings == {"5": 1, "1": 1}
    assert found.unread == 1


def test_files_that_are_no_captures_and_no_captures_at_all_are_refused(tmp_path: Path):
    with pytest.raises(DataRejected, match="captured no texts"):
        read_captured(tmp_path)
    (tmp_path / "x.jsonl").write_text("{}\n")
    with pytest.raises(DataRejected, match="no capture file"):
        read_captured(tmp_path)


def test_other_words_are_drift_and_the_same_words_are_not(tmp_path: Path):
    usual = [f"the product works {word}" for word in ("well", "badly", "often")] * 40
    reviews = write_reviews(tmp_path / "reviews", list(usual))
    (tmp_path / "model").mkdir()
    write_reference(tmp_path / "model", describe_reviews(find_reviews(reviews.path)))
    for name, texts, verdict in (("same", usual, "stable"), ("other", ["zebra quagga okapi"] * 120, "drifted")):
        folder = write_captured(tmp_path / name, {"endpointInput": side(json.dumps({"inputs": texts}))})
        found = drift_of_captured(folder, tmp_path / "model", Limits())
        assert found["verdict"] == verdict
        assert bool(violations_of(found)["violations"]) == (verdict == "drifted")
        assert {item["name"] for item in found["shifts"]} == {"length", "words"}
    assert drift_of_captured(folder, tmp_path, Limits())["verdict"] == "no reference"
