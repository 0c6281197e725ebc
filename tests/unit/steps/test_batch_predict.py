"""The step `batch_predict`, called as a plain function."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kfp.dsl import HTML, Dataset, Markdown, Metrics, Model

from candidates import make_model
from intermodal.errors import ArtifactCorrupt, UsageError
from intermodal.steps.batch_predict import batch_predict
from intermodal.text import batch_prediction
from mlflow_cases import WORDS


def reviews(folder: Path, bodies: list[str | None], stars: list[int]) -> Dataset:
    columns = {
        "review_id": [f"R{number}" for number in range(len(bodies))],
        "product_category": ["Toys" if number % 2 else "Books" for number in range(len(bodies))],
        "star_rating": pa.array(stars, pa.int32()),
        "review_body": pa.array(bodies, pa.string()),
    }
    folder.mkdir()
    pq.write_table(pa.table(columns), folder / "part-00000.parquet")
    return Dataset(name="reviews", uri=str(folder), metadata={})


def run(given: Dataset, folder: Path, model: Model | None, **parameters: str) -> tuple[Dataset, Metrics, str, str]:
    kinds = {"predictions": Dataset, "report": HTML, "notes": Markdown, "metrics": Metrics}
    made = {name: kind(name=name, uri=str(folder / name), metadata={}) for name, kind in kinds.items()}
    batch_predict(given, **made, model=model, **parameters)  # type: ignore[arg-type]
    page, text = (Path(made[name].path).read_text() for name in ("report", "notes"))
    return made["predictions"], made["metrics"], page, text


def test_every_review_gets_a_rating_but_those_without_a_text(tmp_path: Path) -> None:
    given = reviews(tmp_path / "reviews", ["great", None, "terrible &amp; bad", "  ", "okay"], [5, 3, 5, 1, 3])
    predictions, metrics, page, text = run(given, tmp_path / "out", make_model(tmp_path / "model"))
    table = pq.read_table(Path(predictions.path) / "part-00000.parquet").to_pydict()
    assert table["review_id"] == [f"R{number}" for number in range(5)]
    assert table["rating"] == [5, None, 1, None, 3]
    assert table["confidence"][0] == pytest.approx(0.8)
    assert table["p5"][0] == pytest.approx(0.8)
    assert table["p1"][1] is None
    assert table["star_rating"] == [5, 3, 5, 1, 3]
    told = metrics.metadata
    assert (told["rows"], told["rows_without_text"], told["mean_rating"]) == (5, 2, 3)
    assert told["agreement_with_stars"] == pytest.approx(2 / 3)
    assert predictions.metadata["rows"] == 5
    assert "3 of 5 reviews rated" in page
    assert "rows\\_without\\_text" in text


def test_rows_are_written_as_they_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row groups of the file's size would mean that all of it was held."""
    monkeypatch.setattr(batch_prediction, "_GROUP_ROWS", 2048)
    words = list(WORDS)
    given = reviews(tmp_path / "reviews", [words[number % 5] for number in range(9000)], [3] * 9000)
    predictions, *_ = run(given, tmp_path / "out", make_model(tmp_path / "model"))
    file = pq.ParquetFile(Path(predictions.path) / "part-00000.parquet")
    assert file.metadata.num_rows == 9000
    assert file.metadata.num_row_groups >= 4
    assert file.read().column("rating").to_pylist() == [WORDS[words[number % 5]] for number in range(9000)]


def test_the_same_work_gives_the_same_bytes(tmp_path: Path) -> None:
    given, model = reviews(tmp_path / "reviews", ["great", "poor"], [5, 2]), make_model(tmp_path / "model")
    one, two = (run(given, tmp_path / name, model) for name in ("one", "two"))
    assert (Path(one[0].path) / "part-00000.parquet").read_bytes() == (
        Path(two[0].path) / "part-00000.parquet"
    ).read_bytes()
    assert one[2:] == two[2:]


@pytest.mark.parametrize("uri", ["reviews", "models:/reviews", "runs:/abc/model", "models:/reviews/latest"])
def test_a_uri_of_another_form_is_refused(uri: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="names no registered model"):
        run(reviews(tmp_path / "reviews", ["great"], [5]), tmp_path / "out", None, model_uri=uri)


def test_a_registered_model_needs_mlflow(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs MLflow") as caught:
        run(reviews(tmp_path / "reviews", ["great"], [5]), tmp_path / "out", None)
    assert "pass a model artifact" in caught.value.next_step


def test_a_directory_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    model = Model(name="model", uri=str(tmp_path / "model"), metadata={})
    with pytest.raises(ArtifactCorrupt, match="no model directory"):
        run(reviews(tmp_path / "reviews", ["great"], [5]), tmp_path / "out", model)
