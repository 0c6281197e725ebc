"""Review files in a bucket, through boto3's own credential chain, endpoint and region settings.

boto3 reads `AWS_ENDPOINT_URL`, profiles, IAM roles for service accounts and SSO by itself and follows a bucket
to its region, so nothing is configured here but patience: a store that is not there should say so in seconds.
"""

from __future__ import annotations

import contextlib
import io
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from intermodal.errors import IntermodalError, StoreFailed, UsageError
from intermodal.reviews.sources import SourceFile, is_glob, readable

_CONNECT_SECONDS, _READ_SECONDS, _ATTEMPTS = 5, 60, 3
_READ_BUFFER = 1 << 20
_MISSING = {"NoSuchBucket", "NoSuchKey", "404", "NotFound"}
_REFUSED = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "403"}


class S3Object(SourceFile):
    """One object in a bucket."""

    def __init__(self, client: Any, bucket: str, key: str, name: str, size: int) -> None:
        self._client, self._bucket, self._key = client, bucket, key
        self.name = name
        self.address = f"s3://{bucket}/{key}"
        self.size = size

    def open(self) -> BinaryIO:
        """The object's bytes; a connection lost halfway raises, it never looks like the end of the file."""
        with s3_errors(self.address):
            body = self._client.get_object(Bucket=self._bucket, Key=self._key)["Body"]
        return io.BufferedReader(cast(Any, _Body(body, self.address)), _READ_BUFFER)

    @contextlib.contextmanager
    def local_copy(self) -> Iterator[Path]:
        """The object downloaded to a temporary file, removed at the end of the block."""
        with tempfile.NamedTemporaryFile(prefix="intermodal-", suffix=".download") as file:
            with s3_errors(self.address):
                self._client.download_fileobj(self._bucket, self._key, file)
            file.flush()
            yield Path(file.name)


class _Body(io.RawIOBase):
    """botocore's stream as a raw file, its errors translated."""

    def __init__(self, body: Any, address: str) -> None:
        self._body, self._address = body, address

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with s3_errors(self._address):
            data = self._body.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._body.close()
        super().close()


def find_objects(uri: str) -> list[SourceFile]:
    """Every object that an s3:// URI means: that key, all under that prefix, or all that match the glob.

    Args:
        uri: "s3://bucket/key", "s3://bucket/prefix/" or "s3://bucket/prefix/*.tsv.gz".

    Returns:
        The objects; empty when nothing matches.

    Raises:
        UsageError: The URI is malformed, or the bucket does not exist.
        StoreFailed: S3 did not answer, or refused the credentials.
    """
    bucket, _, path = uri.partition("://")[2].partition("/")
    if not bucket:
        raise UsageError("the S3 URI names no bucket", seen=uri, expected="s3://bucket/key")
    with s3_errors(uri):
        client = _client()
        if is_glob(path):
            return _match(client, bucket, path)
        sizes = _list(client, bucket, path)
        if path in sizes:
            return [S3Object(client, bucket, path, path.rpartition("/")[2], sizes[path])]
        prefix = path if not path or path.endswith("/") else path + "/"
        names = [key.removeprefix(prefix) for key in sizes if key.startswith(prefix) and not key.endswith("/")]
        return [S3Object(client, bucket, prefix + name, name, sizes[prefix + name]) for name in readable(names)]


@contextlib.contextmanager
def s3_errors(address: str) -> Iterator[None]:
    """Turn what boto3 raises inside the block into one clear error.

    Args:
        address: What was being read, for the headline.

    Raises:
        UsageError: The bucket or object does not exist, or its name is malformed.
        StoreFailed: Anything else.
    """
    try:
        yield
    except IntermodalError:
        raise
    except Exception as error:
        if not type(error).__module__.startswith(("botocore", "boto3", "s3transfer", "urllib3")):
            raise
        raise _translated(error, address) from error


def _translated(error: Exception, address: str) -> IntermodalError:
    answer = getattr(error, "response", None)  # of connection errors it is None
    code = str(answer.get("Error", {}).get("Code", "")) if isinstance(answer, dict) else ""
    if code in _MISSING or type(error).__name__ == "ParamValidationError":
        return UsageError(f"no such bucket or object: {address}", seen=error, expected="an object that exists")
    if code in _REFUSED or "Credentials" in type(error).__name__ or type(error).__name__ == "ProfileNotFound":
        return StoreFailed(
            f"S3 refused the credentials for {address}",
            seen=error,
            expected="credentials that may list the bucket and read the object",
            next_step="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, and try again",
        )
    return StoreFailed(
        f"S3 did not deliver {address}",
        seen=error,
        expected="an S3 endpoint that answers",
        next_step="check AWS_ENDPOINT_URL and the network, and run the same command again",
    )


def _client() -> Any:
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise UsageError(
            "reading from S3 needs boto3", seen=error, next_step="pip install 'intermodal[aws]'"
        ) from error
    retries: Any = {"total_max_attempts": _ATTEMPTS, "mode": "standard"}
    config = Config(connect_timeout=_CONNECT_SECONDS, read_timeout=_READ_SECONDS, retries=retries)
    try:
        # Not boto3.client: its shared session would keep the first credentials that this process ever found.
        return boto3.session.Session().client("s3", config=config)
    except ValueError as error:  # botocore says "Invalid endpoint: …" this way
        raise UsageError("AWS_ENDPOINT_URL is not a URL", seen=error, expected="http://host:port") from error


def _list(client: Any, bucket: str, prefix: str) -> dict[str, int]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {item["Key"]: int(item["Size"]) for page in pages for item in page.get("Contents", [])}


def _match(client: Any, bucket: str, pattern: str) -> list[SourceFile]:
    fixed = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
    root = fixed[: fixed.rfind("/") + 1]
    expression = re.compile(_glob_expression(pattern))
    sizes = _list(client, bucket, fixed)
    return [
        S3Object(client, bucket, key, key.removeprefix(root), size)
        for key, size in sizes.items()
        if expression.fullmatch(key) and not key.endswith("/")
    ]


def _glob_expression(pattern: str) -> str:
    # As on a disk: "*" and "?" stay within one path segment, "**/" crosses any number of them.
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]+\])", pattern)
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(
        known.get(part) or (part.replace("[!", "[^") if part.startswith("[") else re.escape(part)) for part in parts
    )
