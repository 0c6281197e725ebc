"""The step `ingest`, called as the plain function that it is; on synthetic reviews and on the real ones."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from kfp.dsl import Dataset, Metrics

from intermodal.core.step import spec_of
from intermodal.errors import DataRejected, StoreFailed, UsageError
from intermodal.steps.generate import generate
from intermodal.steps.ingest import ingest
from seaweedfs import Bucket

DEFECTS = {"missing_column": 0.004, "bad_rating_word": 0.004, "invalid_utf8": 0.004, "negative_votes": 0.01}


class Run:
    """One call of the step, with its artifacts.

    Attributes:
        reviews: The output of that name; `quarantine` and `metrics` likewise.
    """

    def __init__(self, folder: Path, **parameters: Any) -> None:
        self.reviews, self.quarantine = (
            Dataset(name=name, uri=str(folder / name), metadata={}) for name in ("reviews", "quarantine")
        )
        self.metrics = Metrics(name="metrics", uri=str(folder / "metrics"), metadata={})
        ingest(self.reviews, self.quarantine, self.metrics, **parameters)

    def column(self, name: str) -> list[Any]:
        files = sorted(Path(self.reviews.path).glob("product_category=*/part-*.parquet"))
        return [value for file in files for value in pq.ParquetFile(file).read([name])[name].to_pylist()]


@pytest.fixture
def raw(tmp_path: Path) -> Dataset:
    made = Dataset(name="raw", uri=str(tmp_path / "raw"), metadata={})
    generate(made, Metrics(name="metrics", uri=str(tmp_path / "raw-metrics"), metadata={}), rows=5000, defects=DEFECTS)
    (tmp_path / "raw" / "manifest.json").write_text("{}")  # as the task wrapper leaves it
    return made


def test_every_row_that_was_generated_is_accounted_for(tmp_path: Path, raw: Dataset) -> None:
    run = Run(tmp_path, raw=raw)
    made = raw.metadata["defects"]
    reasons = {
        "column_count": "missing_column",
        "rating_not_integer": "bad_rating_word",
        "invalid_utf8": "invalid_utf8",
    }
    assert run.quarantine.metadata["reasons"] == {reason: made[kind] for reason, kind in sorted(reasons.items())}
    counts = run.metrics.metadata
    assert counts["rows_in"] == 5000 == counts["rows_out"] + counts["rows_quarantined"]
    assert run.reviews.metadata["rows"] == len(run.column("review_id")) == counts["rows_out"]
    assert sum(votes < 0 for votes in run.column("helpful_votes")) == made["negative_votes"]
    stars = Counter(run.column("star_rating"))
    assert {star: counts[f"stars_{star}"] for star in range(1, 6)} == dict(stars)
    assert counts["mean_rating"] == pytest.approx(sum(run.column("star_rating")) / counts["rows_out"])


def test_the_metadata_is_small_and_json(tmp_path: Path, raw: Dataset) -> None:
    run = Run(tmp_path, raw=raw)
    text = json.dumps([run.reviews.metadata, run.quarantine.metadata])
    assert len(text) < 2000
    assert str(tmp_path) not in text


def test_a_source_wins_over_an_earlier_step_that_made_nothing(tmp_path: Path, raw: Dataset) -> None:
    nothing = Dataset(name="raw", uri=str(tmp_path / "nothing"), metadata={})
    generate(nothing, Metrics(name="m", uri=str(tmp_path / "m"), metadata={}), unless=raw.path)
    (tmp_path / "nothing" / "manifest.json").write_text("{}")
    assert Run(tmp_path / "out", raw=nothing, source=raw.path).metrics.metadata["rows_in"] == 5000


@pytest.mark.parametrize("parameters", [{}, {"source": "none.tsv"}, {"source": "x", "max_quarantined": 2.0}])
def test_a_wrong_parameter_is_a_usage_error(tmp_path: Path, parameters: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        Run(tmp_path, **parameters)
    assert caught.value.exit_code == 2


def test_data_that_does_not_parse_is_rejected(tmp_path: Path, raw: Dataset) -> None:
    with pytest.raises(DataRejected, match="do not parse") as caught:
        Run(tmp_path, raw=raw, max_quarantined=0.001)
    assert caught.value.exit_code == 3
    assert not (tmp_path / "reviews").exists()
    assert not (tmp_path / "quarantine").exists()


def test_from_s3_the_result_is_the_same(tmp_path: Path, raw: Dataset, s3: Bucket) -> None:
    uri = s3.put("in/reviews-00000.tsv.gz", (Path(raw.path) / "reviews-00000.tsv.gz").read_bytes())
    local, remote = Run(tmp_path / "local", source=raw.path), Run(tmp_path / "remote", source=uri)
    files = sorted(file.relative_to(local.reviews.path) for file in Path(local.reviews.path).rglob("*.parquet"))
    assert len(files) == 6
    for file in files:
        assert (Path(local.reviews.path) / file).read_bytes() == (Path(remote.reviews.path) / file).read_bytes()


def test_s3_that_refuses_is_a_store_that_failed(tmp_path: Path, s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StoreFailed) as caught:
        Run(tmp_path, source=f"{s3.uri}/in/")
    assert caught.value.exit_code == 5


def test_the_input_is_optional_and_the_source_enters_the_cache_key() -> None:
    spec = spec_of(ingest)
    assert [slot.optional for slot in spec.inputs] == [True]
    assert spec.needs.sources == ("source",)


@pytest.mark.shared
def test_the_real_software_reviews_arrive_whole(tmp_path: Path, shared: Path) -> None:
    run = Run(tmp_path, source=str(shared / "data" / "amazon_reviews_us_Digital_Software_v1_00.tsv.gz"))
    counts = run.metrics.metadata
    assert (counts["rows_in"], counts["rows_out"], counts["rows_quarantined"]) == (102_084, 102_084, 0)
    stars = {1: 23_783, 2: 6_890, 3: 8_308, 4: 16_693, 5: 46_410}
    assert Counter(run.column("star_rating")) == stars
    assert round(counts["mean_rating"], 5) == 3.53933
    assert set(run.column("product_category")) == {"Digital_Software"}


@pytest.mark.shared
def test_the_real_texts_are_those_that_a_line_split_gives(tmp_path: Path, shared: Path) -> None:
    """Against the simplest reader there is: split at line feeds, then at tabs."""
    import gzip

    source = shared / "data" / "amazon_reviews_us_Digital_Software_v1_00.tsv.gz"
    run = Run(tmp_path, source=str(source))
    lines = gzip.decompress(source.read_bytes()).decode().split("\n")[1:-1]
    for name, position in (("review_id", 2), ("product_title", 5), ("review_headline", 12), ("review_body", 13)):
        assert run.column(name) == [text.split("\t")[position] or None for text in lines]
    assert [str(day) for day in run.column("review_date")] == [text.rpartition("\t")[2] for text in lines]


@pytest.mark.shared
def test_the_real_microwave_reviews_arrive_whole_dirt_included(tmp_path: Path, shared: Path) -> None:
    run = Run(tmp_path, source=str(shared / "data" / "amazon_reviews_us_microwave_mcm2020.tsv"))
    assert run.metrics.metadata["rows_out"] == 1615
    assert run.reviews.metadata["categories"] == {"Major Appliances": 1608, "major appliances": 7}
    assert Counter(run.column("marketplace")) == {"US": 1608, "us": 7}
