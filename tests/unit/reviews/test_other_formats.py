"""CSV, JSON lines and Parquet give the same rows as TSV, and refuse theirs with a line number as well."""

from __future__ import annotations

import csv
import datetime
import gzip
import io
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from review_rows import ingest_path, line, quarantined_in, reasons_in, reviews_in, row, write_tsv

from intermodal.errors import DataRejected
from intermodal.reviews import streams
from intermodal.reviews.ingest import Limits
from intermodal.reviews.schema import COLUMNS

TEXTS = [
    "plain",
    'with "quotes"',
    "comma, here",
    "two\nlines",
    "cr\rinside",
    "déçu 😞",
    "",
    'ends with "',
    '""',
    "a\n\n\nb",
]


def csv_text(rows: list[dict[str, Any]], quoting: Any = csv.QUOTE_MINIMAL) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n", quoting=quoting)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def packed(path: Path, data: bytes) -> Path:
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_csv_with_quotes_commas_and_line_ends_in_fields(tmp_path: Path, name: str) -> None:
    rows = [row(number, review_body=text) for number, text in enumerate(TEXTS)]
    account = ingest_path(packed(tmp_path / name, csv_text(rows, csv.QUOTE_ALL).encode()), tmp_path)
    assert [review["review_body"] for review in reviews_in(tmp_path)] == [text or None for text in TEXTS]
    assert (account.rows_in, account.rows_quarantined) == (len(TEXTS), 0)


def test_csv_with_faults_names_the_physical_line(tmp_path: Path) -> None:
    lines = csv_text([row(1, review_body="two\nlines"), row(2, star_rating="five"), row(3), row(4)]).splitlines()
    lines[4] += ",one too many"
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    account = ingest_path(tmp_path / "a.csv", tmp_path)
    assert reasons_in(tmp_path) == [(4, "rating_not_integer"), (5, "column_count")]
    assert account.rows_in == 4


def test_a_quote_that_is_never_closed_costs_one_row(tmp_path: Path) -> None:
    lines = csv_text([row(number) for number in range(5000)]).splitlines()
    lines[10] = lines[10].replace("Papermoon", '"Papermoon')
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    account = ingest_path(tmp_path / "a.csv", tmp_path)
    assert reasons_in(tmp_path) == [(11, "broken_quotes")]
    assert account.rows_in == 5000
    assert [int(review["customer_id"]) - 1000 for review in reviews_in(tmp_path)] == [n for n in range(5000) if n != 9]


def test_a_quote_that_is_closed_inside_a_field_is_refused_not_guessed(tmp_path: Path) -> None:
    text = csv_text([row(1), row(2)]).replace("Papermoon Ledger", '"Papermoon" Ledger', 1)
    (tmp_path / "a.csv").write_text(text)
    ingest_path(tmp_path / "a.csv", tmp_path)
    assert reasons_in(tmp_path) == [(2, "broken_quotes")]
    assert '"Papermoon" Ledger' in quarantined_in(tmp_path)[0]["raw"]


def test_quotes_broken_at_random_lose_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line of a file without line ends in fields is either a row or in the quarantine."""
    monkeypatch.setattr(streams, "BLOCK_BYTES", 1000)
    chance = random.Random(5)
    lines = csv_text([row(number) for number in range(800)]).splitlines()
    broken = {number for number in range(1, 801) if chance.random() < 0.08}
    for number in broken:
        at = chance.randrange(len(lines[number]))
        lines[number] = lines[number][:at] + '"' + lines[number][at:]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    account = ingest_path(tmp_path / "a.csv", tmp_path)
    kept = {int(review["customer_id"]) - 1000 + 1 for review in reviews_in(tmp_path) if review["customer_id"].isdigit()}
    assert set(range(1, 801)) - broken <= kept
    assert account.rows_in == 800 == account.rows_out + account.rows_quarantined


def test_csv_quarantines_long_lines_and_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    lines = csv_text([row(1), row(2, review_body="x" * 5000), row(3, review_body="BROKEN"), row(4)]).encode()
    (tmp_path / "a.csv").write_bytes(lines.replace(b"BROKEN", b"\xff\xfe"))
    account = ingest_path(tmp_path / "a.csv", tmp_path, Limits(max_quarantined=1.0, max_line_bytes=1024))
    assert sorted(reasons_in(tmp_path)) == [(3, "line_too_long"), (4, "invalid_utf8")]
    assert account.rows_in == 4


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.ndjson"])
def test_json_lines_with_numbers_or_text(tmp_path: Path, name: str) -> None:
    typed = row(1, star_rating=4, helpful_votes=1, total_votes=2.0, review_body="two\nlines\tand a tab")
    sparse = {key: value for key, value in row(2).items() if key != "review_headline"}
    text = "\n".join(json.dumps(item) for item in (typed, sparse, row(3, review_body=None), row(4, review_body="")))
    assert ingest_path(packed(tmp_path / name, text.encode()), tmp_path).rows_out == 4
    first, second, third, fourth = reviews_in(tmp_path)
    assert (first["star_rating"], first["total_votes"], first["review_body"]) == (4, 2, "two\nlines\tand a tab")
    assert [second["review_headline"], third["review_body"], fourth["review_body"]] == [None, None, None]


def test_json_lines_with_faults(tmp_path: Path) -> None:
    good = json.dumps(row(1)).encode()
    lines = [
        good,
        b"{broken",
        b"[1, 2]",
        b"7",
        good.replace(b"US", b"\xff"),
        json.dumps(row(2, star_rating=7)).encode(),
    ]
    lines += [b"", json.dumps(row(3, vine=["nested"])).encode(), b'{"star_rating": ' + b"[" * 100_000]
    lines += [
        json.dumps(row(4, review_body="\ud800 alone")).encode(),
        json.dumps(row(5, star_rating=float("nan"))).encode(),
    ]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join([*lines, good]) + b"\n")
    account = ingest_path(tmp_path / "a.jsonl", tmp_path)
    assert sorted(reasons_in(tmp_path)) == [
        (2, "not_json_object"),
        (3, "not_json_object"),
        (4, "not_json_object"),
        (5, "invalid_utf8"),
        (6, "rating_out_of_range"),
        (7, "not_json_object"),
        (8, "not_json_object"),
        (9, "not_json_object"),
        (10, "invalid_utf8"),
        (11, "rating_not_integer"),
    ]
    assert (account.rows_in, account.rows_out) == (12, 2)


def test_json_lines_that_never_have_a_column(tmp_path: Path) -> None:
    lines = [json.dumps({"overall": 5, "reviewText": "other layout"})] * 3
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    with pytest.raises(DataRejected, match="lacks 15 of the 15") as caught:
        ingest_path(tmp_path / "a.jsonl", tmp_path)
    assert "reviewText" in caught.value.seen


def test_parquet_with_typed_columns(tmp_path: Path) -> None:
    day = datetime.date(2015, 8, 31)
    rows = [row(n, star_rating=5, helpful_votes=0, total_votes=1, review_date=day, review_body=None) for n in range(3)]
    table = pa.Table.from_pylist(rows).append_column("year", pa.array([2015] * 3))
    pq.write_table(table, tmp_path / "a.parquet")
    assert ingest_path(tmp_path / "a.parquet", tmp_path).rows_out == 3
    assert reviews_in(tmp_path) == rows


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.int8(), pa.string()])
@pytest.mark.parametrize("dates", [pa.timestamp("ns"), pa.timestamp("ms", tz="UTC"), pa.date32(), pa.string()])
def test_parquet_of_other_writers(tmp_path: Path, kind: pa.DataType, dates: pa.DataType) -> None:
    table = pa.Table.from_pylist([row(1, star_rating=4)])
    for name in ("star_rating", "helpful_votes", "total_votes"):
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, table[name].cast(pa.int64()).cast(kind))
    at = table.schema.get_field_index("review_date")
    days = pa.array([datetime.date(2015, 8, 31)])
    text = pa.array(["2015-08-31"])
    table = table.set_column(
        at, "review_date", text if dates == pa.string() else days.cast(pa.timestamp("ns")).cast(dates)
    )
    pq.write_table(table, tmp_path / "a.parquet")
    ingest_path(tmp_path / "a.parquet", tmp_path)
    (review,) = reviews_in(tmp_path)
    assert (review["star_rating"], review["review_date"]) == (4, datetime.date(2015, 8, 31))


def test_parquet_quarantines_by_row_number(tmp_path: Path) -> None:
    rows = [row(n, star_rating=9 if n == 2 else 3, review_body="a\tb") for n in (1, 2, 3)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    ingest_path(tmp_path / "a.parquet", tmp_path)
    assert reasons_in(tmp_path) == [(2, "rating_out_of_range")]
    assert quarantined_in(tmp_path)[0]["raw"] == line(rows[1])


def test_a_category_that_only_the_path_holds(tmp_path: Path) -> None:
    """As Spark and Amazon's own Parquet data set lay it out."""
    folder = tmp_path / "in" / "product_category=Major%20Appliances"
    folder.mkdir(parents=True)
    rows = [{key: value for key, value in row(1).items() if key != "product_category"}]
    pq.write_table(pa.Table.from_pylist(rows), folder / "part-0.parquet")
    (tmp_path / "in" / "_SUCCESS").touch()
    ingest_path(tmp_path / "in", tmp_path)
    assert reviews_in(tmp_path)[0]["product_category"] == "Major Appliances"


def test_what_ingest_wrote_can_be_ingested(tmp_path: Path) -> None:
    ingest_path(
        write_tsv(tmp_path / "a.tsv", [line(row(n, product_category=f"C{n % 3}")) for n in range(30)]), tmp_path
    )
    account = ingest_path(tmp_path / "reviews", tmp_path / "again")
    assert account.rows_out == 30
    assert reviews_in(tmp_path / "again") == reviews_in(tmp_path)


def test_every_format_gives_the_same_bytes(tmp_path: Path) -> None:
    rows = [row(number, product_category=f"C{number % 2}") for number in range(200)]
    write_tsv(tmp_path / "a.tsv.gz", [line(item) for item in rows])
    (tmp_path / "a.csv").write_text(csv_text(rows))
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    written = []
    for name in ("a.tsv.gz", "a.csv", "a.jsonl", "a.parquet"):
        ingest_path(tmp_path / name, tmp_path / f"out-{name}")
        files = sorted((tmp_path / f"out-{name}" / "reviews").rglob("*.parquet"))
        written.append([file.read_bytes() for file in files])
    assert len(written[0]) == 2
    assert written[0] == written[1] == written[2] == written[3]


@pytest.mark.parametrize(
    ("name", "form"), [("raw", "tsv"), ("reviews.txt", "csv"), ("reviews.dat", "jsonl"), ("part-0", "parquet")]
)
def test_a_format_is_seen_from_the_content_when_the_name_is_unclear(tmp_path: Path, name: str, form: str) -> None:
    path = tmp_path / name
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist([row(1)]), path)
    else:
        texts = {
            "tsv": f"{chr(9).join(COLUMNS)}\n{line(row(1))}",
            "csv": csv_text([row(1)]),
            "jsonl": json.dumps(row(1)),
        }
        path.write_text(texts[form])
    assert ingest_path(path, tmp_path).rows_out == 1
    assert reviews_in(tmp_path)[0]["customer_id"] == "1001"


def test_a_format_can_be_forced(tmp_path: Path) -> None:
    write_tsv(tmp_path / "misnamed.csv", [line(row(1))])
    account = ingest_path(tmp_path / "misnamed.csv", tmp_path, Limits(file_format="tsv"))
    assert account.rows_out == 1
