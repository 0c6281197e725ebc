"""The step `ingest`: review files of any common format to partitioned Parquet."""

from kfp.dsl import Dataset, Input, Metrics, Output

from intermodal.core.step import step


@step(image="core", cpu="2", memory="2Gi", sources=("source",))
def ingest(
    reviews: Output[Dataset],
    quarantine: Output[Dataset],
    metrics: Output[Metrics],
    raw: Input[Dataset] = None,  # type: ignore[assignment]  # KFP: an optional input's default is None
    source: str = "",
    file_format: str = "",
    max_quarantined: float = 0.05,
    max_line_bytes: int = 1048576,
    engine: str = "local",
) -> None:
    """Read reviews (TSV, CSV, JSON lines, Parquet; file, folder, glob, S3) into Parquet, losing no row.

    Args:
        reviews: product_category=X/part-00000.parquet; the partition column is in the files as well.
        quarantine: Rows that do not parse, with the columns source, line, reason, raw (2,000 characters).
        metrics: Rows in, out and quarantined, in all and by reason; mean rating, rows of each rating.
        raw: Review files made by another step; used when `source` is empty.
        source: File, folder, glob or s3:// URI of TSV, CSV or JSON lines (each plain or gzipped) or Parquet.
            S3 takes its endpoint from AWS_ENDPOINT_URL and credentials from the usual places.
        file_format: tsv, csv, jsonl or parquet, for all files; seen from name and content when empty.
        max_quarantined: Largest share of rows, from 0 to 1, that may be quarantined before the data is rejected.
        max_line_bytes: Longer lines are quarantined, without being held in memory; Athena has its own limit.
        engine: "local", or "athena": the source goes to S3 and into the Glue catalogue, and Athena does the work;
            for TSV alone. The rows are the same, in the order of their review_id.
    """
    from intermodal.reviews.engines import ingest_with
    from intermodal.reviews.ingest import Limits
    from intermodal.reviews.sources import choose_files

    files = choose_files(source, raw.path if raw is not None else "")
    limits = Limits(max_quarantined, max_line_bytes, file_format)
    account, facts = ingest_with(engine, files, reviews.path, quarantine.path, limits)
    stars = {str(star): count for star, count in sorted(account.stars.items())}
    reasons = dict(sorted(account.reasons.items()))
    reviews.metadata.update(
        rows=account.rows_out,
        rows_in=account.rows_in,
        mean_rating=account.mean_rating,
        stars=stars,
        categories=account.categories,
        files=len(account.files),
        **facts,
    )
    quarantine.metadata.update(rows=account.rows_quarantined, reasons=reasons)
    metrics.log_metric("rows_in", account.rows_in)
    metrics.log_metric("rows_out", account.rows_out)
    metrics.log_metric("rows_quarantined", account.rows_quarantined)
    metrics.log_metric("mean_rating", account.mean_rating)
    for star, count in stars.items():
        metrics.log_metric(f"stars_{star}", count)
    for reason, count in reasons.items():
        metrics.log_metric(f"quarantined_{reason}", count)
