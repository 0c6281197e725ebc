"""What ingests: this process, or Athena."""

from __future__ import annotations

from typing import Any

from intermodal.errors import UsageError
from intermodal.reviews.ingest import Account, Limits, ingest_reviews
from intermodal.reviews.sources import SourceFile

ENGINES = ("local", "athena")


def ingest_with(
    engine: str, files: list[SourceFile], reviews: str, quarantine: str, limits: Limits
) -> tuple[Account, dict[str, Any]]:
    """Read all files into Parquet with an engine.

    Args:
        engine: One of `ENGINES`.
        files: The files.
        reviews: As for `ingest_reviews`.
        quarantine: As for `ingest_reviews`.
        limits: What is tolerated.

    Returns:
        The account of all rows, and what else is worth noting of an engine that is not local.

    Raises:
        UsageError: The engine is unknown; or as for `ingest_reviews`.
    """
    if engine == "local":
        return ingest_reviews(files, reviews, quarantine, limits), {}
    if engine != "athena":
        raise UsageError("unknown engine", seen=engine, expected=" or ".join(ENGINES))
    from intermodal.aws.athena_queries import open_athena
    from intermodal.reviews.athena_ingest import AthenaIngest
    from intermodal.reviews.ingest import check_limits

    check_limits(limits)
    account = AthenaIngest(open_athena(), limits).ingest(files, reviews, quarantine)
    return account, {"engine": engine, "tables": account.tables, "scanned_bytes": account.scanned_bytes}
