"""The step `generate`, called as the plain function that it is."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from kfp.dsl import Dataset, Metrics

from intermodal.core.step import spec_of
from intermodal.errors import UsageError
from intermodal.reviews.defects import DEFECTS, QUARANTINED_FOR
from intermodal.reviews.products import PRODUCT_TYPES
from intermodal.steps.generate import generate


def run(folder: Path, **parameters: Any) -> tuple[Dataset, Metrics]:
    raw = Dataset(name="raw", uri=str(folder / "raw"), metadata={})
    metrics = Metrics(name="metrics", uri=str(folder / "metrics"), metadata={})
    generate(raw, metrics, **parameters)
    return raw, metrics


def test_the_defaults_make_ten_thousand_rows_with_some_defects(tmp_path: Path) -> None:
    raw, metrics = run(tmp_path)
    assert [file.name for file in Path(raw.path).iterdir()] == ["reviews-00000.tsv.gz"]
    assert raw.metadata["rows"] == metrics.metadata["rows"] == 10_000
    assert sum(metrics.metadata[f"stars_{star}"] for star in range(1, 6)) == 10_000
    assert raw.metadata["defects"]["html_entities"] == metrics.metadata["defect_html_entities"] > 300
    assert set(spec_of(generate).parameter("defects").default) == set(raw.metadata["defects"])


def test_a_run_can_be_repeated_byte_for_byte(tmp_path: Path) -> None:
    digests = set()
    for name in ("one", "two"):
        raw, _ = run(tmp_path / name, rows=2000, seed=3)
        digests.add(hashlib.sha256((Path(raw.path) / "reviews-00000.tsv.gz").read_bytes()).hexdigest())
    assert len(digests) == 1


def test_nothing_is_made_when_there_is_a_source(tmp_path: Path) -> None:
    raw, metrics = run(tmp_path, rows=10, unless="reviews.tsv")
    assert list(Path(raw.path).iterdir()) == []
    assert raw.metadata["rows"] == metrics.metadata["rows"] == 0


@pytest.mark.parametrize("parameters", [{"rows": 0}, {"defects": {"typo": 0.1}}, {"categories": ["Shoes"]}])
def test_a_wrong_parameter_is_a_usage_error(tmp_path: Path, parameters: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        run(tmp_path, **parameters)
    assert caught.value.exit_code == 2
    assert caught.value.expected
    assert not (tmp_path / "raw").exists()


def test_the_documentation_names_every_kind_and_category() -> None:
    spec = spec_of(generate)
    assert all(kind in spec.parameter("defects").doc for kind in DEFECTS)
    quarantined, _, left = spec.parameter("defects").doc.partition("left to `validate`")
    assert all(kind in quarantined for kind in QUARANTINED_FOR)
    assert all(kind in left for kind in set(DEFECTS) - set(QUARANTINED_FOR))
    assert spec.parameter("categories").default == list(PRODUCT_TYPES)
