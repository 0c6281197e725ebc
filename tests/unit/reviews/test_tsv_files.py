"""Amazon's TSV: nothing is quoted, nothing is escaped, and no row gets lost."""

from __future__ import annotations

import datetime
import gzip
import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from review_rows import HEADER, ingest_path, line, quarantined_in, reasons_in, reviews_in, row, write_tsv

from intermodal.reviews import streams
from intermodal.reviews.ingest import Limits
from intermodal.reviews.schema import COLUMNS, review_schema


def test_every_value_arrives_with_its_type(tmp_path: Path) -> None:
    ingest_path(write_tsv(tmp_path / "a.tsv", [line(row(1))]), tmp_path)
    expected = row(1, star_rating=2, helpful_votes=1, total_votes=2, review_date=datetime.date(2015, 8, 31))
    assert reviews_in(tmp_path) == [expected]


def test_the_files_have_the_review_schema(tmp_path: Path) -> None:
    ingest_path(write_tsv(tmp_path / "a.tsv", [line(row(1))]), tmp_path)
    file = tmp_path / "reviews/product_category=Digital_Software/part-00000.parquet"
    assert pq.ParquetFile(file).schema_arrow.equals(review_schema())
    assert pq.ParquetFile(file).metadata.row_group(0).column(0).compression == "ZSTD"


@pytest.mark.parametrize(
    "text",
    [
        'a "quoted" word and a stray 5" quote',
        '"starts with a quote',
        "a back\\slash \\t and \\n",
        "carriage\rreturn inside",
        "&#34;entities&#34; and <br /> breaks, &amp; more",
        "NA",
        "NULL",
        "nan",
        "  spaces kept  ",
        "#comment",
        "zero \x00 byte and \x07 bell",
        "next\u2028line and \x85 too",
        "Très déçu 😞 naïve Ω",
        "a,comma;semicolon|bar",
    ],
)
def test_text_arrives_unchanged(tmp_path: Path, text: str) -> None:
    path = write_tsv(tmp_path / "a.tsv", [line(row(1, review_body=text)), line(row(2))])
    account = ingest_path(path, tmp_path)
    assert (account.rows_in, account.rows_out) == (2, 2)
    assert reviews_in(tmp_path)[0]["review_body"] == text


def test_an_empty_field_is_null_and_the_row_is_kept(tmp_path: Path) -> None:
    ingest_path(write_tsv(tmp_path / "a.tsv", [line(row(1, review_body="", review_headline=""))]), tmp_path)
    (review,) = reviews_in(tmp_path)
    assert review["review_body"] is None
    assert review["review_headline"] is None


@pytest.mark.parametrize("last", ["product_category", "review_body", "review_date"])
def test_columns_may_stand_in_any_order_with_others_between(tmp_path: Path, last: str) -> None:
    names = [*(name for name in reversed(COLUMNS) if name != last), "year", last]
    lines = [
        "\t".join(str({**row(n, review_body="" if n == 2 else "text"), "year": 2015}[k]) for k in names) for n in (1, 2)
    ]
    account = ingest_path(write_tsv(tmp_path / "a.tsv", lines, header="\t".join(names).upper()), tmp_path)
    assert account.rows_out == 2
    assert [review["customer_id"] for review in reviews_in(tmp_path)] == ["1001", "1002"]


def test_windows_line_ends_and_a_byte_order_mark(tmp_path: Path) -> None:
    path = write_tsv(tmp_path / "a.tsv", [line(row(1)), line(row(2))], header="\ufeff" + HEADER, end=b"\r\n")
    assert ingest_path(path, tmp_path).rows_out == 2
    assert reviews_in(tmp_path)[0]["review_date"] == datetime.date(2015, 8, 31)


def test_a_last_line_without_end_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(f"{HEADER}\n{line(row(1))}\n{line(row(2))}")
    assert ingest_path(path, tmp_path).rows_out == 2


def test_codes_in_lower_case_and_negative_votes_are_data(tmp_path: Path) -> None:
    odd = row(1, marketplace="us", vine="n", product_category="digital_software", helpful_votes="-3", total_votes="0")
    assert ingest_path(write_tsv(tmp_path / "a.tsv", [line(odd)]), tmp_path).rows_out == 1
    assert reviews_in(tmp_path)[0]["helpful_votes"] == -3


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"star_rating": "five"}, "rating_not_integer"),
        ({"star_rating": ""}, "rating_not_integer"),
        ({"star_rating": "4.5"}, "rating_not_integer"),
        ({"star_rating": " 4"}, "rating_not_integer"),
        ({"star_rating": "99999999999"}, "rating_not_integer"),
        ({"star_rating": "7"}, "rating_out_of_range"),
        ({"star_rating": "0"}, "rating_out_of_range"),
        ({"star_rating": "-1"}, "rating_out_of_range"),
        ({"helpful_votes": "many"}, "votes_not_integer"),
        ({"total_votes": ""}, "votes_not_integer"),
        ({"total_votes": "3000000000"}, "votes_not_integer"),
        ({"review_date": ""}, "date_not_iso"),
        ({"review_date": "08/31/2015"}, "date_not_iso"),
        ({"review_date": "2015-02-30"}, "date_not_iso"),
        ({"review_date": "2015-8-31"}, "date_not_iso"),
        ({"review_date": "-201-01-01"}, "date_not_iso"),
        ({"review_body": "one\ttab too many"}, "column_count"),
        ({"review_body": "line\nend inside"}, "column_count"),
    ],
)
def test_a_row_that_does_not_parse_is_quarantined(tmp_path: Path, changes: dict[str, str], reason: str) -> None:
    path = write_tsv(tmp_path / "bad.tsv", [line(row(1)), line(row(2, **changes)), line(row(3))])
    account = ingest_path(path, tmp_path)
    refused = quarantined_in(tmp_path)
    assert [review["customer_id"] for review in reviews_in(tmp_path)] == ["1001", "1003"]
    assert {item["reason"] for item in refused} == {reason}
    assert (refused[0]["source"], refused[0]["line"]) == ("bad.tsv", 3)
    assert "\n".join(item["raw"] for item in refused) == line(row(2, **changes))
    assert account.rows_in == account.rows_out + account.rows_quarantined == 2 + len(refused)


def test_a_whole_number_with_a_decimal_point_is_a_number(tmp_path: Path) -> None:
    ingest_path(write_tsv(tmp_path / "a.tsv", [line(row(1, star_rating="4.0", total_votes="2.0"))]), tmp_path)
    assert reviews_in(tmp_path)[0]["star_rating"] == 4


def test_bytes_that_are_not_utf8_cost_one_row(tmp_path: Path) -> None:
    broken = line(row(2)).encode().replace(b"Review", b"Re\xff\xfeview")
    ingest_path(write_tsv(tmp_path / "a.tsv.gz", [line(row(1)), broken, line(row(3, review_body="déçu"))]), tmp_path)
    assert reasons_in(tmp_path) == [(3, "invalid_utf8")]
    assert quarantined_in(tmp_path)[0]["raw"] == broken.decode("utf-8", "replace")
    assert len(reviews_in(tmp_path)) == 2


def test_a_long_raw_text_is_cut(tmp_path: Path) -> None:
    path = write_tsv(tmp_path / "a.tsv", [line(row(1)), line(row(2, star_rating="x", product_title="é" * 5000))])
    ingest_path(path, tmp_path)
    raw = quarantined_in(tmp_path)[0]["raw"]
    assert len(raw) == 2000
    assert raw == line(row(2, star_rating="x", product_title="é" * 5000))[:2000]


def test_two_faults_that_cancel_in_the_count_of_tabs_are_found(tmp_path: Path) -> None:
    short, long = line(row(1)).rpartition("\t")[0], line(row(2)) + "\textra"
    ingest_path(write_tsv(tmp_path / "a.tsv", [short, long, line(row(3))]), tmp_path)
    assert reasons_in(tmp_path) == [(2, "column_count"), (3, "column_count")]
    assert len(reviews_in(tmp_path)) == 1


def test_rows_that_are_not_lost_between_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a few hundred bytes, every kind of fault: the quarantine names exactly the faulty lines."""
    monkeypatch.setattr(streams, "BLOCK_BYTES", 700)
    chance = random.Random(3)
    faults = {
        "rating_not_integer": lambda n: line(row(n, star_rating="six")).encode(),
        "column_count": lambda n: line(row(n)).rpartition("\t")[0].encode(),
        "invalid_utf8": lambda n: line(row(n)).encode() + b"\xff",
        "line_too_long": lambda n: line(row(n, review_body="x" * chance.randint(1100, 9000))).encode(),
        "date_not_iso": lambda n: line(row(n, review_date="")).encode(),
    }
    expected, lines = [], []
    for number in range(600):
        reason = chance.choice([*faults, "", "", "", ""])
        lines.append(
            faults[reason](number) if reason else line(row(number, review_body="é" * chance.randint(0, 300))).encode()
        )
        expected += [(number + 2, reason)] if reason else []
    limits = Limits(max_quarantined=1.0, max_line_bytes=1024)
    account = ingest_path(write_tsv(tmp_path / "a.tsv", lines), tmp_path, limits)
    assert reasons_in(tmp_path) == expected
    kept = [int(review["customer_id"]) - 1000 for review in reviews_in(tmp_path)]
    assert kept == [number for number in range(600) if number + 2 not in dict(expected)]
    assert account.rows_in == 600


@pytest.mark.parametrize("length", [1023, 1024, 1025, 1026, 2100, 5000])
@pytest.mark.parametrize("end", [b"\n", b""])
def test_the_limit_of_a_line_does_not_depend_on_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int, end: bytes
) -> None:
    monkeypatch.setattr(streams, "BLOCK_BYTES", 1500)
    body = "x" * (length - len(line(row(2, review_body=""))))
    lines = [line(row(1)), line(row(2, review_body=body)), line(row(3))]
    path = write_tsv(tmp_path / "a.tsv", lines)
    if not end:  # the long line is the last one, without an end
        path.write_bytes("\n".join([HEADER, *lines[:2]]).encode())
    ingest_path(path, tmp_path, Limits(max_quarantined=1.0, max_line_bytes=1024))
    assert reasons_in(tmp_path) == ([(3, "line_too_long")] if length > 1024 else [])


def test_a_blank_line_is_a_row_with_the_wrong_number_of_columns(tmp_path: Path) -> None:
    ingest_path(write_tsv(tmp_path / "a.tsv", [line(row(1)), "", line(row(2))]), tmp_path)
    assert reasons_in(tmp_path) == [(3, "column_count")]


def test_several_gzip_members_in_one_file_are_one_text(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv.gz"
    path.write_bytes(
        gzip.compress(f"{HEADER}\n{line(row(1))}\n".encode()) + gzip.compress(f"{line(row(2))}\n".encode())
    )
    assert ingest_path(path, tmp_path).rows_out == 2


def test_gzip_is_seen_by_content_not_by_name(tmp_path: Path) -> None:
    packed = write_tsv(tmp_path / "a.tsv.gz", [line(row(1))]).rename(tmp_path / "packed.tsv")
    plain = write_tsv(tmp_path / "b.tsv", [line(row(2))]).rename(tmp_path / "plain.tsv.gz")
    assert ingest_path(packed, tmp_path / "one").rows_out == 1
    assert ingest_path(plain, tmp_path / "two").rows_out == 1
