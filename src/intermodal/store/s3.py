"""An artifact store in an S3 bucket, or in anything that speaks S3 (`AWS_ENDPOINT_URL`)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from intermodal.aws.job_environment import STORE_KEY_VARIABLE
from intermodal.errors import StoreFailed, UsageError
from intermodal.store.base import Store

_ABSENT = {"NoSuchKey", "404", "NotFound"}
_REFUSED = {
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "AccessDenied",
    "403",
    "ExpiredToken",
    "ExpiredTokenException",
    "Forbidden",
}
_TAKEN = {"PreconditionFailed", "412", "ConditionalRequestConflict"}


class S3Store(Store):
    """A store under one prefix of a bucket.

    Credentials and endpoint come from boto3's own chain (environment, profile, IRSA, Pod Identity).

    Args:
        root: s3://bucket or s3://bucket/prefix.
        key: KMS key by which everything written is encrypted; that of INTERMODAL_STORE_KMS_KEY by default, else
            the bucket's own way.
    """

    def __init__(self, root: str, key: str = "") -> None:
        self.root = root.rstrip("/")
        key = key or os.environ.get(STORE_KEY_VARIABLE, "")
        self._encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else {}
        self._bucket, _, self._prefix = self.root.removeprefix("s3://").partition("/")

    @property
    def _client(self) -> Any:
        """The client for the identity of this moment: credentials are renewed while a process runs."""
        return s3_client()

    def read(self, key: str) -> bytes | None:
        """See `Store.read`."""
        with self._clear_errors("read", key):
            try:
                return bytes(self._client.get_object(Bucket=self._bucket, Key=self._key(key))["Body"].read())
            except self._client.exceptions.ClientError as error:
                if _code(error) in _ABSENT:
                    return None
                raise

    def write(self, key: str, content: bytes, *, only_if_absent: bool = False) -> bool:
        """See `Store.write`."""
        how = {**self._encryption, **({"IfNoneMatch": "*"} if only_if_absent else {})}
        with self._clear_errors("write", key):
            try:
                self._client.put_object(Bucket=self._bucket, Key=self._key(key), Body=content, **how)
            except self._client.exceptions.ClientError as error:
                if only_if_absent and _code(error) in _TAKEN:
                    return False
                raise
        return True

    def publish(self, staged: Path, prefix: str, last: str) -> None:
        """See `Store.publish`; `last` is uploaded when every other file has been acknowledged."""
        names = sorted(item.relative_to(staged).as_posix() for item in staged.rglob("*") if item.is_file())
        for name in [item for item in names if item != last] + [last]:
            key = self._key(f"{prefix}/{name}")
            with self._clear_errors("publish", f"{prefix}/{name}"):
                self._client.upload_file(str(staged / name), self._bucket, key, ExtraArgs=self._encryption)

    def fetch(self, prefix: str, names: list[str], target: Path) -> Path:
        """See `Store.fetch`."""
        for name in names:
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._clear_errors("fetch", f"{prefix}/{name}"):
                self._download(self._key(f"{prefix}/{name}" if prefix else name), path)
        return target

    def keys(self, prefix: str) -> Iterator[str]:
        """See `Store.keys`."""
        cut = len(self._prefix) + 1 if self._prefix else 0
        below = f"{self._key(prefix)}".rstrip("/") + "/" if self._key(prefix) else ""
        pages = self._client.get_paginator("list_objects_v2")
        with self._clear_errors("list", prefix):
            found = [item["Key"] for page in pages.paginate(Bucket=self._bucket, Prefix=below) for item in _items(page)]
        yield from sorted(key[cut:] for key in found)  # not every server lists in the order of the text

    def remove(self, prefix: str) -> None:
        """See `Store.remove`; the manifest goes first, so that no half artifact is ever seen."""
        found = sorted(self.keys(prefix), key=lambda key: not key.endswith("manifest.json"))
        with self._clear_errors("remove", prefix):
            for key in [*found, *([prefix] if prefix else [])]:
                self._client.delete_object(Bucket=self._bucket, Key=self._key(key))

    def _download(self, key: str, path: Path) -> None:
        try:
            self._client.download_file(self._bucket, key, str(path))
        except self._client.exceptions.ClientError as error:
            if _code(error) not in _ABSENT:
                raise

    def _key(self, key: str) -> str:
        return f"{self._prefix}/{key}".rstrip("/") if self._prefix else key

    @contextlib.contextmanager
    def _clear_errors(self, verb: str, key: str) -> Iterator[None]:
        with clear_s3_errors(f"the store could not {verb} {self.uri(key)}"):
            yield


def s3_client() -> Any:
    """A boto3 client for S3 that gives up within a minute when nobody answers.

    One client serves a process for as long as endpoint, identity and region stay the same: making one
    costs a tenth of a second.
    """
    names: tuple[str, ...] = (
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
    )
    names += ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION")
    return _client(*(os.environ.get(name) for name in names))


@lru_cache(maxsize=4)
def _client(endpoint: str | None, endpoint_s3: str | None, *identity_and_region: str | None) -> Any:
    import boto3
    from botocore.config import Config

    custom = bool(endpoint or endpoint_s3)
    config = Config(
        connect_timeout=5,
        read_timeout=60,
        retries={"max_attempts": 4, "mode": "standard"},
        s3={"addressing_style": "path"} if custom else None,
    )
    *_, region, default_region = identity_and_region
    chosen = region or default_region or ("us-east-1" if custom else None)
    try:
        return boto3.session.Session().client("s3", region_name=chosen, config=config)
    except ValueError as error:  # botocore's word for an address that is none, or a region that cannot be one
        raise UsageError(
            "there can be no client of S3",
            seen=error,
            expected="AWS_ENDPOINT_URL such as http://127.0.0.1:4566, and a region such as eu-west-1",
        ) from error


@contextlib.contextmanager
def clear_s3_errors(headline: str) -> Iterator[None]:
    """Turn what boto3 raises into one clear `StoreFailed`.

    Args:
        headline: What could not be done.
    """
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (ClientError, BotoCoreError, Boto3Error) as error:
        answer = error
        while not isinstance(answer, ClientError) and isinstance(answer.__context__, ClientError | Boto3Error):
            answer = answer.__context__  # what an upload was refused for stands behind the upload's own error
        code = _code(answer) if isinstance(answer, ClientError) else type(answer).__name__
        if code.startswith("ExpiredToken"):
            _client.cache_clear()  # whoever asks again does so with what was put in the place of the old ones
        raise StoreFailed(headline, seen=f"{code}: {error}", **_advice(code)) from error


def _items(page: dict[str, Any]) -> list[dict[str, Any]]:
    return list(page.get("Contents", []))


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _advice(code: str) -> dict[str, str]:
    if code in _REFUSED:
        return {
            "expected": "credentials that may use this bucket",
            "next_step": "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY or the role",
        }
    if code in {"NoCredentialsError", "PartialCredentialsError"}:
        return {
            "expected": "AWS credentials",
            "next_step": "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        }
    if code in {"NoSuchBucket", "404"}:
        return {"expected": "a bucket that exists", "next_step": "make the bucket, or correct INTERMODAL_STORE"}
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or "AWS"
    return {
        "expected": f"an answer from {endpoint}",
        "next_step": "check AWS_ENDPOINT_URL and the network; then run the same command again",
    }
