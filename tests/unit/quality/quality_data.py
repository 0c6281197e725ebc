"""Small tables for tests, written as Parquet."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from intermodal.quality.checks import constraint_from_json
from intermodal.quality.embedded.engine import EmbeddedEngine
from intermodal.quality.evaluation import analyzer_of
from intermodal.quality.metric import Metric
from intermodal.quality.suite import validated


def engine_on(
    folder: Path, columns: dict[str, Any], name: str = "part-00000.parquet", **options: Any
) -> EmbeddedEngine:
    """An engine on one file of these columns."""
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), folder / name, **options)
    return EmbeddedEngine(folder, threads=2)


def constraint(method: str, **values: Any):
    """A constraint as a user's JSON says it."""
    return validated(constraint_from_json({"method": method, **values}))


def metric_of(engine: EmbeddedEngine, method: str, **values: Any) -> Metric:
    """The metric behind a constraint."""
    analyzer = analyzer_of(constraint(method, **values))
    return engine.measure([analyzer])[analyzer]


def reviews(rows: int = 200, **columns: Any) -> pa.Table:
    """Made-up reviews that pass the default suite; columns can be replaced."""
    number = range(rows)
    table = {
        "marketplace": ["US"] * rows,
        "customer_id": [str(10_000 + n) for n in number],
        "review_id": [f"R{n:013d}" for n in number],
        "product_id": [f"B{n % 50:09d}" for n in number],
        "product_parent": [str(n % 50) for n in number],
        "product_title": [f"Product {n % 50}" for n in number],
        "product_category": ["Software"] * rows,
        "star_rating": pa.array([n % 5 + 1 for n in number], pa.int32()),
        "helpful_votes": pa.array([n % 7 for n in number], pa.int32()),
        "total_votes": pa.array([n % 7 + (n % 2) for n in number], pa.int32()),
        "vine": ["N"] * rows,
        "verified_purchase": ["Y"] * rows,
        "review_headline": ["Fine"] * rows,
        "review_body": [f"This is review {n}." for n in number],
        "review_date": pa.array([datetime.date(2015, 1, 1 + n % 28) for n in number], pa.date32()),
    }
    return pa.table({name: columns.get(name, values) for name, values in table.items()})


def write_reviews(folder: Path, table: pa.Table, row_group_size: int = 64) -> None:
    """Write reviews as `ingest` does: a folder a category, the category kept in the files."""
    for category in sorted(set(table.column("product_category").to_pylist()), key=str):
        part = folder / f"product_category={category}" / "part-00000.parquet"
        part.parent.mkdir(parents=True, exist_ok=True)
        names = table.column("product_category").to_pylist()
        chosen = table.filter(pa.array([name == category for name in names]))
        pq.write_table(chosen, part, compression="zstd", row_group_size=row_group_size)
