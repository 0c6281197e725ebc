"""Between S3 and folders: prefixes, single objects, tar archives; what vanishes while it is read is left out."""

from __future__ import annotations

import os
import posixpath
import tarfile
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from intermodal.runtime.sagemaker_local.operations import ApiError


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of s3://bucket/key.

    Raises:
        ApiError: ValidationException, it is no such URI.
    """
    if not uri.startswith("s3://"):
        raise ApiError("ValidationException", f"Invalid S3 URI: {uri}")
    bucket, _, key = uri[5:].partition("/")
    return bucket, key


def list_keys(s3: Any, bucket: str, prefix: str) -> list[str]:
    """Keys that begin with a prefix, sorted; marks of folders (keys that end with "/") are left out."""
    from botocore.exceptions import ClientError

    keys: list[str] = []
    try:
        for found in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            keys += [item["Key"] for item in found.get("Contents", []) if not item["Key"].endswith("/")]
    except ClientError as error:
        raise _no_download(f"s3://{bucket}/{prefix}", error.response["Error"]) from error
    return sorted(keys)


def relative_path(key: str, prefix: str) -> str:
    """Where an object of a prefix lies below the folder it is downloaded to.

    Args:
        key: The object's key.
        prefix: What was asked for: the key itself, a folder with or without "/", or the beginning of names.
    """
    base = prefix if prefix.endswith("/") or not prefix else f"{prefix}/"
    if key.startswith(base):
        return key[len(base) :]
    return key[len(posixpath.dirname(prefix)) :].lstrip("/")


def download_prefix(s3: Any, uri: str, folder: Path, share: tuple[int, int] = (0, 1), *, need: bool = True) -> int:
    """Download the objects below a prefix.

    Args:
        s3: A client.
        uri: s3://bucket/prefix, or one object.
        folder: Where to.
        share: (index, count): of the sorted keys, every count-th from index, as ShardedByS3Key does.
        need: Whether finding nothing is an error.

    Returns:
        How many objects.

    Raises:
        ApiError: ClientError's words, nothing is there or S3 refuses.
    """
    bucket, prefix = split_uri(uri)
    keys = list_keys(s3, bucket, prefix)
    if need and not keys:
        raise missing_input(uri)
    mine = keys[share[0] :: share[1]]
    for key in mine:
        download_object(s3, bucket, key, safe_path(folder, relative_path(key, prefix)))
    return len(mine)


def download_object(s3: Any, bucket: str, key: str, path: Path) -> None:
    """Download one object to a file.

    Raises:
        ApiError: S3 refuses.
    """
    from botocore.exceptions import ClientError

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        s3.download_file(bucket, key, str(path))
    except ClientError as error:
        raise _no_download(f"s3://{bucket}/{key}", error.response["Error"]) from error


def encryption(key: str) -> dict[str, str]:
    """How S3 is told to encrypt what is uploaded.

    Args:
        key: A request's KmsKeyId; empty for the bucket's own way.
    """
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else {}


def upload_folder(s3: Any, folder: Path, uri: str, only: Iterable[Path] | None = None, key: str = "") -> int:
    """Upload the files of a folder below a prefix.

    Args:
        s3: A client.
        folder: The folder; a missing one is empty.
        uri: s3://bucket/prefix.
        only: Which files; all by default.
        key: KMS key by which S3 encrypts them.

    Returns:
        How many.
    """
    bucket, prefix = split_uri(uri.rstrip("/"))
    count = 0
    for path in sorted(files_below(folder) if only is None else only):
        name = posixpath.join(prefix, path.relative_to(folder).as_posix())
        with suppress(FileNotFoundError):  # renamed or removed while we looked
            s3.upload_file(str(path), bucket, name, ExtraArgs=encryption(key))
            count += 1
    return count


def upload_tar(s3: Any, folder: Path, uri: str, key: str = "") -> None:
    """Upload a folder's content as one .tar.gz, its members named relative to the folder; encrypted as above."""
    bucket, name = split_uri(uri)
    with tempfile.TemporaryFile() as stream:
        with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=1) as archive:
            for path in sorted(folder.iterdir()) if folder.is_dir() else []:
                archive.add(path, path.name)
        stream.seek(0)
        s3.upload_fileobj(stream, bucket, name, ExtraArgs=encryption(key))


def download_tar(s3: Any, uri: str, folder: Path) -> None:
    """Download a .tar.gz and unpack it below a folder; members that would leave the folder are refused.

    Raises:
        ApiError: S3 refuses, or it is no such archive.
    """
    bucket, key = split_uri(uri)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "archive"
        download_object(s3, bucket, key, path)
        try:
            with tarfile.open(path) as archive:
                archive.extractall(folder, filter="data")
        except tarfile.TarError as error:
            raise ApiError("ValidationException", f"Cannot unpack {uri}: {error}") from error


def files_below(folder: Path) -> list[Path]:
    """The regular files below a folder; folders that vanish meanwhile have none."""
    # os.walk, because Path.rglob of Python 3.11 raises when a folder is gone that it has just seen
    return [path for top, _, names in os.walk(folder) for name in names if (path := Path(top, name)).is_file()]


def safe_path(folder: Path, relative: str) -> Path:
    """A path below a folder.

    Raises:
        ApiError: It would lie outside, because of ".." in a key.
    """
    path = folder / relative
    if ".." in Path(relative).parts or Path(relative).is_absolute():
        raise ApiError("ValidationException", f"Invalid S3 key: {relative}")
    return path


def missing_input(uri: str) -> ApiError:
    """The error of an input with nothing in it."""
    return ApiError(
        "ValidationException",
        f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the bucket exists '
        "in the selected region, that objects exist under that S3 prefix, and that the role has "
        f'"s3:ListBucket" permissions on bucket "{split_uri(uri)[0]}".',
    )


def _no_download(uri: str, error: dict[str, Any]) -> ApiError:
    return ApiError("ValidationException", f"Data download failed: {error['Code']}: {error['Message']}, {uri}")
