"""AddTags, ListTags and DeleteTags, for everything that was made here; moto answers for what was made there."""

from __future__ import annotations

from typing import Any

from intermodal.runtime.sagemaker_local.answers import page
from intermodal.runtime.sagemaker_local.operations import ToMoto, operation
from intermodal.runtime.sagemaker_local.service import Service


@operation("AddTags")
def add_tags(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Add tags to a thing."""
    _require(service, request)
    service.tags.put(request["ResourceArn"], request["Tags"])
    return {"Tags": service.tags.get(request["ResourceArn"])}


@operation("ListTags")
def list_tags(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """The tags of a thing."""
    _require(service, request)
    return page(service.tags.get(request["ResourceArn"]), request, "Tags")


@operation("DeleteTags")
def delete_tags(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Take tags away."""
    _require(service, request)
    service.tags.remove(request["ResourceArn"], request["TagKeys"])
    return {}


def _require(service: Service, request: dict[str, Any]) -> None:
    if not service.tags.knows(request["ResourceArn"]):
        raise ToMoto
