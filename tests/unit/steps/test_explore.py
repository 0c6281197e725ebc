"""The step explore, called as the plain function that it is."""

from __future__ import annotations

import json
import random
from datetime import date

import pytest

from intermodal.errors import UsageError
from intermodal.steps.explore import explore


def artifact(kind, directory, name):
    return kind(name=name, uri=str(directory / name), metadata={})


@pytest.fixture
def call(tmp_path):
    from kfp.dsl import HTML, Dataset, Markdown, Metrics

    def run(reviews, **parameters):
        outputs = {
            name: artifact(kind, tmp_path, name)
            for name, kind in (("profile", Dataset), ("report", HTML), ("metrics", Metrics), ("notes", Markdown))
        }
        explore(reviews=Dataset(name="reviews", uri=str(reviews), metadata={}), **outputs, **parameters)
        return outputs

    return run


def write_reviews(directory, count=300):
    import polars as pl

    draw = random.Random(1)
    stars = [draw.randint(1, 5) for _ in range(count)]
    columns = {
        "customer_id": [str(i % 9) for i in range(count)],
        "product_id": [f"B{i % 4}" for i in range(count)],
        "product_title": ["<b>Bold</b> & co"] * count,
        "product_category": ["Toys" if i % 3 else "Books" for i in range(count)],
        "star_rating": pl.Series(stars, dtype=pl.Int32),
        "helpful_votes": pl.Series([i % 2 for i in range(count)], dtype=pl.Int32),
        "total_votes": pl.Series([2] * count, dtype=pl.Int32),
        "verified_purchase": ["Y" if i % 2 else "N" for i in range(count)],
        "review_headline": ["Good"] * count,
        "review_body": ["one two three"] * count,
        "review_date": [date(2012 + i % 3, 1 + i % 12, 1) for i in range(count)],
    }
    directory.mkdir()
    pl.DataFrame(columns).write_parquet(directory / "part-00000.parquet")
    return stars


def test_it_writes_the_profile_the_page_and_the_metrics(call, tmp_path):
    stars = write_reviews(tmp_path / "reviews")
    outputs = call(tmp_path / "reviews", top=2)
    profile = json.loads((tmp_path / "profile" / "profile.json").read_text())
    assert profile["rows"] == 300
    assert profile["rating"]["counts"] == {str(star): stars.count(star) for star in range(1, 6)}
    assert len(profile["products"]["top"]) == 2
    assert outputs["profile"].metadata["rows"] == 300
    assert outputs["metrics"].metadata == {
        "rows": 300,
        "mean_rating": pytest.approx(sum(stars) / 300, abs=1e-5),
        "verified_share": 0.5,
        "median_words": 3,
    }
    page = (tmp_path / "report").read_text()
    assert "How do categories differ?" in page
    assert "&lt;b&gt;Bold&lt;/b&gt; &amp; co" in page
    assert "<b>Bold" not in page


def test_twice_gives_the_same_bytes(call, tmp_path):
    write_reviews(tmp_path / "reviews")
    files = (tmp_path / "profile" / "profile.json", tmp_path / "report")
    call(tmp_path / "reviews")
    first = [file.read_bytes() for file in files]
    call(tmp_path / "reviews")
    assert [file.read_bytes() for file in files] == first
    assert str(tmp_path).encode() not in b"".join(first)


def test_a_top_of_zero_is_a_usage_error(call, tmp_path):
    with pytest.raises(UsageError, match="top"):
        call(tmp_path, top=0)


def test_it_is_a_step_with_documented_parameters():
    from intermodal.core.step import spec_of

    spec = spec_of(explore)
    assert [slot.name for slot in spec.inputs] == ["reviews"]
    assert [slot.name for slot in spec.outputs] == ["profile", "report", "metrics", "notes"]
    assert [(p.name, p.default) for p in spec.parameters] == [("top", 10), ("engine", "local")]
    assert all(item.doc for item in (*spec.inputs, *spec.outputs, *spec.parameters))


@pytest.mark.shared
def test_the_real_reviews_have_their_known_stars(call, tmp_path, shared):
    import polars as pl

    source = shared / "data" / "amazon_reviews_us_Digital_Software_v1_00.tsv.gz"
    text = {"customer_id": pl.String, "product_parent": pl.String}
    frame = pl.read_csv(source, separator="\t", quote_char=None, schema_overrides=text, try_parse_dates=True)
    (tmp_path / "reviews").mkdir()
    frame.write_parquet(tmp_path / "reviews" / "part-00000.parquet")
    call(tmp_path / "reviews")
    profile = json.loads((tmp_path / "profile" / "profile.json").read_text())
    assert profile["rows"] == 102_084
    assert list(profile["rating"]["counts"].values()) == [23_783, 6_890, 8_308, 16_693, 46_410]
    assert profile["rating"]["mean"] == 3.53933
