"""The bucket of the store: a run makes the default one as `intermodal aws init` does, and no other."""

from __future__ import annotations

import pytest

from intermodal.aws.client import find_place
from intermodal.aws.settings import SageMakerSettings
from intermodal.errors import UsageError
from intermodal.runtime.sagemaker import bucket
from intermodal.runtime.sagemaker.bucket import require_bucket
from local_sagemaker import client

NAME = "intermodal-123456789012-us-east-1"


def names() -> list[str]:
    return [item["Name"] for item in client("s3").list_buckets()["Buckets"]]


def test_the_default_bucket_is_made_once_and_another_is_not(open_sagemaker):
    open_sagemaker()
    settings = SageMakerSettings()
    store = find_place(settings).store
    require_bucket(store, settings)
    require_bucket(store, settings)
    assert NAME in names()
    with pytest.raises(UsageError, match="not there"):
        require_bucket("s3://ours-alone/intermodal", SageMakerSettings(bucket="ours-alone"))
    assert "ours-alone" not in names()


def test_on_aws_it_is_private_and_encrypted_from_the_start(open_sagemaker, monkeypatch):
    open_sagemaker()
    monkeypatch.setattr(bucket, "is_local", lambda _: False)
    settings = SageMakerSettings()
    require_bucket(find_place(settings).store, settings)
    s3 = client("s3")
    assert all(s3.get_public_access_block(Bucket=NAME)["PublicAccessBlockConfiguration"].values())
    assert s3.get_bucket_encryption(Bucket=NAME)["ServerSideEncryptionConfiguration"]["Rules"]
    assert len(s3.get_bucket_lifecycle_configuration(Bucket=NAME)["Rules"]) == 2
