"""What a source means: a file, a folder, a glob, on a disk or on S3."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from review_rows import ingest_path, line, quarantined_in, reviews_in, row, write_tsv

from intermodal.errors import StoreFailed, UsageError
from intermodal.reviews.sources import find_files
from seaweedfs import Bucket


def names(source: object) -> list[str]:
    return [file.name for file in find_files(str(source))]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in (
        "b.tsv",
        "a.TSV.GZ",
        "notes.md",
        "_SUCCESS",
        ".hidden.tsv",
        "deep/er/c.jsonl",
        "_tmp/d.tsv",
        "deep/e.csv",
    ):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "in"


def test_a_folder_is_its_review_files_to_any_depth(tree: Path) -> None:
    assert names(tree) == ["a.TSV.GZ", "b.tsv", "deep/e.csv", "deep/er/c.jsonl"]


def test_a_folder_without_known_extensions_is_all_its_files(tmp_path: Path) -> None:
    (tmp_path / "part-00000").touch()
    (tmp_path / "_SUCCESS").touch()
    assert names(tmp_path) == ["part-00000"]


def test_a_manifest_beside_the_files_is_no_review_file(tmp_path: Path) -> None:
    (tmp_path / "reviews-00000.tsv.gz").touch()
    (tmp_path / "manifest.json").touch()
    assert names(tmp_path) == ["reviews-00000.tsv.gz"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.tsv", ["b.tsv"]),
        ("**/*.csv", ["deep/e.csv"]),
        ("deep/*/?.jsonl", ["er/c.jsonl"]),
        ("[ab].*", ["a.TSV.GZ", "b.tsv"]),
    ],
)
def test_a_glob(tree: Path, pattern: str, expected: list[str]) -> None:
    assert names(tree / pattern) == expected


def test_a_file_a_file_uri_and_a_path_from_home(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tree))
    assert names(tree / "b.tsv") == names(f"file://{tree / 'b.tsv'}") == names("~/b.tsv") == ["b.tsv"]


def test_a_name_with_glob_characters_is_a_file_first(tmp_path: Path) -> None:
    (tmp_path / "odd[1].tsv").touch()
    assert names(tmp_path / "odd[1].tsv") == ["odd[1].tsv"]


def test_rows_of_several_files_with_lines_of_each(tmp_path: Path) -> None:
    (tmp_path / "in" / "x").mkdir(parents=True)
    write_tsv(tmp_path / "in" / "b.tsv", [line(row(1)), "bad"])
    write_tsv(tmp_path / "in" / "x" / "a.tsv.gz", ["bad", line(row(2))])
    account = ingest_path(tmp_path / "in", tmp_path)
    assert account.files == {"b.tsv": 2, "x/a.tsv.gz": 2}
    assert [(item["source"], item["line"]) for item in quarantined_in(tmp_path)] == [("b.tsv", 3), ("x/a.tsv.gz", 2)]


@pytest.fixture
def stored(s3: Bucket, tmp_path: Path) -> Bucket:
    """Two TSV files, a Parquet file and a note under a prefix."""
    for number, name in ((1, "2014/a.tsv.gz"), (2, "2015/b.tsv.gz")):
        body = write_tsv(tmp_path / name.rpartition("/")[2], [line(row(number))]).read_bytes()
        s3.put(f"raw/{name}", body)
    pq.write_table(pa.Table.from_pylist([row(3)]), tmp_path / "c.parquet")
    s3.put("raw/2015/c.parquet", (tmp_path / "c.parquet").read_bytes())
    s3.put("raw/notes.md", b"not reviews")
    s3.put("raw-not-this/d.tsv", b"x")
    return s3


@pytest.mark.parametrize(
    ("path", "customers", "sources"),
    [
        ("raw/2014/a.tsv.gz", ["1001"], ["a.tsv.gz"]),
        ("raw/2015/c.parquet", ["1003"], ["c.parquet"]),
        ("raw", ["1001", "1002", "1003"], ["2014/a.tsv.gz", "2015/b.tsv.gz", "2015/c.parquet"]),
        ("raw/", ["1001", "1002", "1003"], ["2014/a.tsv.gz", "2015/b.tsv.gz", "2015/c.parquet"]),
        ("raw/*/*.tsv.gz", ["1001", "1002"], ["2014/a.tsv.gz", "2015/b.tsv.gz"]),
        ("raw/**/*.parquet", ["1003"], ["2015/c.parquet"]),
        ("raw/201[!4]/?.*", ["1002", "1003"], ["2015/b.tsv.gz", "2015/c.parquet"]),
    ],
)
def test_reviews_from_s3(stored: Bucket, tmp_path: Path, path: str, customers: list[str], sources: list[str]) -> None:
    account = ingest_path(f"{stored.uri}/{path}", tmp_path)
    assert [review["customer_id"] for review in reviews_in(tmp_path)] == customers
    assert list(account.files) == sources


def test_a_large_object_is_streamed_from_s3(s3: Bucket, tmp_path: Path) -> None:
    lines = [line(row(number, review_body="text " * 200)) for number in range(20_000)]
    uri = s3.put("big.tsv", write_tsv(tmp_path / "big.tsv", lines).read_bytes())
    assert ingest_path(uri, tmp_path).rows_out == 20_000


@pytest.mark.parametrize("path", ["raw/none.tsv", "raw/*.csv", "none/"])
def test_nothing_in_the_bucket_matches(stored: Bucket, path: str) -> None:
    with pytest.raises(UsageError, match="matches no file"):
        find_files(f"{stored.uri}/{path}")


def test_a_bucket_that_does_not_exist(s3: Bucket) -> None:
    with pytest.raises(UsageError, match="no such bucket"):
        find_files("s3://no-such-bucket/a.tsv")


@pytest.mark.parametrize("uri", ["s3://", "s3:///key", "s3://Bad_Bucket!/key"])
def test_an_s3_uri_that_is_malformed(s3: Bucket, uri: str) -> None:
    with pytest.raises(UsageError):
        find_files(uri)


@pytest.mark.parametrize(("name", "value"), [("AWS_SECRET_ACCESS_KEY", "wrong"), ("AWS_ACCESS_KEY_ID", "nobody")])
def test_wrong_credentials(stored: Bucket, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(StoreFailed, match="refused the credentials") as caught:
        find_files(f"{stored.uri}/raw/")
    assert "AWS_ACCESS_KEY_ID" in caught.value.next_step
    assert caught.value.exit_code == 5


def test_an_object_that_is_gone_when_it_is_opened(stored: Bucket) -> None:
    (file,) = find_files(f"{stored.uri}/raw/2014/a.tsv.gz")
    stored.server.client().delete_object(Bucket=stored.name, Key="raw/2014/a.tsv.gz")
    with pytest.raises(UsageError, match="no such bucket or object: s3://.*/raw/2014/a.tsv.gz"):
        file.open()


def test_no_credentials_at_all(s3: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(StoreFailed, match="refused the credentials"):
        find_files(f"{s3.uri}/a.tsv")


class _Broken(http.server.BaseHTTPRequestHandler):
    """Answers a listing, and breaks every download off in the middle; keeps what it is asked."""

    calls: list[str] = []
    silent = False
    listing = (
        '<?xml version="1.0"?><ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated><KeyCount>1</KeyCount>'
        "<Contents><Key>a.tsv</Key><Size>100000</Size></Contents></ListBucketResult>"
    )

    def do_GET(self) -> None:
        self.calls.append(self.path)
        if self.silent:
            self.connection.close()
        elif "list-type" in self.path:
            self._answer(self.listing.encode(), len(self.listing))
        else:
            self._answer("\t".join(row(1)).encode() + b"\n" + b"x" * 5000, 100_000)

    def _answer(self, body: bytes, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    _Broken.calls = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Broken)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    yield _Broken.calls
    server.shutdown()
    server.server_close()


def test_a_download_that_breaks_off_is_no_shorter_file(broken: list[str], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(StoreFailed, match=r"S3 did not deliver s3://b/a\.tsv"):
        ingest_path("s3://b/a.tsv", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_an_unreachable_endpoint_fails_after_few_attempts(broken: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Broken, "silent", True)
    with pytest.raises(StoreFailed, match=r"S3 did not deliver s3://b/a\.tsv") as caught:
        find_files("s3://b/a.tsv")
    assert 1 <= len(broken) <= 3
    assert "AWS_ENDPOINT_URL" in caught.value.next_step


def test_nobody_listens_at_the_endpoint(broken: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StoreFailed, match="S3 did not deliver") as caught:
        find_files("s3://b/a.tsv")
    assert "127.0.0.1:9" in caught.value.seen


def test_an_endpoint_that_is_no_url(broken: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "not a url")
    with pytest.raises(UsageError, match="AWS_ENDPOINT_URL is not a URL"):
        find_files("s3://b/a.tsv")
