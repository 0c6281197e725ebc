"""Clients of AWS's services: boto3's, with the settings' region and profile; they ask again, and renew credentials.

`AWS_ENDPOINT_URL` sends them all to another address, as for boto3 itself: a local SageMaker, for one.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

from intermodal import __version__
from intermodal.aws.request import Place
from intermodal.aws.settings import ROLE_NAME, SageMakerSettings
from intermodal.errors import RuntimeFailed, UsageError

DEFAULT_REGION = "us-east-1"
_LOOPBACK_PAUSE = 1.0  # seconds
_ATTEMPTS = 3  # of one call, by botocore; `calls.Calls` is patient beyond that


def region_of(settings: SageMakerSettings) -> str:
    """The region: of the settings, else of the environment or the profile, else us-east-1."""
    if settings.region:
        return settings.region
    return os.environ.get("AWS_REGION") or _session(settings.profile, "").region_name or DEFAULT_REGION


def aws_client(service: str, settings: SageMakerSettings) -> Any:
    """A client of one service, shared by all who ask with the same settings; boto3's clients may be used by threads.

    Args:
        service: Its name in boto3.
        settings: `[sagemaker]`.

    Raises:
        UsageError: The profile is not there; the address or the region cannot be one.
    """
    return _client(service, settings.profile, region_of(settings), os.environ.get("AWS_ENDPOINT_URL", ""))


def is_local(settings: SageMakerSettings) -> bool:
    """Whether the services are not AWS's own, but somebody's at another address (`AWS_ENDPOINT_URL`).

    An address within AWS, such as a VPC endpoint's, is AWS's own.
    """
    from urllib.parse import urlsplit

    address = os.environ.get("AWS_ENDPOINT_URL_SAGEMAKER") or os.environ.get("AWS_ENDPOINT_URL") or ""
    host = urlsplit(address).hostname or ""
    return bool(address) and not host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".on.aws"))


def longest_pause(settings: SageMakerSettings) -> float:
    """Most seconds between two looks at a job: `poll`, but nobody throttles where the service is on this machine."""
    from urllib.parse import urlsplit

    address = os.environ.get("AWS_ENDPOINT_URL_SAGEMAKER") or os.environ.get("AWS_ENDPOINT_URL") or ""
    near = urlsplit(address).hostname in ("127.0.0.1", "localhost", "::1")
    return min(settings.poll, _LOOPBACK_PAUSE) if near else settings.poll


def find_place(settings: SageMakerSettings) -> Place:
    """The account's places, asking AWS only for the account's number.

    Args:
        settings: `[sagemaker]`.

    Raises:
        RuntimeFailed: AWS did not answer, or knows no such credentials.
    """
    return place_in(settings, account_of(settings))


def place_in(settings: SageMakerSettings, account: str) -> Place:
    """The places of an account whose number is known; nothing is asked of AWS.

    Args:
        settings: `[sagemaker]`.
        account: The account's number.
    """
    region = region_of(settings)
    bucket = settings.bucket or f"intermodal-{account}-{region}"
    role = settings.role or ROLE_NAME
    arn = role if role.startswith("arn:") else f"arn:{partition_of(region)}:iam::{account}:role/{role}"
    return Place(account, region, arn, settings.store or f"s3://{bucket}/intermodal")


def account_of(settings: SageMakerSettings) -> str:
    """The account's number.

    Raises:
        RuntimeFailed: AWS did not answer, or knows no such credentials.
    """
    return _account(settings.profile, region_of(settings), os.environ.get("AWS_ENDPOINT_URL", ""))


def renew_clients() -> None:
    """Forget all clients and sessions, so that credentials are looked for again: the old ones have expired."""
    _client.cache_clear()
    _session.cache_clear()


def partition_of(region: str) -> str:
    """The partition of a region: "aws", "aws-cn" or "aws-us-gov"."""
    return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"


@lru_cache(maxsize=32)
def _account(profile: str, region: str, endpoint: str) -> str:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        try:
            return str(_client("sts", profile, region, endpoint).get_caller_identity()["Account"])
        except ClientError as error:
            if not error.response["Error"]["Code"].startswith("Expired"):
                raise
            renew_clients()  # somebody may have put others in the place of the old ones
            return str(_client("sts", profile, region, endpoint).get_caller_identity()["Account"])
    except (BotoCoreError, ClientError) as error:
        raise _nameless(error) from error


def _nameless(error: Exception) -> RuntimeFailed:
    """Why the account's number is not known: nobody answers, or nobody knows the credentials."""
    from botocore import exceptions

    asked = "AWS does not say which account this is"
    if isinstance(error, exceptions.ConnectionError | exceptions.HTTPClientError):
        return RuntimeFailed(
            asked,
            seen=error,
            expected="an address that answers",
            next_step="check the network and AWS_ENDPOINT_URL; without it, AWS itself is asked",
        )
    return RuntimeFailed(
        asked,
        seen=error,
        expected="credentials that boto3 finds (environment, profile, instance or pod role)",
        next_step="aws configure, or set AWS_PROFILE; intermodal aws doctor says more",
    )


@lru_cache(maxsize=64)
def _client(service: str, profile: str, region: str, endpoint: str) -> Any:
    from botocore.config import Config

    retries = {"mode": "standard", "max_attempts": _ATTEMPTS}
    config = Config(retries=retries, connect_timeout=10, read_timeout=60, user_agent_extra=f"intermodal/{__version__}")
    try:
        return _session(profile, region).client(service, config=config)
    except ValueError as error:  # botocore's word for an address that is none, or a region that cannot be one
        raise UsageError(
            f"there can be no client of {service}",
            seen=error,
            expected="AWS_ENDPOINT_URL such as http://127.0.0.1:4566, and a region such as eu-west-1",
        ) from error


@lru_cache(maxsize=8)
def _session(profile: str, region: str) -> Any:
    import boto3
    from botocore.exceptions import ProfileNotFound

    try:
        return boto3.Session(profile_name=profile or None, region_name=region or None)
    except ProfileNotFound as error:
        raise UsageError(
            "the AWS profile is not there", seen=profile, next_step="aws configure list-profiles"
        ) from error
