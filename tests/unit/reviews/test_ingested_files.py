"""What ingest writes: partitions with safe names, the same bytes every time, every row accounted for."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest
from review_rows import ingest_path, line, quarantined_in, reviews_in, row, write_tsv

from intermodal.errors import StepFailed, StoreFailed
from intermodal.reviews import ingest as ingest_module
from intermodal.reviews import streams, writer
from intermodal.reviews.generate import generate_reviews
from intermodal.reviews.writer import partition_directory, staged

CATEGORIES = ["Books", "a/b", "..", "Major Appliances", "100%", "Été=1", "x" * 60, "books"]


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def varied(tmp_path: Path) -> Path:
    lines = [line(row(number, product_category=CATEGORIES[number % len(CATEGORIES)])) for number in range(80)]
    return write_tsv(tmp_path / "varied.tsv", [*lines, line(row(80, product_category=""))])


def test_every_category_has_a_directory_with_a_safe_name(varied: Path, tmp_path: Path) -> None:
    ingest_path(varied, tmp_path / "out")
    folders = sorted(path.name for path in (tmp_path / "out" / "reviews").iterdir())
    assert folders == sorted(map(partition_directory, [*CATEGORIES, None]))
    assert {"product_category=a%2Fb", "product_category=Major%20Appliances"} <= set(folders)
    assert "product_category=__HIVE_DEFAULT_PARTITION__" in folders
    kept = {review["product_category"] for review in reviews_in(tmp_path / "out")}
    assert kept == {*CATEGORIES, None}


def test_names_that_differ_in_case_only_never_share_a_file_name(varied: Path, tmp_path: Path) -> None:
    ingest_path(varied, tmp_path / "out")
    files = [str(path).casefold() for path in (tmp_path / "out" / "reviews").rglob("*.parquet")]
    assert len(files) == len(set(files)) == len(CATEGORIES) + 1


def test_a_very_long_category_still_makes_a_directory(tmp_path: Path) -> None:
    lines = [line(row(1, product_category="é" * 300 + "1")), line(row(2, product_category="é" * 300 + "2"))]
    ingest_path(write_tsv(tmp_path / "a.tsv", lines), tmp_path / "out")
    assert len(list((tmp_path / "out" / "reviews").iterdir())) == 2
    assert {review["product_category"][-1] for review in reviews_in(tmp_path / "out")} == {"1", "2"}


def test_other_readers_undo_the_partition_names(varied: Path, tmp_path: Path) -> None:
    ingest_path(varied, tmp_path / "out")
    pattern = f"{tmp_path}/out/reviews/**/*.parquet"
    scanned = pl.scan_parquet(pattern, hive_partitioning=False).collect()
    asked = duckdb.sql(f"SELECT product_category, count(*) FROM read_parquet('{pattern}') GROUP BY ALL").fetchall()
    assert scanned.height == 81
    assert {name for name, _ in asked} >= {"a/b", "Major Appliances", "100%", "Été=1"}


@pytest.mark.parametrize(("rows", "size", "files"), [(7, 1 << 30, 64), (1 << 20, 2000, 64), (5, 1 << 30, 2)])
def test_row_groups_and_part_files_lose_no_row_and_keep_the_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, size: int, files: int
) -> None:
    monkeypatch.setattr(streams, "BLOCK_BYTES", 900)
    monkeypatch.setattr(writer, "ROW_GROUP_ROWS", rows)
    monkeypatch.setattr(writer, "BUFFERED_BYTES", size)
    monkeypatch.setattr(writer, "OPEN_FILES", files)
    path = write_tsv(tmp_path / "a.tsv", [line(row(n, product_category=f"C{n * n % 7}")) for n in range(500)])
    ingest_path(path, tmp_path / "out")
    found = reviews_in(tmp_path / "out")
    for category in {f"C{n * n % 7}" for n in range(500)}:
        customers = [int(review["customer_id"]) - 1000 for review in found if review["product_category"] == category]
        assert customers == [n for n in range(500) if f"C{n * n % 7}" == category]
    parts = list((tmp_path / "out" / "reviews").rglob("part-00001.parquet"))
    assert bool(parts) == (files == 2)


def test_without_bad_rows_the_quarantine_is_an_empty_table(tmp_path: Path) -> None:
    ingest_path(write_tsv(tmp_path / "a.tsv", [line(row(1))]), tmp_path)
    assert quarantined_in(tmp_path) == []
    schema = pq.ParquetFile(tmp_path / "quarantine" / "part-00000.parquet").schema_arrow
    assert [f"{field.name} {field.type}" for field in schema] == [
        "source string",
        "line int64",
        "reason string",
        "raw string",
    ]


_RUN = """
import sys
from intermodal.reviews.ingest import Limits, ingest_reviews
from intermodal.reviews.sources import find_files
ingest_reviews(find_files(sys.argv[1]), sys.argv[2] + "/reviews", sys.argv[2] + "/quarantine", Limits())
"""


def test_the_same_file_gives_the_same_bytes_whatever_the_threads(tmp_path: Path) -> None:
    raw = str(tmp_path / "raw")
    generate_reviews(raw, 45_000, 3, {"bad_date": 0.01, "duplicate_id": 0.01}, ["Books", "Toys"])
    found = []
    for threads in ("1", "2", "4"):
        (tmp_path / threads).mkdir()
        command = [sys.executable, "-c", _RUN, raw, str(tmp_path / threads)]
        environment = {**os.environ, "POLARS_MAX_THREADS": threads, "PYTHONHASHSEED": threads}
        subprocess.run(command, check=True, env=environment)
        found.append(digests(tmp_path / threads))
    assert len(found[0]) == 3
    assert found[0] == found[1] == found[2]


def test_nothing_of_the_machine_stands_in_the_files(tmp_path: Path) -> None:
    path = write_tsv(tmp_path / "a.tsv", [line(row(1)), "bad"])
    ingest_path(path, tmp_path)
    for file in [*(tmp_path / "reviews").rglob("*.parquet"), tmp_path / "quarantine" / "part-00000.parquet"]:
        assert str(tmp_path).encode() not in file.read_bytes()
        assert pq.ParquetFile(file).metadata.metadata is None


def test_a_row_lost_on_the_way_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ingest_module.typed_rows
    monkeypatch.setattr(ingest_module, "typed_rows", lambda batch: (whole(batch)[0].head(2), []))
    with pytest.raises(StepFailed, match="rows were lost") as caught:
        ingest_path(write_tsv(tmp_path / "a.tsv", [line(row(n)) for n in range(3)]), tmp_path)
    assert caught.value.seen == "3 in, 2 out, 0 quarantined"


def test_outputs_appear_together_or_not_at_all(tmp_path: Path) -> None:
    targets = [str(tmp_path / "one"), str(tmp_path / "two")]
    with pytest.raises(KeyError), staged(*targets) as (one, _):
        (one / "file").touch()
        raise KeyError
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "two").write_text("in the way")
    with pytest.raises(StoreFailed, match="cannot write"), staged(*targets):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["two"]


def test_an_output_directory_made_beforehand_is_filled(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    with staged(str(tmp_path / "one")) as (place,):
        (place / "file").touch()
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["file"]
