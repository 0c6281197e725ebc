"""Memory does not grow with the file, nor with its longest line; each figure from a process of its own."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "benchmarks"))

from measure import measure  # noqa: E402

from intermodal.reviews.generate import generate_reviews  # noqa: E402
from intermodal.reviews.schema import COLUMNS  # noqa: E402

LONG_LINE = 100_000_000


def ingested(source: str, into: str) -> list[int]:
    """Runs in the measured process."""
    from intermodal.reviews.ingest import Limits, ingest_reviews
    from intermodal.reviews.sources import find_files

    account = ingest_reviews(find_files(source), f"{into}/reviews", f"{into}/quarantine", Limits(max_quarantined=0.6))
    return [account.rows_in, account.rows_out, account.rows_quarantined]


def generated(into: str, rows: int) -> int:
    """Runs in the measured process."""
    return generate_reviews(into, rows, 7, {"missing_body": 0.1}, ["Books", "Toys"]).rows


def peak(source: Path, into: Path) -> tuple[int, list[int]]:
    into.mkdir()
    cost = measure(ingested, str(source), str(into))
    assert cost.exit_code == 0, cost.output
    return cost.peak_rss_bytes, cost.result


def body(path: Path, rows: int, defects: dict[str, float]) -> tuple[bytes, bytes]:
    """The header and the rows of generated reviews, each as a gzip member, to be repeated at will."""
    generate_reviews(str(path), rows, 7, defects, ["Books", "Toys"])
    text = gzip.decompress((path / "reviews-00000.tsv.gz").read_bytes())
    header, _, rest = text.partition(b"\n")
    return gzip.compress(header + b"\n"), gzip.compress(rest, 3)


@pytest.mark.parametrize("defects", [{}, {"missing_column": 0.01, "invalid_utf8": 0.01, "bad_date": 0.01}])
def test_ten_times_the_rows_take_no_more_memory(tmp_path: Path, defects: dict[str, float]) -> None:
    header, rows = body(tmp_path / "raw", 100_000, defects)
    (tmp_path / "small.tsv.gz").write_bytes(header + rows)
    (tmp_path / "large.tsv.gz").write_bytes(header + 10 * rows)
    small, few = peak(tmp_path / "small.tsv.gz", tmp_path / "one")
    large, many = peak(tmp_path / "large.tsv.gz", tmp_path / "ten")
    assert many == [10 * count for count in few]
    assert few[0] == 100_000
    assert large < 2 * small  # the rows themselves would be ten times as much
    assert large < 600e6


@pytest.mark.parametrize("form", ["tsv", "csv", "jsonl"])
def test_a_line_of_100_mb_is_not_held(tmp_path: Path, form: str) -> None:
    separator = {"tsv": "\t", "csv": ","}.get(form, "")
    good = separator.join(["4" if "r_" in name or "votes" in name else "2015-08-31" for name in COLUMNS]).encode()
    header = separator.join(COLUMNS).encode() + b"\n"
    if form == "jsonl":
        good = b"{" + b",".join(b'"%s": 4' % name.encode() for name in COLUMNS[:-1]) + b',"review_date":"2015-08-31"}'
        header = b""
    sound = header + good + b"\n"
    with gzip.open(tmp_path / f"short.{form}.gz", "wb", compresslevel=1) as file:
        file.write(sound + b"x" * 2_000_000 + b"\n" + good)
    with gzip.open(tmp_path / f"long.{form}.gz", "wb", compresslevel=1) as file:
        file.write(sound)
        for _ in range(LONG_LINE // 1_000_000):
            file.write(b"x" * 1_000_000)
        file.write(b"\n" + good)
    short, few = peak(tmp_path / f"short.{form}.gz", tmp_path / "one")
    long, many = peak(tmp_path / f"long.{form}.gz", tmp_path / "two")
    assert few == many == [3, 2, 1]
    assert long < short + LONG_LINE / 3


def test_generating_ten_times_the_rows_takes_no_more_memory(tmp_path: Path) -> None:
    small, large = (measure(generated, str(tmp_path / str(rows)), rows) for rows in (40_000, 400_000))
    assert (small.result, large.result) == (40_000, 400_000)
    assert large.peak_rss_bytes < 1.3 * small.peak_rss_bytes
