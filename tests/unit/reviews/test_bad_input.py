"""Every kind of unusable input has one clear error, and leaves nothing behind."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from review_rows import HEADER, ingest_path, line, row, write_tsv

from intermodal.errors import DataRejected, IntermodalError, UsageError
from intermodal.reviews.generate import generate_reviews
from intermodal.reviews.ingest import Limits, ingest_reviews
from intermodal.reviews.sources import choose_files, find_files


def rejected(
    path: object, into: Path, kind: type[IntermodalError] = DataRejected, limits: Limits | None = None
) -> IntermodalError:
    """The error that ingesting raises; checks that it left nothing."""
    with pytest.raises(kind) as caught:
        ingest_path(path, into, limits or Limits())
    assert [item.name for item in into.iterdir() if item.name.startswith(("reviews", "quarantine"))] == []
    return caught.value


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def test_a_missing_column(tmp_path: Path, out: Path) -> None:
    path = write_tsv(tmp_path / "a.tsv", ["x"], header=HEADER.replace("star_rating\t", "").replace("vine", "wine"))
    error = rejected(path, out)
    assert error.headline == f"{path} lacks 2 of the 15 review columns"
    assert "missing star_rating, vine" in error.seen
    assert error.exit_code == 3


@pytest.mark.parametrize(("delimiter", "name"), [(",", "commas"), (";", "semicolons"), ("|", "vertical bars")])
def test_the_wrong_delimiter(tmp_path: Path, out: Path, delimiter: str, name: str) -> None:
    path = write_tsv(
        tmp_path / "a.tsv", [line(row(1)).replace("\t", delimiter)], header=HEADER.replace("\t", delimiter)
    )
    assert rejected(path, out).headline == f"{path} is separated by {name}, not by tabs"


def test_tabs_in_a_file_named_csv(tmp_path: Path, out: Path) -> None:
    error = rejected(write_tsv(tmp_path / "a.csv", [line(row(1))]), out)
    assert "is separated by tabs, not by commas" in error.headline
    assert "file_format" in error.next_step


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.jsonl", "a.tsv.gz", "a.dat"])
def test_an_empty_file(tmp_path: Path, out: Path, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(b"") if name.endswith(".gz") else b"")
    assert rejected(tmp_path / name, out).headline == f"{tmp_path / name} is empty"


def test_an_empty_parquet_file(tmp_path: Path, out: Path) -> None:
    (tmp_path / "a.parquet").touch()
    assert "cannot be read as Parquet" in rejected(tmp_path / "a.parquet", out).headline


@pytest.mark.parametrize("name", ["a.tsv", "a.csv.gz", "a.jsonl"])
def test_a_header_without_any_row(tmp_path: Path, out: Path, name: str) -> None:
    if name.endswith(".jsonl"):
        (tmp_path / name).write_text("\n")
        assert "1 of 1 rows (100.0%) do not parse" in rejected(tmp_path / name, out).headline
        return
    header = HEADER if "tsv" in name else HEADER.replace("\t", ",")
    error = rejected(write_tsv(tmp_path / name, [], header=header), out)
    assert error.headline == "there is no review in the source"


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.jsonl", "a", "a.tsv.gz"])
def test_a_binary_file(tmp_path: Path, out: Path, name: str) -> None:
    data = bytes(range(256)) * 100
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert rejected(tmp_path / name, out).headline == f"{tmp_path / name} is binary, not text"


@pytest.mark.parametrize(
    ("magic", "what"),
    [(b"PK\x03\x04", "a zip archive"), (b"\xfd7zXZ\x00", "compressed with xz"), (b"\xff\xfem\x00", "UTF-16 text")],
)
def test_another_kind_of_packing(tmp_path: Path, out: Path, magic: bytes, what: str) -> None:
    (tmp_path / "a.tsv").write_bytes(magic + b"rest" * 100)
    assert rejected(tmp_path / "a.tsv", out).headline == f"{tmp_path / 'a.tsv'} is {what}"


@pytest.mark.parametrize("kept", [0.01, 0.5, 0.999])
@pytest.mark.parametrize("extension", ["tsv", "csv", "jsonl"])
def test_a_truncated_gzip(tmp_path: Path, out: Path, kept: float, extension: str) -> None:
    lines = [line(row(number, review_body=os.urandom(200).hex())) for number in range(3000)]
    whole = write_tsv(tmp_path / "whole.tsv.gz", lines).read_bytes()
    path = tmp_path / f"cut.{extension}.gz"
    path.write_bytes(whole[: int(kept * len(whole))])
    error = rejected(path, out, limits=Limits(max_quarantined=1.0, file_format="tsv"))
    assert error.headline == f"{path} is cut off: its gzip stream has no end"
    assert f"{path.stat().st_size:,} bytes" in error.seen


def test_a_flipped_bit_in_a_gzip(tmp_path: Path, out: Path) -> None:
    path = write_tsv(tmp_path / "a.tsv.gz", [line(row(number)) for number in range(3000)])
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)
    assert rejected(path, out).headline.startswith(f"{path} is damaged")


def test_a_damaged_parquet_file(tmp_path: Path, out: Path) -> None:
    ingest_path(write_tsv(tmp_path / "a.tsv", [line(row(number)) for number in range(500)]), tmp_path)
    (file,) = (tmp_path / "reviews").rglob("*.parquet")
    file.write_bytes(file.read_bytes()[:-20])
    assert "cannot be read as Parquet" in rejected(file, out).headline


def test_a_column_named_twice(tmp_path: Path, out: Path) -> None:
    path = write_tsv(tmp_path / "a.tsv", [line(row(1)) + "\tx"], header=HEADER + "\tvine")
    assert rejected(path, out).seen == "vine"


def test_prose_is_no_review_file(tmp_path: Path, out: Path) -> None:
    (tmp_path / "notes").write_text("Just some words.\nAnd more.\n")
    assert rejected(tmp_path / "notes", out).headline == f"cannot tell the format of {tmp_path / 'notes'}"


def test_too_many_bad_rows_are_rejected_with_counts_and_samples(tmp_path: Path, out: Path) -> None:
    lines = [line(row(number, star_rating="five" if number % 10 == 0 else "3")) for number in range(100)]
    lines[5] = "short"
    error = rejected(write_tsv(tmp_path / "a.tsv", lines), out)
    assert error.headline == "11 of 100 rows (11.0%) do not parse"
    assert "10 rating_not_integer" in error.seen
    assert "1 column_count" in error.seen
    assert "a.tsv:7: column_count: short" in error.seen
    assert "max_quarantined" in error.expected
    assert ingest_path(tmp_path / "a.tsv", out, Limits(max_quarantined=0.11)).rows_out == 89


def test_a_source_that_matches_nothing(tmp_path: Path) -> None:
    for source in (tmp_path / "none.tsv", tmp_path / "*.tsv", tmp_path / "no" / "folder"):
        with pytest.raises(UsageError, match="matches no file") as caught:
            find_files(str(source))
        assert caught.value.seen == str(source)
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="matches no file"):
        find_files(str(tmp_path / "folder"))


def test_one_source_and_one_only(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no source of reviews"):
        choose_files("", "")
    write_tsv(tmp_path / "a.tsv", [])
    with pytest.raises(UsageError, match="two sources"):
        choose_files(str(tmp_path / "a.tsv"), str(tmp_path))


@pytest.mark.parametrize(
    "limits",
    [Limits(max_quarantined=1.5), Limits(max_quarantined=-1), Limits(max_line_bytes=0), Limits(file_format="xls")],
)
def test_parameters_out_of_range(tmp_path: Path, out: Path, limits: Limits) -> None:
    path = write_tsv(tmp_path / "a.tsv", [line(row(1))])
    assert rejected(path, out, UsageError, limits).exit_code == 2


def test_a_category_in_every_row_of_its_own(tmp_path: Path, out: Path) -> None:
    lines = [line(row(number, product_category=f"category {number}")) for number in range(2500)]
    assert "more than 2,000 values of product_category" in rejected(write_tsv(tmp_path / "a.tsv", lines), out).headline


def test_a_file_that_is_gone_when_it_is_opened(tmp_path: Path, out: Path) -> None:
    path = write_tsv(tmp_path / "a.tsv", [line(row(1))])
    files = find_files(str(path))
    path.unlink()
    with pytest.raises(UsageError, match="cannot read"):
        ingest_reviews(files, str(out / "reviews"), str(out / "quarantine"), Limits())
    assert list(out.iterdir()) == []


_INGEST = """
import os, sys
from intermodal.errors import StoreFailed
from intermodal.reviews.ingest import Limits, ingest_reviews
from intermodal.reviews.sources import find_files
try:
    ingest_reviews(find_files(sys.argv[1]), sys.argv[2] + "/reviews", sys.argv[2] + "/quarantine", Limits())
except StoreFailed as error:
    print(error.exit_code, error.headline, sorted(os.listdir(sys.argv[2])))
"""
_GENERATE = """
import os, sys
from intermodal.errors import StoreFailed
from intermodal.reviews.generate import generate_reviews
try:
    generate_reviews(sys.argv[2] + "/raw", 40_000, 7, {}, ["Books"])
except StoreFailed as error:
    print(error.exit_code, error.headline, sorted(os.listdir(sys.argv[2])))
"""


# What a full disk looks like to one writer: no file may grow beyond this. Python ignores the signal.
SMALL_FILES = ["prlimit", "--fsize=200000:200000"]


@pytest.mark.parametrize(("script", "output"), [(_INGEST, "reviews"), (_GENERATE, "raw")])
def test_a_full_disk_leaves_nothing(tmp_path: Path, out: Path, script: str, output: str) -> None:
    generate_reviews(str(tmp_path / "raw"), 40_000, 7, {}, ["Books"])
    command = [*SMALL_FILES, sys.executable, "-c", script, str(tmp_path / "raw"), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == f"5 no room left to write {out / output} []\n", done.stderr
    assert done.stderr == ""


def test_a_small_file_system_that_fills_up(tmp_path: Path) -> None:
    """The same with a real file system, in a mount namespace of its own."""
    mount = ["unshare", "--mount", "--map-root-user", "sh", "-c"]
    disk = tmp_path / "disk"
    disk.mkdir()
    tmpfs = f"mount -t tmpfs -o size=512k none {disk}"
    if subprocess.run([*mount, tmpfs], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let an unprivileged user mount a tmpfs")
    generate_reviews(str(tmp_path / "raw"), 40_000, 7, {}, ["Books"])
    script = f"{tmpfs} && exec {sys.executable} -c '{_INGEST}' {tmp_path / 'raw'} {disk}"
    done = subprocess.run([*mount, script], capture_output=True, text=True, check=False)
    assert done.stdout == f"5 no room left to write {disk}/reviews []\n", done.stderr


def test_a_kill_leaves_no_output_and_the_next_run_starts_clean(tmp_path: Path, out: Path) -> None:
    generate_reviews(str(tmp_path / "raw"), 40_000, 7, {}, ["Books"])
    (tmp_path / "large.tsv.gz").write_bytes((tmp_path / "raw" / "reviews-00000.tsv.gz").read_bytes() * 30)
    process = subprocess.Popen([sys.executable, "-c", _INGEST, str(tmp_path / "large.tsv.gz"), str(out)])
    while not (out / "quarantine.writing").exists():
        assert process.poll() is None
        time.sleep(0.001)
    process.kill()
    process.wait()
    assert sorted(item.name for item in out.iterdir()) == ["quarantine.writing", "reviews.writing"]
    (out / "reviews.writing" / "leftover.parquet").touch()
    assert ingest_path(tmp_path / "raw", out).rows_out == 40_000
    assert sorted(item.name for item in out.iterdir()) == ["quarantine", "reviews"]
    assert list(out.rglob("leftover*")) == []
