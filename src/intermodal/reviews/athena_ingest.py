"""Ingesting through Athena: the source to S3, tables in the Glue catalogue, CTAS, and the result fetched back."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from intermodal.aws.athena import MOST_PARTITIONS, create_table_as, query_of
from intermodal.aws.athena_queries import Athena, Execution
from intermodal.aws.glue import PARQUET, Table, ensure_table, find_table
from intermodal.aws.objects import listed
from intermodal.core.events import log_progress
from intermodal.errors import StoreFailed
from intermodal.reviews.athena_source import SourceTable, source_table
from intermodal.reviews.athena_sql import good_rows, parquet_table, refused_rows, survey
from intermodal.reviews.ingest import Account, Limits, check_account, check_limits
from intermodal.reviews.rows import Rejected
from intermodal.reviews.schema import COLUMNS, PARTITION_COLUMN, review_schema
from intermodal.reviews.sources import SourceFile
from intermodal.reviews.writer import QuarantineWriter, ReviewWriter, staged

_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_SAMPLES = 3


@dataclass
class AthenaAccount(Account):
    """What became of every row, and what Athena did.

    Attributes:
        scanned_bytes: Bytes that were paid for.
        tables: The tables, by what they hold.
    """

    scanned_bytes: int = 0
    tables: dict[str, str] | None = None


class AthenaIngest:
    """One ingestion through Athena.

    Args:
        athena: Athena in its workgroup, with its database.
        limits: What is tolerated.
    """

    def __init__(self, athena: Athena, limits: Limits) -> None:
        self._athena, self._limits = athena, limits
        self._account = AthenaAccount()

    def ingest(self, files: list[SourceFile], reviews: str, quarantine: str) -> AthenaAccount:
        """Read all files into Parquet; as `ingest.ingest_reviews`, and with the same outputs.

        Args:
            files: TSV files, plain or gzipped, here or on S3, all with the same header.
            reviews: Directory to make for the good rows.
            quarantine: Directory to make for the others; their lines are not known and stand as 0.

        Raises:
            UsageError: A file is no TSV.
            DataRejected: As `ingest_reviews`.
            RuntimeFailed: Athena, Glue or S3 refused, or did not answer.
        """
        check_limits(self._limits)
        source = source_table(files, self._athena)
        ensure_table(source.table, self._athena.settings)
        log_progress(1, 4, "queries", "source in the catalogue")
        categories = self._survey(source)
        with staged(reviews, quarantine) as (reviews_place, quarantine_place):
            self._refused(source, quarantine_place)
            check_account(self._account, self._limits)
            log_progress(2, 4, "queries", "rows judged")
            self._good(source, categories, reviews_place)
            check_account(self._account, self._limits)
        log_progress(4, 4, "queries", "reviews fetched")
        return self._account

    def _survey(self, source: SourceTable) -> list[str | None]:
        """Count every row; the categories of the good ones."""
        account = self._account
        account.tables = {"source": f"{source.table.database}.{source.table.name}"}
        account.files = dict.fromkeys(source.names.values(), 0)
        ran = self._athena.run(query_of(survey(source.table), self._athena.athena, self._athena.place))
        account.scanned_bytes += ran.scanned_bytes
        categories: dict[str | None, int] = {}
        for row in self._athena.result(ran.id).to_pylist():
            account.rows_in += row["number"]
            account.files[source.name_of(row["source"])] += row["number"]
            if row["reason"] is None:
                categories[row["category"]] = categories.get(row["category"], 0) + row["number"]
            else:
                account.reasons[row["reason"]] += row["number"]
        account.rows_out = sum(categories.values())
        account.rows_quarantined = sum(account.reasons.values())
        account.categories = {str(name): rows for name, rows in sorted(categories.items(), key=str)}
        return sorted(categories, key=lambda name: (name is not None, name or ""))

    def _refused(self, source: SourceTable, place: Path) -> None:
        import pyarrow.parquet as pq

        writer = QuarantineWriter(place)
        if self._account.rows_quarantined:
            table = Table(source.table.database, f"quarantine_{source.digest}", "", (), PARQUET)
            with self._made(table, refused_rows(source.table)) as folder:
                rows = [row for path in _files(folder) for row in pq.ParquetFile(path).read().to_pylist()]
            # Athena says rows in any order
            for row in sorted(rows, key=lambda item: (item["source"], item["reason"], item["raw"])):
                name, rejected = source.name_of(row["source"]), Rejected(0, row["reason"], row["raw"])
                writer.write(name, [rejected])
                if len(self._account.samples) < _SAMPLES:
                    self._account.samples.append(f"{name}: {row['reason']}: {row['raw'][:120]}")
        writer.close()
        self._account.rows_quarantined = writer.rows

    def _good(self, source: SourceTable, categories: list[str | None], place: Path) -> None:
        """CTAS, a hundred categories at a time (more Athena does not write at once), and fetch the files."""
        pieces = [categories[start : start + MOST_PARTITIONS] for start in range(0, len(categories), MOST_PARTITIONS)]
        writer = ReviewWriter(place)
        names = []
        for index, piece in enumerate(pieces):
            end = f"_{index + 1}" if len(pieces) > 1 else ""
            table = parquet_table(source.table.database, f"reviews_{source.digest}{end}")
            names.append(f"{table.database}.{table.name}")
            with self._made(table, good_rows(source.table, piece if len(pieces) > 1 else None)) as folder:
                log_progress(3, 4, "queries", "reviews written")
                self._copy(folder, writer)
        writer.close()
        self._account.rows_out = writer.rows
        self._account.tables = {**(self._account.tables or {}), "reviews": ", ".join(names)}

    def _copy(self, folder: Path, writer: ReviewWriter) -> None:
        """Every partition in the order of its reviews, so that the same reviews give the same bytes."""
        import polars as pl

        for partition in sorted(item for item in folder.iterdir() if item.is_dir()):
            value = unquote(partition.name.partition("=")[2])
            category = pl.lit(None if value == _NULL_PARTITION else value, pl.String).alias(PARTITION_COLUMN)
            empty = pl.DataFrame(pl.from_arrow(review_schema().empty_table()))
            frame = pl.scan_parquet(_files(partition), hive_partitioning=False).with_columns(category)
            typed = frame.select(pl.col(name).cast(empty.schema[name]) for name in COLUMNS)
            ordered = typed.sort("review_id", *COLUMNS, nulls_last=True).collect(engine="streaming")
            self._account.stars.update(dict(ordered["star_rating"].value_counts().rows()))
            writer.write(ordered)

    @contextlib.contextmanager
    def _made(self, table: Table, select: str) -> Iterator[Path]:
        """A local copy of the files of a CTAS; one that was made before is not made again."""
        athena = self._athena
        found = find_table(table.database, table.name, athena.settings)
        if found is None:
            ran: Execution = athena.run(query_of(create_table_as(table, select), athena.athena, athena.place))
            self._account.scanned_bytes += ran.scanned_bytes
            found = find_table(table.database, table.name, athena.settings) or {}
        location = str(found.get("StorageDescriptor", {}).get("Location", "")).rstrip("/") + "/"
        folder = Path(tempfile.mkdtemp(prefix="intermodal-athena-"))
        try:
            _download(location, folder, athena)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _download(location: str, folder: Path, athena: Athena) -> None:
    from intermodal.aws.client import aws_client
    from intermodal.aws.objects import bucket_and_key
    from intermodal.reviews.s3 import s3_errors

    client = aws_client("s3", athena.settings)
    for uri in listed(location, athena.settings):
        path = folder / uri.removeprefix(location)
        if ".." in Path(uri.removeprefix(location)).parts:
            raise StoreFailed("an object's name would leave its folder", seen=uri, expected=location)
        path.parent.mkdir(parents=True, exist_ok=True)
        with s3_errors(uri):
            client.download_file(*bucket_and_key(uri), str(path))


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
