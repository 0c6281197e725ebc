"""Endpoint configurations: variants, weights and data capture under a name that never changes its meaning."""

from __future__ import annotations

from typing import Any

from intermodal.runtime.sagemaker_local.models import find_model
from intermodal.runtime.sagemaker_local.named_resources import NamedResource
from intermodal.runtime.sagemaker_local.operations import ApiError
from intermodal.runtime.sagemaker_local.service import Service


def find_config(service: Service, name: str) -> dict[str, Any]:
    """A configuration's record.

    Raises:
        ApiError: ValidationException, there is none.
    """
    return _CONFIGS.find(service, name)


def _check(service: Service, request: dict[str, Any]) -> None:
    production, shadows = request["ProductionVariants"], request.get("ShadowProductionVariants", [])
    names = [item["VariantName"] for item in (*production, *shadows)]
    if len(set(names)) < len(names):
        raise ApiError("ValidationException", f"Variant names must be unique: {', '.join(names)}")
    if shadows and (len(production) > 1 or len(shadows) > 1):
        raise ApiError(
            "ValidationException",
            "If ShadowProductionVariants is used, only one variant in ProductionVariants and one in "
            "ShadowProductionVariants are allowed.",
        )
    if request.get("AsyncInferenceConfig"):
        raise ApiError("ValidationException", "Asynchronous inference is not run on this machine")
    for variant in (*production, *shadows):
        _check_variant(service, request, variant)


def _check_variant(service: Service, request: dict[str, Any], variant: dict[str, Any]) -> None:
    name = variant["VariantName"]
    if "ModelName" not in variant:
        raise ApiError("ValidationException", f"Variant {name} has no ModelName; inference components are not run here")
    model = find_model(service, variant["ModelName"])
    serverless = "ServerlessConfig" in variant
    if serverless == ("InstanceType" in variant):
        raise ApiError("ValidationException", f"Variant {name} needs either InstanceType or ServerlessConfig")
    if serverless and (request.get("ShadowProductionVariants") or request.get("DataCaptureConfig")):
        raise ApiError("ValidationException", "Serverless endpoints take no shadow variants and no data capture.")
    if serverless and "ModelDataSource" in model.get("PrimaryContainer", {}):
        raise ApiError("ValidationException", "Serverless endpoints take no ModelDataSource; use ModelDataUrl.")


_CONFIGS = NamedResource("EndpointConfig", "endpoint-config", "endpoint configuration", _check)
_CONFIGS.register()
