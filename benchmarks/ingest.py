"""Ingesting reviews against pandas, Spark and raw Polars: CPU seconds and peak memory on the same rows.

    python benchmarks/ingest.py [--rows 500000] [--rounds 3] [--spark-rounds 1]

All read one gzipped TSV of synthetic reviews and write zstd Parquet partitioned by category. Each run is a process
of its own, start and imports included; the candidates take turns, and the rows that arrive are counted. Raw Polars
checks nothing: no quarantine, no account of rows, a ragged line stops it. It runs as its defaults are, and once more at
our lighter compression level. Prints one JSON object on standard output and a table on standard error.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from measure import Measurement, alternate, measure, paired_ratio, summary, table

ROOT = Path(__file__).resolve().parents[1]
TWO_THREADS = {"POLARS_MAX_THREADS": "2", "OMP_NUM_THREADS": "2", "PYTHONPATH": str(ROOT / "src")}
PARTITION = "product_category"
NUMBERS = ("star_rating", "helpful_votes", "total_votes")
IDENTIFIERS = ("customer_id", "product_parent")  # digits, but text in the schema of reviews
TARGETS = {"polars": 1.3, "pandas": 0.5, "spark": 0.1}  # largest ratio of our CPU seconds to theirs
PEAK_TARGET_MB = 600.0


def with_intermodal(source: str, into: str) -> None:
    """The library behind the step `ingest`."""
    from intermodal.reviews.ingest import Limits, ingest_reviews
    from intermodal.reviews.sources import find_files

    ingest_reviews(find_files(source), f"{into}/reviews", f"{into}/quarantine", Limits())


def with_polars(source: str, into: str, level: int | None) -> None:
    """Polars' streaming engine from file to files."""
    import polars as pl

    kinds = dict.fromkeys(NUMBERS, pl.Int32) | dict.fromkeys(IDENTIFIERS, pl.String) | {"review_date": pl.Date}
    rows = pl.scan_csv(source, separator="\t", quote_char=None, schema_overrides=kinds)
    target = pl.PartitionBy(f"{into}/reviews", key=PARTITION, include_key=True)
    rows.sink_parquet(target, compression="zstd", compression_level=level, mkdir=True)


def with_pandas(source: str, into: str) -> None:
    """As most notebooks do it."""
    import csv

    import pandas as pd

    kinds = dict.fromkeys(NUMBERS, "int32") | dict.fromkeys(IDENTIFIERS, "str")
    rows = pd.read_csv(source, sep="\t", quoting=csv.QUOTE_NONE, dtype=kinds, parse_dates=["review_date"])
    rows.to_parquet(f"{into}/reviews", partition_cols=[PARTITION], compression="zstd")


def with_spark(source: str, into: str, columns: list[str]) -> None:
    """Spark on two local cores, without its web page."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
    session = builder.config("spark.sql.parquet.compression.codec", "zstd").getOrCreate()
    kinds = dict.fromkeys(NUMBERS, "INT") | {"review_date": "DATE"}
    schema = ", ".join(f"{name} {kinds.get(name, 'STRING')}" for name in columns)
    rows = session.read.csv(source, sep="\t", header=True, quote="", schema=schema)
    rows.write.partitionBy(PARTITION).parquet(f"{into}/reviews")
    session.stop()


def missing_spark() -> str:
    """Why Spark cannot run here; "" when it can."""
    if importlib.util.find_spec("pyspark") is None:
        return "pyspark is not installed (pip install 'intermodal[bench]')"
    if not shutil.which("java") and not os.environ.get("JAVA_HOME"):
        return "there is no Java (apt-get install openjdk-17-jre-headless)"
    return ""


def make_rows(into: str, rows: int) -> None:
    """The synthetic reviews that all candidates read."""
    from intermodal.reviews.generate import generate_reviews
    from intermodal.reviews.products import PRODUCT_TYPES

    generate_reviews(into, rows, 7, {"html_entities": 0.05, "stray_quote": 0.02}, list(PRODUCT_TYPES))


def run_once(function: Any, source: Path, expected: int, *extra: object) -> Measurement:
    """Measure one candidate into a fresh folder, and check that every row arrived."""
    import pyarrow.parquet as pq

    with tempfile.TemporaryDirectory() as into:
        cost = measure(function, str(source), into, *extra, env=TWO_THREADS)
        rows = sum(pq.ParquetFile(path).metadata.num_rows for path in Path(into, "reviews").rglob("*.parquet"))
    if not cost.exit_code and rows != expected:
        raise RuntimeError(f"{function.__name__} wrote {rows} of {expected} rows")
    return cost


def compare(source: Path, rows: int, rounds: int, spark_rounds: int) -> dict[str, list[Measurement]]:
    """Every candidate's measurements, taken in turn."""
    from intermodal.reviews.schema import COLUMNS
    from intermodal.reviews.writer import ZSTD_LEVEL

    work = {
        "intermodal": partial(run_once, with_intermodal, source, rows),
        "polars": partial(run_once, with_polars, source, rows, None),
        f"polars-zstd-{ZSTD_LEVEL}": partial(run_once, with_polars, source, rows, ZSTD_LEVEL),
        "pandas": partial(run_once, with_pandas, source, rows),
    }
    found = alternate(work, rounds)
    if spark_rounds and not missing_spark():
        found |= alternate({"spark": partial(run_once, with_spark, source, rows, list(COLUMNS))}, spark_rounds, False)
    return found


def report(found: dict[str, list[Measurement]], rows: int) -> dict[str, Any]:
    """Costs, our ratio to each candidate, and whether the targets are met."""
    ours = found["intermodal"]
    ratios = {
        # Spark runs fewer rounds: it is paired with as many of ours.
        name: paired_ratio(ours[: len(costs)], costs)
        for name, costs in found.items()
        if name != "intermodal"
    }
    met = {name: ratios[name] <= limit for name, limit in TARGETS.items() if name in ratios}
    peak = summary(ours)["peak_rss_mb"]
    return {
        "rows": rows,
        "costs": {name: summary(costs) for name, costs in found.items()},
        "cpu_ratio_of_intermodal_to": ratios,
        "targets": TARGETS | {"peak_rss_mb": PEAK_TARGET_MB},
        "met": met | {"peak_rss_mb": peak < PEAK_TARGET_MB},
        "skipped": {} if "spark" in found else {"spark": missing_spark() or "--spark-rounds 0"},
    }


def main() -> None:
    """Measure, and print one JSON object and a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--spark-rounds", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made = measure(make_rows, f"{folder}/raw", options.rows, env=TWO_THREADS)
        if made.exit_code:
            raise SystemExit(f"the reviews could not be made: {made.output}")
        (source,) = Path(folder, "raw").iterdir()
        result = report(compare(source, options.rows, options.rounds, options.spark_rounds), options.rows)
    print(json.dumps(result, indent=1))
    ratios = {"intermodal": 1.0, **result["cpu_ratio_of_intermodal_to"]}
    lines = [
        {
            "candidate": name,
            "cpu s": cost["cpu_seconds"],
            "wall s": cost["wall_seconds"],
            "peak MB": cost["peak_rss_mb"],
        }
        | {"our cpu / theirs": ratios[name], "target": f"<= {TARGETS[name]}" if name in TARGETS else ""}
        for name, cost in result["costs"].items()
    ]
    print(table(lines), file=sys.stderr)
    for name, reason in result["skipped"].items():
        print(f"SKIP {name}: {reason}", file=sys.stderr)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "src"))
    main()
