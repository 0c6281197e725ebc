"""The source of an ingestion through Athena: TSV files under one prefix of S3, and the table over them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import PurePosixPath

from intermodal.aws.athena_queries import Athena
from intermodal.aws.client import aws_client
from intermodal.aws.glue import Table
from intermodal.aws.objects import bucket_and_key, is_there, listed, upload_file
from intermodal.core.manifest import sha256_of
from intermodal.errors import DataRejected, UsageError
from intermodal.reviews.athena_sql import tsv_table
from intermodal.reviews.headers import read_header
from intermodal.reviews.sources import LocalFile, SourceFile
from intermodal.reviews.streams import detect_format, open_plain

_GZIP_MAGIC = b"\x1f\x8b"
_DIGITS = 12


@dataclass(frozen=True)
class SourceTable:
    """The source as Athena sees it.

    Attributes:
        table: The TSV table.
        names: URI on S3 → the file's own name.
        digest: Twelve digits over the content.
    """

    table: Table
    names: dict[str, str]
    digest: str

    def name_of(self, path: str) -> str:
        """The file's own name, from what Athena says in "$path"."""
        return self.names.get(path, path.rpartition("/")[2])


def source_table(files: list[SourceFile], athena: Athena) -> SourceTable:
    """Bring the files to S3, unless they are there, and say what table lies over them.

    Files on S3 are left where they are when nothing else lies under their prefix; Athena reads whole prefixes.

    Args:
        files: TSV files, plain or gzipped.
        athena: Athena, for the settings and the account's places.

    Raises:
        UsageError: A file is no TSV, or on S3 with a name from which Athena cannot tell that it is gzipped.
        DataRejected: A file lacks columns, or the headers differ.
        RuntimeFailed: S3 refused, or did not answer.
    """
    header = _common_header(files)
    contents = [_content(file, athena) for file in files]
    digest = hashlib.sha256(json.dumps([header, contents]).encode()).hexdigest()[:_DIGITS]
    location = _own_prefix(files, athena) or f"{athena.place.store}/athena/sources/{digest}/"
    names = {}
    for index, file in enumerate(files):
        uri = file.address if file.address.startswith(location) else f"{location}{index:05}-{_safe_name(file)}"
        if uri != file.address:
            _bring(file, uri, athena)
        names[uri] = file.name
    table = tsv_table(athena.athena.database, f"reviews_tsv_{digest}", location, header)
    return SourceTable(table, names, digest)


def _common_header(files: list[SourceFile]) -> list[str]:
    first: list[str] = []
    for file in files:
        with open_plain(file) as stream:
            form = detect_format(file, stream)
            if form != "tsv":
                raise UsageError(
                    "Athena ingests tab-separated reviews alone",
                    seen=f"{file.address}: {form}",
                    expected="TSV, plain or gzipped",
                    next_step="ingest it with engine=local",
                )
            header = read_header(file, stream, "\t")
        first = first or header
        if header != first:
            raise DataRejected(
                "the files have different headers, and a table has one",
                seen=f"{file.address}: {', '.join(header)[:200]}",
                expected=", ".join(first)[:200],
                next_step="ingest them with engine=local",
            )
    return first


def _content(file: SourceFile, athena: Athena) -> list[str]:
    if isinstance(file, LocalFile):
        return [file.name, sha256_of(file.path)]
    bucket, key = bucket_and_key(file.address)
    head = aws_client("s3", athena.settings).head_object(Bucket=bucket, Key=key)
    return [file.address, str(head["ETag"]), str(file.size)]


def _own_prefix(files: list[SourceFile], athena: Athena) -> str:
    """The prefix that holds exactly these files, all named as Athena needs it; empty when there is none."""
    if not all(file.address.startswith("s3://") and _is_gzip(file) == file.name.endswith(".gz") for file in files):
        return ""
    prefix = files[0].address.removesuffix(files[0].name)
    visible = [uri for uri in listed(prefix, athena.settings) if not uri.rpartition("/")[2].startswith(("_", "."))]
    return prefix if visible == sorted(file.address for file in files) else ""


def _bring(file: SourceFile, uri: str, athena: Athena) -> None:
    """Copy a file to its place, once: the place is named after the content."""
    if is_there(uri, athena.settings):
        return
    if isinstance(file, LocalFile):
        upload_file(file.path, uri, athena.settings)
        return
    bucket, key = bucket_and_key(file.address)
    to_bucket, to_key = bucket_and_key(uri)
    aws_client("s3", athena.settings).copy({"Bucket": bucket, "Key": key}, to_bucket, to_key)


def _safe_name(file: SourceFile) -> str:
    """A name that Athena reads, with ".gz" exactly when it is gzipped."""
    stem = PurePosixPath(file.name).name.removesuffix(".gz").lstrip("_.")
    plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_.") else "-" for letter in stem)
    return plain[:100] + (".gz" if _is_gzip(file) else "")


def _is_gzip(file: SourceFile) -> bool:
    with file.open() as stream:
        return stream.read(2) == _GZIP_MAGIC
