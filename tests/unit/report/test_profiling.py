"""The profile of reviews agrees with counting by hand, whatever the files look like."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from statistics import mean

import pytest

from intermodal.errors import DataRejected
from intermodal.report.profiling import COLUMNS, profile_reviews

WORDS = ["good", "bad", "software", "installs", "never", "again", "<br />", "&quot;fine&quot;", "ünïcödé"]
CATEGORIES = ["Digital_Software", "Toys", "Books"]


def reviews(count: int, seed: int = 7) -> list[dict]:
    """Reviews with gaps, drawn from a seed."""
    draw = random.Random(seed)
    rows = []
    for index in range(count):
        body = " ".join(draw.choice(WORDS) for _ in range(draw.randrange(40)))
        helpful = draw.choice([0, 0, 0, 1, 2, 7])
        rows.append(
            {
                "marketplace": "US",
                "customer_id": str(draw.randrange(50)),
                "review_id": f"R{index}",
                "product_id": f"B{draw.randrange(12)}",
                "product_title": f"Product {index % 12}",
                "product_category": draw.choice(CATEGORIES),
                "star_rating": draw.choice([1, 2, 3, 4, 5, 5, 5]),
                "helpful_votes": helpful,
                "total_votes": helpful + 1,
                "verified_purchase": draw.choice("YYN"),
                "review_headline": draw.choice(["Great", "", "  ", None]),
                "review_body": draw.choice([body, body, body, None]),
                "review_date": date(2012, 1, 1) + timedelta(days=draw.randrange(900)),
            }
        )
    return rows


def write(rows: list[dict], directory, parts: int = 1) -> None:
    """Write hive partitions as ingest does, each in several files."""
    import polars as pl

    schema = {"star_rating": pl.Int32, "helpful_votes": pl.Int32, "total_votes": pl.Int32, "review_date": pl.Date}
    for category in sorted({row["product_category"] for row in rows}):
        mine = [row for row in rows if row["product_category"] == category]
        for part in range(parts):
            target = directory / f"product_category={category}" / f"part-{part:05d}.parquet"
            target.parent.mkdir(parents=True, exist_ok=True)
            frame = pl.DataFrame(mine[part::parts], schema_overrides=schema, infer_schema_length=None)
            frame.write_parquet(target, row_group_size=50)


@pytest.fixture(scope="module")
def rows():
    return reviews(1500)


@pytest.fixture(scope="module")
def found(rows, tmp_path_factory):
    directory = tmp_path_factory.mktemp("reviews")
    write(rows, directory)
    (directory / "manifest.json").write_text("{}")
    return profile_reviews(directory)


def test_ratings_are_those_of_the_rows(rows, found):
    counts = Counter(row["star_rating"] for row in rows)
    assert found["rows"] == len(rows)
    assert found["rating"]["counts"] == {str(star): counts[star] for star in range(1, 6)}
    assert found["rating"]["mean"] == pytest.approx(mean(row["star_rating"] for row in rows), abs=1e-5)


@pytest.mark.parametrize(
    ("key", "of"),
    [
        ("by_category", lambda row: row["product_category"]),
        ("by_year", lambda row: str(row["review_date"].year)),
    ],
)
def test_groups_are_complete(rows, found, key, of):
    expected = {}
    for row in rows:
        expected.setdefault(of(row), []).append(row["star_rating"])
    assert {group["name"]: group["rows"] for group in found[key]} == {name: len(v) for name, v in expected.items()}
    for group in found[key]:
        assert group["counts"] == [expected[group["name"]].count(star) for star in range(1, 6)]
        assert group["mean"] == pytest.approx(mean(expected[group["name"]]), abs=1e-5)


def test_months_are_complete_and_in_order(rows, found):
    expected = Counter(row["review_date"].strftime("%Y-%m") for row in rows)
    assert [(m["month"], m["rows"]) for m in found["by_month"]] == sorted(expected.items())
    days = sorted(row["review_date"].isoformat() for row in rows)
    assert found["dates"] == {"first": days[0], "last": days[-1]}


def test_lengths_are_exact_and_missing_texts_counted_apart(rows, found):
    bodies = [row["review_body"] for row in rows if row["review_body"] is not None]
    words = sorted(len(body.replace("<br />", " ").split()) for body in bodies)
    for unit, lengths in (("words", words), ("characters", sorted(map(len, bodies)))):
        part = found["length"][unit]
        assert (part["rows"], part["missing"]) == (len(bodies), len(rows) - len(bodies))
        assert part["mean"] == pytest.approx(mean(lengths), abs=1e-4)
        assert part["max"] == lengths[-1]
        for name, share in (("p05", 0.05), ("p50", 0.5), ("p95", 0.95)):
            assert part[name] == next(n for i, n in enumerate(lengths, 1) if i >= share * len(lengths))
        histogram = part["histogram"]
        assert sum(histogram["counts"]) == len(bodies)
        edges = histogram["edges"]
        for index, count in enumerate(histogram["counts"]):
            assert count == sum(edges[index] <= n < edges[index + 1] for n in lengths)


def test_words_by_rating_are_those_of_that_rating(rows, found):
    for part in found["length"]["words"]["by_rating"]:
        mine = [r["review_body"] for r in rows if r["star_rating"] == part["rating"] and r["review_body"] is not None]
        assert part["rows"] == len(mine)
        assert part["max"] == max(len(body.replace("<br />", " ").split()) for body in mine)


def test_votes_and_purchases(rows, found):
    assert found["helpful"]["votes"] == sum(row["helpful_votes"] for row in rows)
    assert found["helpful"]["total_votes"] == sum(row["total_votes"] for row in rows)
    assert found["helpful"]["any"] == pytest.approx(mean(row["helpful_votes"] > 0 for row in rows), abs=1e-5)
    assert found["verified"]["share"] == pytest.approx(mean(r["verified_purchase"] == "Y" for r in rows), abs=1e-5)
    fives = [row for row in rows if row["star_rating"] == 5]
    assert found["helpful"]["by_rating"][4]["mean"] == pytest.approx(mean(r["helpful_votes"] for r in fives), abs=1e-4)
    assert found["verified"]["by_rating"][4]["share"] == pytest.approx(
        mean(r["verified_purchase"] == "Y" for r in fives), abs=1e-5
    )


def test_products_are_ranked_by_reviews(rows, found):
    counts = Counter(row["product_id"] for row in rows)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:10]
    assert [(p["product_id"], p["rows"]) for p in found["products"]["top"]] == ranked
    assert found["products"]["distinct"] == len(counts)
    assert sum(found["products"]["histogram"]["counts"]) == len(counts)
    best = found["products"]["top"][0]
    mine = [row["star_rating"] for row in rows if row["product_id"] == best["product_id"]]
    assert best["mean"] == pytest.approx(mean(mine), abs=1e-4)


def test_gaps_are_missing_and_blank_values(rows, found):
    columns = {column["name"]: column for column in found["columns"]}
    headline = columns["review_headline"]
    assert headline["nulls"] == sum(row["review_headline"] is None for row in rows)
    assert headline["blank"] == sum(row["review_headline"] in ("", "  ") for row in rows)
    assert headline["complete"] == pytest.approx(mean(row["review_headline"] == "Great" for row in rows), abs=1e-5)
    assert columns["star_rating"]["nulls"] == columns["star_rating"]["blank"] == 0
    assert found["customers"] == pytest.approx(50, rel=0.1)


def test_the_same_rows_in_other_files_and_another_order_give_the_same_bytes(rows, found, tmp_path):
    shuffled = rows[:]
    random.Random(3).shuffle(shuffled)
    write(shuffled, tmp_path, parts=3)
    assert json.dumps(profile_reviews(tmp_path)) == json.dumps(found)


def test_small_categories_are_taken_together_and_none_is_lost(rows, tmp_path):
    write([{**row, "product_category": f"C{index % 15:02d}"} for index, row in enumerate(rows)], tmp_path)
    groups = profile_reviews(tmp_path, top=4)["by_category"]
    assert len(groups) == 5
    assert groups[-1]["name"] == "11 others"
    assert sum(group["rows"] for group in groups) == len(rows)
    assert len(profile_reviews(tmp_path, top=4)["products"]["top"]) == 4


def test_nulls_everywhere_are_data(tmp_path):
    rows = [{**row, "review_body": None, "review_date": None, "product_category": "X"} for row in reviews(20)]
    for row in rows[5:10]:
        row.update(star_rating=None, helpful_votes=None, product_title=None, verified_purchase=None)
    write(rows, tmp_path)
    found = profile_reviews(tmp_path)
    assert found["rows"] == 20
    assert sum(found["rating"]["counts"].values()) == 15
    assert found["length"]["words"]["p50"] is None
    assert found["length"]["words"]["missing"] == 20
    assert found["by_year"] == []
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("case", ["no files", "no rows", "no column"])
def test_what_cannot_be_profiled_is_rejected_with_what_is_missing(case, tmp_path, rows):
    import polars as pl

    if case == "no rows":
        write(rows[:1], tmp_path)
        file = next(tmp_path.rglob("*.parquet"))
        pl.read_parquet(file).head(0).write_parquet(file)
    elif case == "no column":
        write([{key: value for key, value in row.items() if key != "star_rating"} for row in rows[:5]], tmp_path)
    with pytest.raises(DataRejected) as caught:
        profile_reviews(tmp_path)
    assert ("star_rating" in caught.value.headline) == (case == "no column")
    assert case != "no column" or ", ".join(COLUMNS) == caught.value.expected


@pytest.mark.parametrize(
    ("column", "value"), [("star_rating", "five"), ("review_date", "2012-01-01"), ("review_body", 7)]
)
def test_a_column_of_another_type_is_rejected_by_name(column, value, tmp_path, rows):
    import polars as pl

    frame = pl.DataFrame([{**row, column: value} for row in rows[:5]], infer_schema_length=None)
    frame.write_parquet(tmp_path / "part-00000.parquet")
    with pytest.raises(DataRejected, match=column):
        profile_reviews(tmp_path)


PEAK = """
import sys
from intermodal.report.profiling import profile_reviews
profile_reviews(sys.argv[1])
print(next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_memory_does_not_grow_with_the_files(tmp_path):
    """Fourteen times the same 30 MB of texts may not take much more than two times."""
    import polars as pl

    frame = pl.DataFrame(reviews(2000), infer_schema_length=None)
    texts = pl.col("review_body").str.replace_all("good", "good " * 20)
    big = pl.concat([frame.with_columns(texts)] * 40)
    peaks = []
    for parts in (2, 14):
        folder = tmp_path / str(parts)
        folder.mkdir()
        big.write_parquet(folder / "part-00000.parquet", row_group_size=20_000)
        for part in range(1, parts):
            os.link(folder / "part-00000.parquet", folder / f"part-{part:05d}.parquet")
        done = subprocess.run([sys.executable, "-c", PEAK, str(folder)], capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout) / 1024)
    assert big.estimated_size("mb") > 20
    assert peaks[1] - peaks[0] < 5 * big.estimated_size("mb"), peaks
