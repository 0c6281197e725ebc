"""Reviews as lines, and a transform job's answers read back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hosted import write_reviews
from intermodal.errors import DataRejected
from intermodal.text import transform_lines
from intermodal.text.transform_lines import Answered, write_lines

LABELS = ["1", "2"]


def answer(row: int, *probabilities: float) -> str:
    told = {"rating": 1, "probabilities": dict(zip(LABELS, probabilities, strict=True))}
    return json.dumps({"row": row, "SageMakerOutput": told})


def answered(folder: Path, *files: list[str]) -> Answered:
    paths = []
    for number, lines in enumerate(files):
        paths.append(folder / f"{number}.out")
        paths[-1].write_text("\n".join(lines) + "\n")
    return Answered(paths, LABELS)


def test_every_review_with_a_text_is_a_line_that_knows_its_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(transform_lines, "ROWS_A_FILE", 2)
    reviews = write_reviews(tmp_path / "reviews", ["one", None, "two<br />lines", " ", "three\n\u2028four"])
    (tmp_path / "lines").mkdir()
    assert write_lines(Path(reviews.path), tmp_path / "lines") == 3
    files = sorted((tmp_path / "lines").iterdir())
    assert [path.name for path in files] == ["part-00000.jsonl", "part-00001.jsonl"]
    rows = [json.loads(line) for path in files for line in path.read_bytes().split(b"\n") if line]
    assert [row["row"] for row in rows] == [0, 2, 4]
    assert rows[1]["text"].split() == ["two", "lines"]
    with pytest.raises(DataRejected, match="no review has a text"):
        write_lines(Path(write_reviews(tmp_path / "empty", [None, " "]).path), tmp_path / "lines")


def test_answers_are_given_by_row_whatever_file_they_came_in(tmp_path: Path):
    found = answered(tmp_path, [answer(7, 0.25, 0.75)], [answer(2, 0.1, 0.9), answer(4, 0.5, 0.5)])
    assert np.array_equal(found.predict_proba(["a", "b"]), np.array([[0.1, 0.9], [0.5, 0.5]], np.float32))
    with pytest.raises(DataRejected, match="too many rows"):
        found.check_all_given()
    assert found.predict_proba(["c"])[0, 1] == 0.75
    found.check_all_given()
    with pytest.raises(DataRejected, match="too few rows"):
        found.predict_proba(["d"])


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["{"], "is no answer"),
        (['{"row": 1}'], "is no answer"),
        (['{"row": 1, "SageMakerOutput": {"probabilities": {"1": 1.0}}}'], "is no answer"),
        ([answer(1, 0, 1), answer(1, 0, 1)], "answered twice"),
    ],
)
def test_what_is_no_answer_is_refused(lines: list[str], words: str, tmp_path: Path):
    with pytest.raises(DataRejected, match=words):
        answered(tmp_path, lines)
