"""The bucket of the store: there before a run begins, and nobody else's."""

from __future__ import annotations

from intermodal.aws.account_setup import bring_about, bucket_parts, has_tls
from intermodal.aws.calls import Calls, Refused
from intermodal.aws.client import account_of, find_place, is_local, region_of
from intermodal.aws.settings import SageMakerSettings
from intermodal.errors import UsageError

_ABSENT = ("404", "NoSuchBucket", "NotFound")
_INIT = "intermodal aws init makes it; or name another: [sagemaker] store"


def require_bucket(store: str, settings: SageMakerSettings) -> None:
    """See that the store's bucket is there and belongs to this account; the default one is made when it is not.

    Args:
        store: s3://bucket/prefix.
        settings: `[sagemaker]`.

    Raises:
        UsageError: It is not there, or belongs to another account.
        RuntimeFailed: S3 did not answer.
    """
    bucket, _, prefix = store.removeprefix("s3://").partition("/")
    calls, owner = Calls("s3", settings), account_of(settings)
    try:
        # HeadBucket names no prefix, so that it would need leave to list the whole bucket.
        calls("ListObjectsV2", Bucket=bucket, Prefix=prefix, MaxKeys=1, ExpectedBucketOwner=owner)
    except Refused as refused:
        if refused.code not in _ABSENT:
            raise UsageError(
                "the bucket of the artifact store may not be used",
                seen=f"{bucket}: {refused.seen}",
                expected=f"a bucket of account {account_of(settings)}",
                next_step=_INIT,
            ) from refused
        if settings.bucket or settings.store or bucket != _default(settings):
            raise UsageError("the bucket of the artifact store is not there", seen=bucket, next_step=_INIT) from refused
        make_bucket(settings)


def make_bucket(settings: SageMakerSettings) -> None:
    """Make the default bucket as `intermodal aws init` makes it: private, encrypted, with an end for leftovers.

    Args:
        settings: `[sagemaker]`.

    Raises:
        RuntimeFailed: S3 refused, or did not answer.
    """
    parts = bucket_parts(find_place(settings), tls=has_tls())
    for part in parts[:1] if is_local(settings) else parts:  # a local S3 need not know the settings of a bucket
        bring_about(part, settings)


def _default(settings: SageMakerSettings) -> str:
    return f"intermodal-{account_of(settings)}-{region_of(settings)}"
