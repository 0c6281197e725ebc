"""Models: what is served, as endpoints and transform jobs name it."""

from __future__ import annotations

from typing import Any

from intermodal.runtime.sagemaker_local.answers import now, page, present, select
from intermodal.runtime.sagemaker_local.operations import ApiError, operation
from intermodal.runtime.sagemaker_local.service import Service

KIND = "Model"


@operation("CreateModel")
def create_model(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """A container definition under a name; its image must be one that runs here."""
    name = request["ModelName"]
    arn = service.arn(f"model/{name.lower()}")
    if service.records(KIND).get(name) is not None:
        raise ApiError("ValidationException", f'Cannot create already existing model "{arn}".')
    container = primary_container(request)
    service.executor.require(container["Image"])
    service.tags.put(arn, request.get("Tags", []))
    kept = {key: value for key, value in request.items() if key != "Tags"}
    service.records(KIND).put(name, {**kept, "ModelArn": arn, "CreationTime": now()})
    return {"ModelArn": arn}


@operation("DescribeModel")
def describe_model(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """A model."""
    return find_model(service, request["ModelName"])


@operation("ListModels")
def list_models(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Models, the newest first."""
    names = ("ModelName", "ModelArn", "CreationTime")
    found = [{key: item[key] for key in names} for item in service.records(KIND).all().values()]
    return page(select(found, request, "ModelName"), request, "Models")


@operation("DeleteModel")
def delete_model(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Forget a model; endpoints that serve it go on."""
    found = find_model(service, request["ModelName"])
    service.records(KIND).remove(request["ModelName"])
    service.tags.forget(found["ModelArn"])
    return {}


def find_model(service: Service, name: str) -> dict[str, Any]:
    """A model's record.

    Raises:
        ApiError: ValidationException, there is none.
    """
    found = service.records(KIND).get(name)
    if found is None:
        raise ApiError("ValidationException", f'Could not find model "{service.arn(f"model/{name.lower()}")}".')
    return present(found)


def primary_container(model: dict[str, Any]) -> dict[str, Any]:
    """The one container that answers.

    Raises:
        ApiError: ValidationException, there is none, or it has no image; or there are several, which are not
            run here.
    """
    containers = [item for item in (model.get("PrimaryContainer"), *model.get("Containers", [])) if item]
    if not containers:
        raise ApiError("ValidationException", "Request has no containers: PrimaryContainer is missing")
    if len(containers) > 1:
        raise ApiError("ValidationException", "Models of several containers are not run on this machine")
    if "Image" not in containers[0]:
        raise ApiError("ValidationException", "The primary container has no Image; model packages are not run here")
    return dict(containers[0])
