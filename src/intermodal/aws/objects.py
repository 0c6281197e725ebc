"""Objects on S3 that a managed service reads or writes: is it there, upload, list, read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from intermodal.aws.calls import Calls, Refused
from intermodal.aws.client import aws_client
from intermodal.aws.settings import SageMakerSettings
from intermodal.errors import RuntimeFailed

_ABSENT = ("404", "NoSuchKey", "NotFound")
_READS = 3  # of an object whose content breaks off


def bucket_and_key(uri: str) -> tuple[str, str]:
    """Bucket and key of an s3:// URI."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def is_there(uri: str, settings: SageMakerSettings) -> bool:
    """Whether an object is there.

    Raises:
        RuntimeFailed: S3 refused to say, or did not answer.
    """
    bucket, key = bucket_and_key(uri)
    try:
        Calls("s3", settings)("HeadObject", Bucket=bucket, Key=key)
    except Refused as refused:
        if refused.code in _ABSENT:
            return False
        raise
    return True


def upload_file(path: Path, uri: str, settings: SageMakerSettings) -> None:
    """Upload one file, in parts when it is large; the object appears whole or not at all.

    Raises:
        RuntimeFailed: S3 refused it, or did not answer.
    """
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, key = bucket_and_key(uri)
    try:
        aws_client("s3", settings).upload_file(str(path), bucket, key)
    except (Boto3Error, BotoCoreError, ClientError, OSError) as error:
        raise RuntimeFailed("a file could not be uploaded to S3", seen=error, expected=uri) from error


def upload_folder(folder: Path, uri: str, settings: SageMakerSettings) -> None:
    """Upload every file of a folder under a prefix; errors as for `upload_file`."""
    for path in sorted(item for item in folder.rglob("*") if item.is_file()):
        upload_file(path, f"{uri.rstrip('/')}/{path.relative_to(folder).as_posix()}", settings)


def read_object(uri: str, settings: SageMakerSettings) -> bytes:
    """The content of one object.

    Raises:
        RuntimeFailed: S3 refused it, or did not answer.
    """
    from botocore.exceptions import BotoCoreError

    bucket, key = bucket_and_key(uri)
    for attempt in range(1, _READS + 1):
        answer = Calls("s3", settings)("GetObject", Bucket=bucket, Key=key)
        try:
            return bytes(answer["Body"].read())
        except (BotoCoreError, OSError) as error:  # the answer broke off
            if attempt == _READS:
                raise RuntimeFailed("an object could not be read to its end", seen=error, expected=uri) from error
    raise AssertionError("the last attempt returns or raises")


def listed(uri: str, settings: SageMakerSettings) -> list[str]:
    """URIs of all objects whose URI begins so, sorted.

    Raises:
        RuntimeFailed: S3 refused it, or did not answer.
    """
    calls = Calls("s3", settings)
    bucket, prefix = bucket_and_key(uri)
    found: list[str] = []
    more: dict[str, Any] = {}
    while True:
        page = calls("ListObjectsV2", Bucket=bucket, Prefix=prefix, **more)
        found += [f"s3://{bucket}/{item['Key']}" for item in page.get("Contents", [])]
        if not page.get("NextContinuationToken"):
            return sorted(found)
        more = {"ContinuationToken": page["NextContinuationToken"]}


def download_file(uri: str, path: Path, settings: SageMakerSettings) -> None:
    """Download one object to a file, in parts when it is large.

    Raises:
        RuntimeFailed: S3 refused it, or did not answer.
    """
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, key = bucket_and_key(uri)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        aws_client("s3", settings).download_file(bucket, key, str(path))
    except (Boto3Error, BotoCoreError, ClientError, OSError) as error:
        raise RuntimeFailed("a file could not be downloaded from S3", seen=error, expected=uri) from error
