"""Models: what is served, as endpoints and transform jobs name it."""

from __future__ import annotations

from typing import Any

from intermodal.runtime.sagemaker_local.named_resources import NamedResource
from intermodal.runtime.sagemaker_local.operations import ApiError
from intermodal.runtime.sagemaker_local.service import Service


def find_model(service: Service, name: str) -> dict[str, Any]:
    """A model's record.

    Raises:
        ApiError: ValidationException, there is none.
    """
    return _MODELS.find(service, name)


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


def _check(service: Service, request: dict[str, Any]) -> None:
    service.executor.require(primary_container(request)["Image"])


_MODELS = NamedResource("Model", "model", "model", _check)
_MODELS.register()
