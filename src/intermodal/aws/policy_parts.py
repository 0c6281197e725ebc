"""Statements that both roles need: the artifact store, data outside it, keys; each bound to its prefix and account."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from intermodal.aws.actions import UNSCOPED
from intermodal.aws.client import partition_of
from intermodal.aws.policy import Conditions, Statement
from intermodal.aws.request import Place, Request
from intermodal.aws.resources import alias_of, key_arn, keys_in, outside, uris_in

STORE_ACTIONS = (
    "s3:GetObject",
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:AbortMultipartUpload",
)


def store_statements(place: Place) -> Iterator[Statement]:
    """What is done with artifacts: under the store's prefix alone, in a bucket of this account alone."""
    bucket, _, prefix = place.store.removeprefix("s3://").partition("/")
    arn = f"arn:{partition_of(place.region)}:s3:::{bucket}"
    below = f"{arn}/{prefix}/*" if prefix else f"{arn}/*"
    ours: Conditions = {"StringEquals": {"aws:ResourceAccount": [place.account]}}
    yield Statement("StoreObjects", STORE_ACTIONS, (below,), ours)
    listed: Conditions = {**ours, "StringLike": {"s3:prefix": [prefix, f"{prefix}/*"]}} if prefix else ours
    yield Statement("StoreList", ("s3:ListBucket",), (arn,), listed)


def source_statements(requests: list[Request], place: Place) -> Iterator[Statement]:
    """Reading data that requests name outside the store; a prefix is listed, everything under it read."""
    found = outside((uri for item in requests for uri in uris_in(item.parameters)), place.store)
    for bucket, prefix in found:
        arn = f"arn:{partition_of(place.region)}:s3:::{bucket}"
        yield Statement("SourceObjects", ("s3:GetObject",), (f"{arn}/{prefix}*",))
        mark = hashlib.sha256(f"{bucket}/{prefix}".encode()).hexdigest()[:8]
        limited: Conditions = {"StringLike": {"s3:prefix": [f"{prefix}*"]}} if prefix else {}
        yield Statement(f"SourceList{mark}", ("s3:ListBucket",), (arn,), limited)


def data_key_statements(requests: list[Request], place: Place) -> Iterator[Statement]:
    """Keys that encrypt what lies on S3: through S3 alone."""
    via = {"kms:ViaService": [f"s3.{place.region}.amazonaws.com"]}
    for key in dict.fromkeys(key for item in requests for use, key in keys_in(item.parameters) if use == "data"):
        yield key_statement("DataKey", ("kms:Decrypt", "kms:GenerateDataKey"), key, place, via)


def volume_keys(requests: list[Request]) -> list[str]:
    """Keys of instances' disks."""
    found = (key for item in requests for use, key in keys_in(item.parameters) if use == "volume")
    return list(dict.fromkeys(found))


def key_statement(
    sid: str, actions: tuple[str, ...], key: str, place: Place, equal: dict[str, list[str]] | None = None
) -> Statement:
    """Leave to use one key, under one name of its own.

    Args:
        sid: What it is for.
        actions: KMS actions.
        key: Its ARN, id or alias.
        place: The account's places.
        equal: Further conditions, each an equality of texts.
    """
    alias = alias_of(key)
    made: Conditions = {}
    if equal:
        made["StringEquals"] = dict(equal)
    if alias:
        made["ForAnyValue:StringEquals"] = {"kms:ResourceAliases": [alias]}
    mark = hashlib.sha256(key.encode()).hexdigest()[:8]
    return Statement(f"{sid}{mark}", actions, (key_arn(key, place),), made)


def sorted_out(sid: str, actions: list[str], resources: tuple[str, ...], place: Place) -> Iterator[Statement]:
    """Actions on their resources; those that know none apart, and in this region alone.

    Args:
        sid: What the statement is for.
        actions: IAM actions of both sorts.
        resources: ARNs for those that know resources.
        place: The account's places.
    """
    scoped = tuple(item for item in actions if item not in UNSCOPED)
    yield Statement(sid, scoped, resources)
    here: Conditions = {"StringEquals": {"aws:RequestedRegion": [place.region]}}
    yield Statement("WhatKnowsNoResources", tuple(item for item in actions if item in UNSCOPED), ("*",), here)
