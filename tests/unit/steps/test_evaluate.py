"""The step `evaluate`, called as the plain function that it is."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from candidates import evaluate_model, make_features, make_model
from intermodal.errors import ArtifactCorrupt, DataRejected


def test_it_scores_the_test_split_and_says_of_what(tmp_path: Path) -> None:
    features, model = make_features(tmp_path / "features"), make_model(tmp_path / "model")
    made = evaluate_model(model, features, tmp_path / "out")
    said = json.loads(Path(made.evaluation.path, "evaluation.json").read_text())
    assert said["rows"] == 100
    assert said["accuracy"]["value"] == pytest.approx(0.8)
    assert (said["kind"], said["split"]) == ("words", "test")
    assert said["test_digest"] == features.metadata["splits"]["test"]["digest"]
    assert len(said["model_digest"]) == 64
    assert made.evaluation.metadata["test_digest"] == said["test_digest"]
    assert made.metrics.metadata["accuracy"] == said["accuracy"]["value"]
    assert made.metrics.metadata["accuracy_low"] < 0.8 < made.metrics.metadata["accuracy_high"]
    errors = pq.read_table(Path(made.evaluation.path, "worst_errors.parquet")).to_pylist()
    assert len(errors) == 20
    assert {(row["label"], row["predicted"]) for row in errors[:8]} == {("1", "5"), ("5", "1")}
    assert pq.read_table(Path(made.evaluation.path, "predictions.parquet")).num_rows == 100


def test_what_the_kubeflow_ui_draws(tmp_path: Path) -> None:
    made = evaluate_model(make_model(tmp_path / "model"), make_features(tmp_path / "features"), tmp_path / "out")
    matrix = made.classification.metadata["confusionMatrix"]
    assert [item["displayName"] for item in matrix["annotationSpecs"]] == ["1", "2", "3", "4", "5"]
    assert sum(sum(row["row"]) for row in matrix["rows"]) == 100
    assert made.classification.metadata["confidenceMetrics"]
    page = Path(made.report.path).read_text()
    assert page.startswith("<!doctype html>")
    assert "<script>alert(1)</script>" not in page  # a review's text is no markup
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_the_same_work_gives_the_same_bytes(tmp_path: Path) -> None:
    features, model = make_features(tmp_path / "features"), make_model(tmp_path / "model")
    first, second = (evaluate_model(model, features, tmp_path / name) for name in ("a", "b"))
    names = sorted(path.name for path in Path(first.evaluation.path).iterdir())
    assert names == ["evaluation.json", "predictions.parquet", "worst_errors.parquet"]
    for name in names:
        assert Path(first.evaluation.path, name).read_bytes() == Path(second.evaluation.path, name).read_bytes()
    assert Path(first.report.path).read_bytes() == Path(second.report.path).read_bytes()


def test_another_split_may_be_asked_for(tmp_path: Path) -> None:
    features, model = make_features(tmp_path / "features"), make_model(tmp_path / "model")
    made = evaluate_model(model, features, tmp_path / "out", split="validation", worst=1)
    said = json.loads(Path(made.evaluation.path, "evaluation.json").read_text())
    assert (said["split"], said["rows"]) == ("validation", 10)


def test_rows_that_were_changed_are_refused(tmp_path: Path) -> None:
    features, model = make_features(tmp_path / "features"), make_model(tmp_path / "model")
    path = Path(features.path, "split=test", "part-00000.parquet")
    pq.write_table(pq.read_table(path).slice(1), path)
    with pytest.raises(ArtifactCorrupt, match="not the one that was split off"):
        evaluate_model(model, features, tmp_path / "out")


def test_features_without_a_digest_are_refused(tmp_path: Path) -> None:
    features, model = make_features(tmp_path / "features"), make_model(tmp_path / "model")
    features.metadata.clear()
    with pytest.raises(DataRejected, match="do not say the digest of split test"):
        evaluate_model(model, features, tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "content", "seen"),
    [("model.json", None, "No such file"), ("model.json", "{}", "no labels"), ("model.json", "[", "Expecting value")],
)
def test_a_directory_that_is_no_model_is_refused(tmp_path: Path, name: str, content: str | None, seen: str) -> None:
    features, model = make_features(tmp_path / "features"), make_model(tmp_path / "model")
    Path(model.path, name).unlink() if content is None else Path(model.path, name).write_text(content)
    with pytest.raises(ArtifactCorrupt, match="this is no model directory") as caught:
        evaluate_model(model, features, tmp_path / "out")
    assert seen in caught.value.seen
