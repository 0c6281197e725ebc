"""Which account's places a verb speaks of: as somebody wrote it, as AWS says, or a stand-in that is told."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from intermodal.errors import IntermodalError, UsageError

if TYPE_CHECKING:
    from intermodal.aws.request import Place
    from intermodal.aws.settings import SageMakerSettings

ACCOUNT_VARIABLE = "INTERMODAL_AWS_ACCOUNT"
NO_ACCOUNT = "000000000000"


def place_for(settings: SageMakerSettings, *, ask: bool = True) -> Place:
    """The account's places.

    Args:
        settings: `[sagemaker]`.
        ask: Whether AWS may be asked for the account's number, when there are credentials.

    Raises:
        UsageError: The variable holds no account number.
    """
    from intermodal.aws.client import find_place, place_in

    named = os.environ.get(ACCOUNT_VARIABLE, "") or _in_role(settings.role)
    if named and not (named.isdecimal() and len(named) == len(NO_ACCOUNT)):
        raise UsageError(f"{ACCOUNT_VARIABLE} is no account of AWS", seen=named, expected="twelve digits")
    if named:
        return place_in(settings, named)
    if ask and has_credentials(settings):
        try:
            return find_place(settings)
        except IntermodalError as error:
            print(f"warning: {error.headline}: {error.seen}", file=sys.stderr)
    print(f"the account is not known here, and stands as {NO_ACCOUNT}; {ACCOUNT_VARIABLE} says it", file=sys.stderr)
    return place_in(settings, NO_ACCOUNT)


def may_have_credentials(settings: SageMakerSettings) -> bool:
    """Whether there is anything at all that credentials could come from; boto3 is not imported for it.

    An instance's own role is not looked for, since that means asking the network.

    Args:
        settings: `[sagemaker]`: the profile.
    """
    names = (
        "AWS_ACCESS_KEY_ID",
        "AWS_PROFILE",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    )
    files = (
        os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
        os.environ.get("AWS_CONFIG_FILE", "~/.aws/config"),
    )
    told = settings.profile or any(os.environ.get(name) for name in names)
    return bool(told) or any(Path(name).expanduser().is_file() for name in files)


def has_credentials(settings: SageMakerSettings) -> bool:
    """Whether boto3 finds credentials, without asking AWS whether they are good.

    Args:
        settings: `[sagemaker]`: the profile.
    """
    import boto3
    from botocore.exceptions import BotoCoreError

    try:
        return boto3.Session(profile_name=settings.profile or None).get_credentials() is not None
    except BotoCoreError:
        return False


def _in_role(role: str) -> str:
    parts = role.split(":")
    return parts[4] if len(parts) > 5 else ""
