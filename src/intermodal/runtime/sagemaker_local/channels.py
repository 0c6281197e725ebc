"""Input channels of a training job: which objects each host gets, as files or through named pipes."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intermodal.runtime.sagemaker_local.operations import ApiError
from intermodal.runtime.sagemaker_local.transfer import (
    download_object,
    list_keys,
    missing_input,
    relative_path,
    safe_path,
    split_uri,
)

SHARDED = "ShardedByS3Key"


@dataclass(frozen=True)
class Item:
    """One object of a source.

    Attributes:
        bucket: Its bucket.
        key: Its key.
        path: Where it lies below the channel's folder.
    """

    bucket: str
    key: str
    path: str


def list_items(s3: Any, uri: str, kind: str = "S3Prefix") -> list[Item]:
    """The objects of a source, in order.

    Args:
        s3: A client.
        uri: The prefix, or the manifest.
        kind: S3Prefix or ManifestFile.

    Raises:
        ApiError: There are none, or the manifest cannot be read.
    """
    if kind == "ManifestFile":
        return _of_manifest(s3, uri)
    if kind != "S3Prefix":
        raise ApiError("ValidationException", f"S3DataType {kind} is not supported here")
    bucket, prefix = split_uri(uri)
    items = [Item(bucket, key, relative_path(key, prefix)) for key in list_keys(s3, bucket, prefix)]
    if not items:
        raise missing_input(uri)
    return items


def share_of(items: list[Item], index: int, count: int, distribution: str, seed: int | None = None) -> list[Item]:
    """What one host gets.

    Args:
        items: All, in order.
        index: The host's, from 0.
        count: How many hosts.
        distribution: FullyReplicated or ShardedByS3Key.
        seed: Of ShuffleConfig: the keys are shuffled first.
    """
    ordered = list(items)
    if seed is not None:
        random.Random(seed).shuffle(ordered)  # noqa: S311  not for secrets
    return ordered[index::count] if distribution == SHARDED else ordered


def download_items(s3: Any, items: list[Item], folder: Path) -> None:
    """Download objects to where they lie below a folder."""
    for item in items:
        download_object(s3, item.bucket, item.key, safe_path(folder, item.path))


def _of_manifest(s3: Any, uri: str) -> list[Item]:
    """A JSON list: {"prefix": "s3://…"} first, then keys relative to it."""
    from botocore.exceptions import ClientError

    bucket, key = split_uri(uri)
    try:
        lines = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        prefix = lines[0]["prefix"]
        names = [str(line) for line in lines[1:]]
    except (ClientError, ValueError, KeyError, IndexError, TypeError) as error:
        raise ApiError("ValidationException", f"Unable to read the manifest {uri}: {error}") from error
    base, start = split_uri(prefix)
    return [Item(base, f"{start}{name}", name.lstrip("/")) for name in names]
