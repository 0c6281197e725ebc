"""Small review files for the tests of the readers, and what comes out of them."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from intermodal.reviews.ingest import Account, Limits, ingest_reviews
from intermodal.reviews.schema import COLUMNS
from intermodal.reviews.sources import find_files

HEADER = "\t".join(COLUMNS)
TOLERANT = Limits(max_quarantined=1.0)


def row(number: int = 1, **changes: object) -> dict[str, Any]:
    """One sound review, its values as text, with some of them changed."""
    values = {
        "marketplace": "US",
        "customer_id": str(1000 + number),
        "review_id": f"R{number:010}",
        "product_id": "B000000001",
        "product_parent": "123456789",
        "product_title": "Papermoon Ledger",
        "product_category": "Digital_Software",
        "star_rating": str(1 + number % 5),
        "helpful_votes": "1",
        "total_votes": "2",
        "vine": "N",
        "verified_purchase": "Y",
        "review_headline": "Fine",
        "review_body": f"Review number {number}.",
        "review_date": "2015-08-31",
    }
    assert set(changes) <= set(values)
    return {**values, **changes}


def line(values: Mapping[str, Any]) -> str:
    """A review as a line of Amazon's TSV, without its end."""
    return "\t".join(str(values[name]) for name in COLUMNS)


def write_tsv(path: Path, lines: Iterable[str | bytes], header: str = HEADER, end: bytes = b"\n") -> Path:
    """Write a TSV, gzipped when the name says so; every line is ended by `end`."""
    data = b"".join(item.encode() + end if isinstance(item, str) else item + end for item in [header, *lines])
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path


def ingest_path(source: object, into: Path, limits: Limits = TOLERANT) -> Account:
    """Ingest into `into`/reviews and `into`/quarantine."""
    return ingest_reviews(find_files(str(source)), str(into / "reviews"), str(into / "quarantine"), limits)


def reviews_in(folder: Path) -> list[dict[str, Any]]:
    """Every ingested review, by the files' paths and then in their order."""
    files = sorted((folder / "reviews").rglob("*.parquet"))
    tables = [pq.ParquetFile(file).read() for file in files]
    return pa.concat_tables(tables).to_pylist()


def quarantined_in(folder: Path) -> list[dict[str, Any]]:
    """Every quarantined row."""
    return pq.ParquetFile(folder / "quarantine" / "part-00000.parquet").read().to_pylist()


def reasons_in(folder: Path) -> list[tuple[int, str]]:
    """Line and reason of every quarantined row."""
    return [(item["line"], item["reason"]) for item in quarantined_in(folder)]
