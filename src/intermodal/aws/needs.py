"""What a pipeline needs of an account beyond bucket and role: leave for its instances, and images that are there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from intermodal.aws.calls import Calls, Refused
from intermodal.aws.charges import charges_of
from intermodal.aws.client import is_local
from intermodal.aws.finding import OK, UNKNOWN, WARNING, WRONG, Finding
from intermodal.aws.request import Request
from intermodal.aws.resources import images_in
from intermodal.aws.settings import SageMakerSettings
from intermodal.errors import IntermodalError

_QUOTA_WORDS = {
    "training": "training job usage",
    "processing": "processing job usage",
    "transform": "transform job usage",
    "hosting": "endpoint usage",
}
_IMAGE = re.compile(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/([^:@]+)(?:@(sha256:\w+)|:([^@]+))?")


@dataclass(frozen=True)
class Needed:
    """What a pipeline needs.

    Attributes:
        instances: (kind of price, instance type) → most that one job takes.
        spot: Instance types that training jobs take from spare capacity.
        images: Image references.
    """

    instances: dict[tuple[str, str], int]
    spot: frozenset[str]
    images: tuple[str, ...]


def needed_by(requests: list[Request]) -> Needed:
    """What requests need.

    Args:
        requests: Everything that a pipeline sends.
    """
    instances: dict[tuple[str, str], int] = {}
    spot = set()
    for request in requests:
        for charge in charges_of(request):
            key = (charge.kind, charge.instance_type)
            instances[key] = max(instances.get(key, 0), charge.instances)
            if request.parameters.get("EnableManagedSpotTraining"):
                spot.add(charge.instance_type)
    images = sorted({image for request in requests for image in images_in(request.parameters)})
    return Needed(instances, frozenset(spot), tuple(images))


def quota_findings(needed: Needed, settings: SageMakerSettings) -> Iterator[Finding]:
    """Whether the account may have the instances; new accounts may have none of many types.

    Args:
        needed: What a pipeline needs.
        settings: `[sagemaker]`.
    """
    try:
        listed = list(Calls("service-quotas", settings).pages("ListServiceQuotas", "Quotas", ServiceCode="sagemaker"))
    except IntermodalError as error:
        yield Finding("quotas", UNKNOWN, f"Service Quotas did not say: {error.seen}"[:200])
        return
    quotas = {str(item.get("QuotaName", "")): item for item in listed}
    for (kind, name), count in sorted(needed.instances.items()):
        words = _QUOTA_WORDS[kind]
        words = words.replace("training", "spot training") if kind == "training" and name in needed.spot else words
        yield _quota(f"{name} for {words}", count, quotas)


def _quota(name: str, count: int, quotas: dict[str, dict[str, Any]]) -> Finding:
    found = quotas.get(name)
    if found is None:
        return Finding("quota", UNKNOWN, f"{name}: Service Quotas does not list it")
    value = float(found.get("Value", 0.0))
    if value >= count:
        return Finding("quota", OK, f"{name}: {value:g}, {count} needed")
    ask = "aws service-quotas request-service-quota-increase --service-code sagemaker"
    ask += f" --quota-code {found.get('QuotaCode', '…')} --desired-value {count}"
    return Finding("quota", WRONG, f"{name}: {value:g}, {count} needed", ask)


def image_findings(needed: Needed, settings: SageMakerSettings) -> Iterator[Finding]:
    """Whether the images are where SageMaker can pull them.

    Args:
        needed: What a pipeline needs.
        settings: `[sagemaker]`.

    Raises:
        RuntimeFailed: ECR did not answer.
    """
    for image in needed.images:
        match = _IMAGE.match(image)
        if match is None:
            yield _outside(image, settings)
            continue
        account, _, repository, digest, tag = match.groups()
        asked = {"imageDigest": digest} if digest else {"imageTag": tag or "latest"}
        try:
            Calls("ecr", settings)("DescribeImages", registryId=account, repositoryName=repository, imageIds=[asked])
        except Refused as refused:
            absent = refused.code in ("ImageNotFoundException", "RepositoryNotFoundException")
            detail = f"{image} is not there" if absent else f"{image}: {refused.seen}"[:300]
            get = "intermodal images push" if absent else ""
            yield Finding("image", WRONG if absent else UNKNOWN, detail, get)
            continue
        yield Finding("image", OK if digest else WARNING, image if digest else f"{image} is named by a tag")


def _outside(image: str, settings: SageMakerSettings) -> Finding:
    if is_local(settings):
        return Finding("image", OK, f"{image}, which is for a local SageMaker")
    get = "intermodal images push --registry ACCOUNT.dkr.ecr.REGION.amazonaws.com puts it there"
    return Finding("image", WRONG, f"{image} is not in ECR, from which alone SageMaker pulls", get)
