"""Whether an account is ready for a run: each thing looked at, what was found, and what to type next."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from intermodal.aws.calls import Calls, Refused
from intermodal.aws.client import is_local, place_in, region_of
from intermodal.aws.finding import OK, UNKNOWN, WARNING, WRONG, Finding
from intermodal.aws.needs import Needed, image_findings, quota_findings
from intermodal.aws.request import Place
from intermodal.aws.settings import SageMakerSettings
from intermodal.errors import IntermodalError

_PATIENCE = 3.0  # seconds for each service: a doctor does not wait for minutes
_SKEW = 240.0  # seconds; AWS refuses signatures that are five minutes off
_INIT = "intermodal aws init"
_BROAD = ("AdministratorAccess", "AmazonSageMakerFullAccess", "IAMFullAccess", "AmazonS3FullAccess", "PowerUserAccess")


@dataclass(frozen=True)
class Caller:
    """Who we are, as AWS sees it.

    Attributes:
        account: Twelve digits.
        arn: User or role.
        ahead: Seconds by which this machine's clock is ahead of AWS's.
    """

    account: str
    arn: str
    ahead: float


def diagnose(settings: SageMakerSettings, needed: Needed | None = None) -> list[Finding]:
    """Look at everything that a run on SageMaker needs.

    Args:
        settings: `[sagemaker]`.
        needed: What a pipeline needs beside; see `needs`.

    Returns:
        One finding a thing, in the order in which they should be mended.
    """
    quick = replace(settings, patience=min(settings.patience, _PATIENCE))
    caller, first = _caller(quick)
    if caller is None:
        return first
    place = place_in(quick, caller.account)
    found = [*first, _clock(caller), _region(quick)]
    for look in (_bucket, _role, _passing, _service):
        found += _told(look, quick, place, caller)
    found += _told(lambda *_: quota_findings(needed, quick), quick, place, caller) if needed else []
    found += _told(lambda *_: image_findings(needed, quick), quick, place, caller) if needed else []
    return found


Look = Callable[[SageMakerSettings, Place, Caller], Iterator[Finding]]


def _told(look: Look, settings: SageMakerSettings, place: Place, caller: Caller) -> list[Finding]:
    """The findings of one look; what may not be asked, or is not there, is a finding too."""
    found: list[Finding] = []
    name = getattr(look, "__name__", "").strip("_").replace("<lambda>", "what the pipeline needs")
    try:
        for item in look(settings, place, caller):
            found.append(item)
    except IntermodalError as error:
        found.append(Finding(name, UNKNOWN, f"{error.headline}: {error.seen}"[:300], error.next_step))
    return found


def _caller(settings: SageMakerSettings) -> tuple[Caller | None, list[Finding]]:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    # A client of its own that asks once: whoever is without a network wants to hear that at once.
    once = Config(connect_timeout=_PATIENCE, read_timeout=_PATIENCE, retries={"total_max_attempts": 1})
    try:
        session = boto3.Session(profile_name=settings.profile or None, region_name=region_of(settings))
        answer = session.client("sts", config=once).get_caller_identity()
    except (BotoCoreError, ClientError, IntermodalError, ValueError) as error:
        kind = type(error).__name__
        absent = "Credential" in kind or "Token" in kind or "Profile" in str(error)
        get = "aws configure, aws sso login, or set AWS_PROFILE" if absent else "check the network, AWS_ENDPOINT_URL"
        if "Invalid endpoint" in str(error):  # a ValueError of botocore's, which has no class of its own for it
            get = "export AWS_ENDPOINT_URL=http://127.0.0.1:4566, say: an address begins with http:// or https://"
        return None, [Finding("credentials", WRONG, f"{kind}: {error}"[:300], get)]
    told = answer["ResponseMetadata"].get("HTTPHeaders", {}).get("date", "")
    ahead = (datetime.now(UTC) - parsedate_to_datetime(told)).total_seconds() if told else 0.0
    caller = Caller(str(answer["Account"]), str(answer["Arn"]), ahead)
    root = caller.arn.endswith(":root")
    detail = f"account {caller.account}, {caller.arn}" + (", the account's root" if root else "")
    get = "use a role: intermodal aws iam-policy PIPELINE --submitter writes its policy" if root else ""
    local = " (not AWS's own: AWS_ENDPOINT_URL)" if is_local(settings) else ""
    return caller, [Finding("credentials", WARNING if get and not local else OK, detail + local, "" if local else get)]


def _clock(caller: Caller) -> Finding:
    if abs(caller.ahead) > _SKEW:
        way = "ahead of" if caller.ahead > 0 else "behind"
        return Finding("clock", WRONG, f"{abs(caller.ahead):.0f} s {way} AWS's", "timedatectl set-ntp true")
    return Finding("clock", OK, f"within {max(abs(caller.ahead), 1):.0f} s of AWS's")


def _region(settings: SageMakerSettings) -> Finding:
    return Finding("region", OK, region_of(settings))


def _bucket(settings: SageMakerSettings, place: Place, caller: Caller) -> Iterator[Finding]:
    """The store's bucket: there, ours, encrypted, closed to the public."""
    bucket, _, prefix = place.store.removeprefix("s3://").partition("/")
    calls, named = Calls("s3", settings), {"Bucket": bucket, "ExpectedBucketOwner": caller.account}
    try:
        calls("ListObjectsV2", **named, Prefix=prefix, MaxKeys=1)
    except Refused as refused:
        absent = refused.code in ("NoSuchBucket", "404", "NotFound")
        detail = f"{bucket} is not there" if absent else f"{bucket}: {refused.seen}"
        yield Finding("bucket", WRONG, detail, _INIT if absent else "name another: [sagemaker] bucket")
        return
    yield Finding("bucket", OK, f"{bucket}, of account {caller.account}")
    yield _setting(calls, named, "encryption", "GetBucketEncryption", "it is encrypted by default")
    answer = _asked(calls, "GetPublicAccessBlock", named)
    blocks = (answer or {}).get("PublicAccessBlockConfiguration", {})
    closed = bool(blocks) and all(blocks.values())
    detail = "closed to the public" if closed else f"{bucket} may be made public"
    yield Finding("public access", OK if closed else WARNING, detail, "" if closed else _INIT)


def _setting(calls: Calls, named: dict[str, str], name: str, operation: str, well: str) -> Finding:
    found = _asked(calls, operation, named)
    return Finding(name, OK, well) if found else Finding(name, WARNING, f"the bucket has no {name} of its own", _INIT)


def _asked(calls: Calls, operation: str, parameters: dict[str, Any]) -> dict[str, Any] | None:
    """The answer; None when the service says that there is none. Whether it may be asked is another matter."""
    try:
        return calls(operation, **parameters)
    except Refused as refused:
        if "AccessDenied" in refused.code or "Unauthorized" in refused.code:
            raise
        return None


def _role(settings: SageMakerSettings, place: Place, caller: Caller) -> Iterator[Finding]:
    """The execution role: there, SageMaker may take it, and it may do no more than it must."""
    name = place.role.rpartition("/")[2]
    calls = Calls("iam", settings)
    found = _asked(calls, "GetRole", {"RoleName": name})
    if found is None:
        yield Finding("role", WRONG, f"{name} is not there", f"{_INIT}; or name another: [sagemaker] role")
        return
    trusted = "sagemaker.amazonaws.com" in json.dumps(found["Role"].get("AssumeRolePolicyDocument", {}))
    get = "" if trusted else _INIT
    detail = place.role if trusted else f"{name} does not trust sagemaker.amazonaws.com"
    yield Finding("role", OK if trusted else WRONG, detail, get)
    names = [item["PolicyName"] for item in calls.pages("ListAttachedRolePolicies", "AttachedPolicies", RoleName=name)]
    inline = list(calls.pages("ListRolePolicies", "PolicyNames", RoleName=name))
    broad = [item for item in names if item in _BROAD]
    if broad:
        detail = f"{name} has {', '.join(broad)}: far more than a job needs"
        yield Finding("role's policies", WARNING, detail, f"{_INIT}; then aws iam detach-role-policy")
    elif not (names or inline):
        yield Finding("role's policies", WRONG, f"{name} may do nothing", _INIT)
    else:
        yield Finding("role's policies", OK, ", ".join([*inline, *names]))


def _passing(settings: SageMakerSettings, place: Place, caller: Caller) -> Iterator[Finding]:
    """Whether we may hand that role to SageMaker; IAM itself is asked what it would decide."""
    context = [
        {
            "ContextKeyName": "iam:PassedToService",
            "ContextKeyValues": ["sagemaker.amazonaws.com"],
            "ContextKeyType": "string",
        }
    ]
    asked = {
        "PolicySourceArn": _principal(caller.arn),
        "ActionNames": ["iam:PassRole"],
        "ResourceArns": [place.role],
        "ContextEntries": context,
    }
    if caller.arn.endswith(":root"):
        yield Finding("iam:PassRole", OK, "the account's root may do everything")
        return
    try:
        answer = Calls("iam", settings)("SimulatePrincipalPolicy", **asked)
    except IntermodalError as error:
        yield Finding("iam:PassRole", UNKNOWN, f"IAM did not say: {error.seen or error.headline}"[:200])
        return
    decisions = [str(item["EvalDecision"]) for item in answer.get("EvaluationResults", [])]
    allowed = decisions == ["allowed"]
    detail = f"{place.role.rpartition('/')[2]} to SageMaker: {', '.join(decisions) or 'no answer'}"
    get = "" if allowed else "intermodal aws iam-policy PIPELINE --submitter writes the policy that is missing"
    yield Finding("iam:PassRole", OK if allowed else WRONG, detail, get)


def _principal(arn: str) -> str:
    """The role behind a session, for IAM knows no sessions."""
    if ":assumed-role/" not in arn:
        return arn
    head, _, rest = arn.partition(":assumed-role/")
    return f"{head.replace(':sts:', ':iam:')}:role/{rest.split('/')[0]}"


def _service(settings: SageMakerSettings, place: Place, caller: Caller) -> Iterator[Finding]:
    """Whether SageMaker answers at all; being refused is an answer."""
    try:
        Calls("sagemaker", settings)("DescribeTrainingJob", TrainingJobName="intermodal-doctor-asks")
    except Refused as refused:
        denied = "AccessDenied" in refused.code and "is not authorized" in refused.seen
        detail = "it answers, and would not let us look at this name" if denied else "it answers"
        yield Finding("SageMaker", OK, f"{detail} in {place.region}")
        return
    yield Finding("SageMaker", OK, f"it answers in {place.region}")


__all__ = ["OK", "UNKNOWN", "WARNING", "WRONG", "Caller", "Finding", "diagnose"]
