"""Comparing new reviews with those a model was trained on."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from intermodal.errors import ArtifactCorrupt, UsageError
from intermodal.text.drift import Limits, Shift, compare, verdict_of
from intermodal.text.reference import OTHER, SAMPLE, describe_reviews, read_reference, write_reference
from intermodal.text.review_files import ReviewFiles, find_reviews


def described(**changes: dict[str, int]) -> dict[str, object]:
    """A description of 3,000 reviews, with some properties changed."""
    even = {name: {"a": 1000, "b": 1000, "c": 1000} for name in ("rating", "length", "category", "words")}
    return {"rows": 3000, **even, **changes}


def reviews(
    folder: Path, bodies: list[str | None], stars: list[int] | None = None, category: str = "Toys"
) -> ReviewFiles:
    count = len(bodies)
    columns = {
        "review_id": [f"R{number}" for number in range(count)],
        "product_category": ["Toys"] * count,
        "star_rating": pa.array(stars or [5] * count, pa.int32()),
        "review_body": pa.array(bodies, pa.string()),
    }
    folder.mkdir()
    pq.write_table(pa.table(columns), folder / "part-00000.parquet")
    return find_reviews(folder)


def shift(name: str, one: dict[str, object], two: dict[str, object], psi: float = 0.25) -> Shift:
    limits = Limits(psi=psi)
    return next(item for item in compare(one, two, limits) if item.name == name)


def test_the_index_is_the_one_of_the_textbook() -> None:
    """Shares 1/2, 1/2 against 1/4, 3/4: (-1/4)·ln(1/2) + (1/4)·ln(3/2) = 0.27465."""
    one, two = described(rating={"1": 500_000, "5": 500_000}), described(rating={"1": 250_000, "5": 750_000})
    found = shift("rating", one, two)
    assert found.value == pytest.approx(0.25 * math.log(3), abs=1e-5)
    assert (found.measure, found.drifted) == ("PSI", True)


def test_the_distance_is_nought_for_equals_and_one_for_strangers() -> None:
    same = shift("words", described(), described())
    assert (same.value, same.drifted) == (0.0, False)
    apart = shift("words", described(words={"x": 10**7}), described(words={"y": 10**7}))
    assert apart.value == pytest.approx(1.0, abs=1e-3)
    assert apart.drifted


def test_a_new_category_is_a_finite_shift() -> None:
    found = shift("category", described(category={"Books": 3000}), described(category={"Books": 1500, "Toys": 1500}))
    assert found.drifted
    assert 1 < found.value < 10


def test_chance_alone_is_no_drift_however_small_the_sample() -> None:
    """200 pairs of samples of 60 from one population: the plain threshold cries wolf, the one with chance hardly."""
    draw = random.Random(5)

    def sample() -> dict[str, int]:
        found = draw.choices("abcde", weights=(10, 20, 30, 25, 15), k=60)
        return {name: found.count(name) for name in "abcde"}

    pairs = [(described(rating=sample()), described(rating=sample())) for _ in range(200)]
    shifts = [shift("rating", *pair, psi=0.1) for pair in pairs]
    assert sum(item.value > item.threshold for item in shifts) > 20
    assert sum(item.drifted for item in shifts) <= 2


def test_the_verdict_names_what_moved() -> None:
    shifts = [item.to_json() for item in compare(described(), described(length={"a": 3000, "b": 0, "c": 0}), Limits())]
    assert verdict_of(shifts)[0] == "drifted"
    assert "length moved" in verdict_of(shifts)[1]
    assert verdict_of([item.to_json() for item in compare(described(), described(), Limits())])[0] == "stable"
    assert verdict_of([])[0] == "no reference"


@pytest.mark.parametrize("wrong", [{"psi": 0.0}, {"words": -1.0}, {"psi": float("nan")}])
def test_a_threshold_must_be_positive(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="must be positive"):
        Limits(**wrong)


def test_reviews_are_described_by_counts(tmp_path: Path) -> None:
    found = describe_reviews(reviews(tmp_path / "r", ["Works &amp; works", None, "works not"], [5, 1, 5]))
    assert (found["rows"], found["rating"], found["category"]) == (3, {"1": 1, "5": 2}, {"Toys": 3})
    assert found["length"]["0"] == 1
    assert found["length"]["1–3"] == 2
    assert found["words"] == {"works": 2, "not": 1, OTHER: 0}  # of reviews: a word said twice counts once
    assert sum(found["length"].values()) == 3


def test_only_the_words_of_the_reference_are_counted(tmp_path: Path) -> None:
    found = describe_reviews(reviews(tmp_path / "r", ["good toy", "bad toy"]), ["good", "never"])
    assert found["words"] == {"good": 1, "never": 0, OTHER: 3}


def test_words_are_sampled_evenly_over_many_reviews(tmp_path: Path) -> None:
    bodies = ["early"] * SAMPLE + ["late"] * SAMPLE
    found = describe_reviews(reviews(tmp_path / "r", list(bodies)))
    assert found["rows"] == 2 * SAMPLE
    assert found["words"]["early"] == found["words"]["late"] == SAMPLE // 2


def test_a_description_is_read_back(tmp_path: Path) -> None:
    assert read_reference(tmp_path) is None
    write_reference(tmp_path, described())
    assert read_reference(tmp_path) == described()
    (tmp_path / "reference.json").write_text("{}")
    with pytest.raises(ArtifactCorrupt, match="lacks counts"):
        read_reference(tmp_path)
    (tmp_path / "reference.json").write_text("{")
    with pytest.raises(ArtifactCorrupt, match="cannot be read"):
        read_reference(tmp_path)
