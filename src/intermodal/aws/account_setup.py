"""What SageMaker needs in an account, as requests: a private bucket for artifacts, and a role for jobs.

Each part is looked at first and changed only when it is not as it must be, so that doing it twice is doing
it once. What somebody else has put into the bucket's policy and lifecycle stays.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from intermodal.aws.client import partition_of
from intermodal.aws.execution_policy import general_execution_policy, trust_policy
from intermodal.aws.request import Place, Request
from intermodal.aws.sending import send
from intermodal.aws.settings import SageMakerSettings
from intermodal.aws.tags import MANAGED

MADE, CHANGED, THERE = "made", "changed", "there"
POLICY_NAME = "intermodal-execution"
_TLS = "IntermodalTlsOnly"
_LEFTOVERS, _UPLOADS = "intermodal-job-leftovers", "intermodal-unfinished-uploads"
_LEFTOVER_DAYS, _UPLOAD_DAYS = 90, 7
_BLOCKED = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")

Answer = dict[str, Any] | None
Change = Callable[[Answer], dict[str, Any] | None]  # what to write; None when what is there is right


@dataclass(frozen=True)
class Part:
    """One thing that must be there, and be right.

    Attributes:
        name: What it is, in words.
        look: The request that looks at it.
        absent: Error codes that say it is not there.
        wanted: From the answer (None when it is not there) to the requests that set it right.
    """

    name: str
    look: Request
    absent: tuple[str, ...]
    wanted: Callable[[Answer], list[Request]]


@dataclass(frozen=True)
class Done:
    """What became of a part.

    Attributes:
        name: What it is, in words.
        state: "made", "changed", or "there" when nothing had to be done.
        operations: What was sent.
    """

    name: str
    state: str
    operations: tuple[str, ...] = ()


def account_parts(place: Place, *, tls: bool = True) -> list[Part]:
    """Everything that `intermodal aws init` sees to, in order: the bucket, then the role.

    Args:
        place: The account's places: the bucket is the store's, the role the one that is named.
        tls: As for `bucket_parts`.
    """
    return [*bucket_parts(place, tls=tls), *_role(place)]


def has_tls() -> bool:
    """Whether S3 is reached through TLS; a local service mostly is not."""
    address = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    return not address.startswith("http://")


def bucket_parts(place: Place, *, tls: bool = True) -> list[Part]:
    """The store's bucket with its settings.

    Args:
        place: The account's places.
        tls: Whether S3 is reached through TLS; a local one is not, and would rightly refuse us ever after.
    """
    bucket, _, prefix = place.store.removeprefix("s3://").partition("/")
    jobs = f"{prefix}/jobs/" if prefix else "jobs/"
    settings: tuple[tuple[str, str, str, Change], ...] = (
        ("no public access", "PublicAccessBlock", "NoSuchPublicAccessBlockConfiguration", _private),
        ("encryption", "BucketEncryption", "ServerSideEncryptionConfigurationNotFoundError", _encrypted),
        *([("TLS only", "BucketPolicy", "NoSuchBucketPolicy", _tls_only(bucket, place))] if tls else []),
        ("lifecycle", "BucketLifecycleConfiguration", "NoSuchLifecycleConfiguration", _lifecycle(jobs)),
    )
    return [_bucket(bucket, place), *(_setting(bucket, place, *item) for item in settings)]


def bring_about(part: Part, settings: SageMakerSettings) -> Done:
    """Look at a part, and set it right.

    Args:
        part: What must be there.
        settings: `[sagemaker]`: region, profile, patience.

    Raises:
        RuntimeFailed: AWS refused, or did not answer.
    """
    found = send(part.look, settings, accept=part.absent)
    wanted = part.wanted(found)
    for request in wanted:
        send(request, settings)
    state = THERE if not wanted else MADE if found is None else CHANGED
    return Done(part.name, state, tuple(f"{item.service}:{item.operation}" for item in wanted))


def all_requests(place: Place) -> list[Request]:
    """Every request that an empty account would be sent; nothing is asked.

    Args:
        place: The account's places.
    """
    return [request for part in account_parts(place) for request in part.wanted(None)]


def _bucket(bucket: str, place: Place) -> Part:
    look = Request(
        "s3", "ListObjectsV2", {"Bucket": bucket, "MaxKeys": 1, "ExpectedBucketOwner": place.account, "Prefix": "x"}
    )
    elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": place.region}}
    made = {"Bucket": bucket, **({} if place.region == "us-east-1" else elsewhere)}
    absent = ("NoSuchBucket", "404", "NotFound")
    return Part(f"bucket {bucket}", look, absent, lambda found: [] if found else [Request("s3", "CreateBucket", made)])


def _setting(bucket: str, place: Place, name: str, member: str, absent: str, change: Change) -> Part:
    """A setting of the bucket, which is read and written under one name."""
    named = {"Bucket": bucket, "ExpectedBucketOwner": place.account}

    def requests(found: Answer) -> list[Request]:
        made = change(found)
        return [] if made is None else [Request("s3", f"Put{member}", {**named, **made})]

    return Part(f"{name} of {bucket}", Request("s3", f"Get{member}", dict(named)), (absent,), requests)


def _private(found: Answer) -> dict[str, Any] | None:
    wanted = dict.fromkeys(_BLOCKED, True)
    right = (found or {}).get("PublicAccessBlockConfiguration") == wanted
    return None if right else {"PublicAccessBlockConfiguration": wanted}


def _encrypted(found: Answer) -> dict[str, Any] | None:
    """Any encryption by default will do; S3's own keys where there is none."""
    rules = (found or {}).get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
    if any(rule.get("ApplyServerSideEncryptionByDefault") for rule in rules):
        return None
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    return {"ServerSideEncryptionConfiguration": {"Rules": [rule]}}


def _tls_only(bucket: str, place: Place) -> Change:
    arn = f"arn:{partition_of(place.region)}:s3:::{bucket}"
    own = {
        "Sid": _TLS,
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",  # a denial of everything that does not come through TLS
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }

    def wanted(found: Answer) -> dict[str, Any] | None:
        policy = json.loads((found or {}).get("Policy") or '{"Version": "2012-10-17", "Statement": []}')
        others = [item for item in policy["Statement"] if item.get("Sid") != _TLS]
        if own in policy["Statement"]:
            return None
        return {"Policy": json.dumps({**policy, "Statement": [*others, own]}, sort_keys=True)}

    return wanted


def _lifecycle(jobs: str) -> Change:
    own: list[dict[str, Any]] = [
        {
            "ID": _LEFTOVERS,
            "Status": "Enabled",
            "Filter": {"Prefix": jobs},
            "Expiration": {"Days": _LEFTOVER_DAYS},
        },
        {
            "ID": _UPLOADS,
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": _UPLOAD_DAYS},
        },
    ]

    def wanted(found: Answer) -> dict[str, Any] | None:
        rules = (found or {}).get("Rules", [])
        known = {rule.get("ID"): rule for rule in rules}
        if all(_same_rule(known.get(rule["ID"]), rule) for rule in own):
            return None
        others = [rule for rule in rules if rule.get("ID") not in (_LEFTOVERS, _UPLOADS)]
        return {"LifecycleConfiguration": {"Rules": [*others, *own]}}

    return wanted


def _same_rule(found: dict[str, Any] | None, own: dict[str, Any]) -> bool:
    """Whether a rule says the same; AWS leaves an empty prefix out, or adds members of its own."""
    if found is None or found.get("Status") != own["Status"]:
        return False
    days = [found.get(name) == own[name] for name in ("Expiration", "AbortIncompleteMultipartUpload") if name in own]
    prefix = found.get("Filter", {}).get("Prefix", found.get("Prefix", ""))
    return all(days) and (prefix or "") == own["Filter"]["Prefix"]


def _role(place: Place) -> list[Part]:
    """The execution role with its trust and its one policy; a role of somebody else's keeps its trust."""
    name = place.role.rpartition("/")[2]
    trust = json.dumps(trust_policy(place), sort_keys=True)
    policy = json.dumps(general_execution_policy(place).to_json(), sort_keys=True)
    tags = [{"Key": MANAGED, "Value": "1"}]
    made = {"RoleName": name, "AssumeRolePolicyDocument": trust, "Tags": tags, "Description": "made by intermodal"}
    put = {"RoleName": name, "PolicyName": POLICY_NAME, "PolicyDocument": policy}

    def role(found: Answer) -> list[Request]:
        if found is None:
            return [Request("iam", "CreateRole", made)]
        ours = any(tag["Key"] == MANAGED for tag in found["Role"].get("Tags", []))
        same = found["Role"].get("AssumeRolePolicyDocument") == json.loads(trust)
        update = {"RoleName": name, "PolicyDocument": trust}
        return [] if same or not ours else [Request("iam", "UpdateAssumeRolePolicy", update)]

    def document(found: Answer) -> list[Request]:
        same = found is not None and found.get("PolicyDocument") == json.loads(policy)
        return [] if same else [Request("iam", "PutRolePolicy", put)]

    absent = ("NoSuchEntity", "NoSuchEntityException")
    named = {"RoleName": name}
    return [
        Part(f"role {name}", Request("iam", "GetRole", named), absent, role),
        Part(
            f"policy of {name}", Request("iam", "GetRolePolicy", {**named, "PolicyName": POLICY_NAME}), absent, document
        ),
    ]
