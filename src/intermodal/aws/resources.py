"""ARNs of what requests name: jobs by the names they may get, the store by its prefix, keys, images, roles."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from intermodal.aws.actions import NOUNS, noun_of
from intermodal.aws.client import partition_of
from intermodal.aws.job_environment import STORE_KEY_VARIABLE
from intermodal.aws.names import job_name
from intermodal.aws.request import Place, Request
from intermodal.core.nested import members

_DIGEST = re.compile(r"-[0-9a-f]{12}(-\d+)?$")
_ECR = re.compile(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/([^:@]+)")
_S3 = re.compile(r"s3://[a-z0-9.-]+[^\s\"',\\]*")
# What an operation works on beside the thing it is named after, and below which path.
_NAMED_BY = {
    "Endpoint": (("Endpoint", ""), ("EndpointConfig", "")),
    "ModelPackage": (("ModelPackage", "/*"), ("ModelPackageGroup", "")),
    "Pipeline": (("Pipeline", ""), ("Pipeline", "/*")),
}
_NAME_OF = {"ModelPackage": "ModelPackageGroup"}  # a version has no name of its own
_KEY_MEMBERS = {"VolumeKmsKeyId": "volume", "KmsKeyId": "data", "KmsKey": "data", STORE_KEY_VARIABLE: "data"}


def arn(place: Place, service: str, rest: str) -> str:
    """An ARN in the place's account and region.

    Args:
        place: The account's places.
        service: Such as "sagemaker".
        rest: Such as "training-job/name".
    """
    return f"arn:{partition_of(place.region)}:{service}:{place.region}:{place.account}:{rest}"


def sagemaker_arns(request: Request, place: Place, pipeline: str) -> list[str]:
    """What a SageMaker request makes or works on, under every name that later runs of the pipeline may give it.

    Args:
        request: The request.
        place: The account's places.
        pipeline: The pipeline's name, with which names begin.

    Returns:
        ARNs in which the digest at a name's end is open; SageMaker writes names in lower case into its ARNs.
    """
    noun = noun_of(request.operation)
    found = [
        arn(place, "sagemaker", f"{NOUNS[other]}/{text}{below}")
        for other, below in _NAMED_BY.get(noun, ((noun, ""),))
        if other and request.parameters.get(f"{_NAME_OF.get(other, other)}Name")
        for text in _names(str(request.parameters[f"{_NAME_OF.get(other, other)}Name"]), pipeline)
    ]
    return list(dict.fromkeys(found))


def _names(name: str, pipeline: str) -> list[str]:
    pattern = name_pattern(name.rpartition("/")[2], pipeline)
    return list(dict.fromkeys((pattern, pattern.lower())))


def name_pattern(name: str, pipeline: str) -> str:
    """The names that the same thing may have in later runs: the digest at the end is open, the beginning is not.

    Args:
        name: As it was rendered.
        pipeline: The pipeline's name.
    """
    begin = job_name([pipeline], "").rstrip("-") + "-"
    if begin != "-" and name.startswith(begin) and _DIGEST.search(name):
        return f"{begin}*"
    return _DIGEST.sub("-*", name)


def uris_in(value: Any) -> Iterator[str]:
    """Every s3:// URI in a request, in texts of any depth."""
    if isinstance(value, dict):
        for item in value.values():
            yield from uris_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from uris_in(item)
    elif isinstance(value, str) and "s3://" in value:
        yield from (uri.rstrip("/.,;)}]") for uri in _S3.findall(value))


def outside(uris: Iterable[str], store: str) -> list[tuple[str, str]]:
    """(bucket, prefix) of what lies outside the store, each once; a glob counts up to its first star."""
    found = []
    for uri in sorted(set(uris)):
        if uri == store or uri.startswith(f"{store}/"):
            continue
        bucket, _, key = re.split(r"[*?\[]", uri, maxsplit=1)[0].removeprefix("s3://").partition("/")
        found.append((bucket, key))
    return list(dict.fromkeys(found))


def repositories(requests: Iterable[Request], place: Place) -> list[str]:
    """ARNs of the ECR repositories whose images jobs are given."""
    found = []
    for image in sorted({image for item in requests for image in images_in(item.parameters)}):
        match = _ECR.match(image)
        if match:
            account, region, name = match.groups()
            found.append(f"arn:{partition_of(place.region)}:ecr:{region}:{account}:repository/{name}")
    return list(dict.fromkeys(found))


def images_in(value: Any) -> Iterator[str]:
    """Image references in a request."""
    for key, item in members(value):
        if key in ("TrainingImage", "ImageUri", "Image") and isinstance(item, str):
            yield item


def keys_in(value: Any) -> Iterator[tuple[str, str]]:
    """(use, key) of every key that a request names: "volume" for instances' disks, "data" for what lies on S3."""
    for name, item in members(value):
        if name in _KEY_MEMBERS and isinstance(item, str) and item:
            yield _KEY_MEMBERS[name], item


def has_vpc(value: Any) -> bool:
    """Whether a request puts anything into a VPC."""
    return any(name == "VpcConfig" and item for name, item in members(value))


def key_arn(key: str, place: Place) -> str:
    """The ARN of a key that is named by ARN or id; of an alias, every key of the account, see `alias_of`."""
    if key.startswith("arn:"):
        return key if ":key/" in key else arn(place, "kms", "key/*")
    return arn(place, "kms", "key/*") if key.startswith("alias/") else arn(place, "kms", f"key/{key}")


def alias_of(key: str) -> str:
    """The alias by which a key is named; empty when it is named otherwise."""
    text = key.rpartition(":")[2] if key.startswith("arn:") else key
    return text if text.startswith("alias/") else ""
