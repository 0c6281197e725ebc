"""Endpoint configurations: variants, weights and data capture under a name that never changes its meaning."""

from __future__ import annotations

from typing import Any

from intermodal.runtime.sagemaker_local.answers import now, page, present, select
from intermodal.runtime.sagemaker_local.models import find_model
from intermodal.runtime.sagemaker_local.operations import ApiError, operation
from intermodal.runtime.sagemaker_local.service import Service

KIND = "EndpointConfig"


@operation("CreateEndpointConfig")
def create_endpoint_config(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """A configuration; what AWS refuses beyond its model's limits is refused here too."""
    name = request["EndpointConfigName"]
    arn = service.arn(f"endpoint-config/{name.lower()}")
    if service.records(KIND).get(name) is not None:
        raise ApiError("ValidationException", f'Cannot create already existing endpoint configuration "{arn}".')
    _check(service, request)
    service.tags.put(arn, request.get("Tags", []))
    kept = {key: value for key, value in request.items() if key != "Tags"}
    service.records(KIND).put(name, {**kept, "EndpointConfigArn": arn, "CreationTime": now()})
    return {"EndpointConfigArn": arn}


@operation("DescribeEndpointConfig")
def describe_endpoint_config(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """A configuration."""
    return find_config(service, request["EndpointConfigName"])


@operation("ListEndpointConfigs")
def list_endpoint_configs(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Configurations, the newest first."""
    names = ("EndpointConfigName", "EndpointConfigArn", "CreationTime")
    found = [{key: item[key] for key in names} for item in service.records(KIND).all().values()]
    return page(select(found, request, "EndpointConfigName"), request, "EndpointConfigs")


@operation("DeleteEndpointConfig")
def delete_endpoint_config(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Forget a configuration."""
    found = find_config(service, request["EndpointConfigName"])
    service.records(KIND).remove(request["EndpointConfigName"])
    service.tags.forget(found["EndpointConfigArn"])
    return {}


def find_config(service: Service, name: str) -> dict[str, Any]:
    """A configuration's record.

    Raises:
        ApiError: ValidationException, there is none.
    """
    found = service.records(KIND).get(name)
    if found is None:
        arn = service.arn(f"endpoint-config/{name.lower()}")
        raise ApiError("ValidationException", f'Could not find endpoint configuration "{arn}".')
    return present(found)


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
