"""Deleting an endpoint with everything that was made for it, found by tag, and nothing that others use."""

from __future__ import annotations

from typing import Any

from intermodal.aws.calls import Calls
from intermodal.aws.endpoint_life import Endpoints
from intermodal.aws.endpoints import ENDPOINT_TAG, scaling_target
from intermodal.aws.tags import MANAGED


def delete_endpoint(endpoints: Endpoints, name: str) -> list[str]:
    """Delete an endpoint, its scaling targets, and every configuration and model of it that is ours.

    Configurations that updates left behind go too. A model that another endpoint names stays.

    Args:
        endpoints: SageMaker's endpoints.
        name: The endpoint's name; one that is gone may have left things behind.

    Returns:
        What was deleted, in words.

    Raises:
        RuntimeFailed: AWS refused, or did not answer.
    """
    found = endpoints.find(name)
    configs = _configs(endpoints, name, str((found or {}).get("EndpointConfigName", "")))
    variants = [item for config in configs for item in _variants(config)]
    done = [f"scaling target of {item}" for item in _unscale(endpoints, name, variants)]
    if found is not None:
        endpoints.remove("DeleteEndpoint", EndpointName=name)
        endpoints.wait_gone(name)
        done.append(f"endpoint {name}")
    for config in configs:
        endpoints.remove("DeleteEndpointConfig", EndpointConfigName=config["EndpointConfigName"])
        done.append(f"endpoint configuration {config['EndpointConfigName']}")
    return done + [f"model {item}" for item in _drop_models(endpoints, variants)]


def _configs(endpoints: Endpoints, name: str, current: str) -> list[dict[str, Any]]:
    """Configurations of ours that were made for the endpoint."""
    listed = endpoints.calls.pages("ListEndpointConfigs", "EndpointConfigs", NameContains=name[:40])
    names = dict.fromkeys([*([current] if current else []), *(item["EndpointConfigName"] for item in listed)])
    described = [endpoints.found("DescribeEndpointConfig", EndpointConfigName=item) for item in names]
    return [item for item in described if item and _made_for(endpoints, item["EndpointConfigArn"], name)]


def _made_for(endpoints: Endpoints, arn: str, name: str) -> bool:
    tags = endpoints.tags(arn)
    return MANAGED in tags and tags.get(ENDPOINT_TAG) == name


def _unscale(endpoints: Endpoints, name: str, variants: list[dict[str, Any]]) -> list[str]:
    calls, done = Calls("application-autoscaling", endpoints.settings), []
    for variant in dict.fromkeys(item["VariantName"] for item in variants):
        target = scaling_target(name, variant)
        asked = {"ServiceNamespace": "sagemaker", "ResourceIds": [target["ResourceId"]]}
        if calls("DescribeScalableTargets", **asked).get("ScalableTargets"):
            calls("DeregisterScalableTarget", **target)
            done.append(variant)
    return done


def _drop_models(endpoints: Endpoints, variants: list[dict[str, Any]]) -> list[str]:
    names = dict.fromkeys(item["ModelName"] for item in variants if item.get("ModelName"))
    used = _models_in_use(endpoints) if names else set()
    done = []
    for name in names:
        found = endpoints.found("DescribeModel", ModelName=name) if name not in used else None
        if found is not None and MANAGED in endpoints.tags(found["ModelArn"]):
            endpoints.remove("DeleteModel", ModelName=name)
            done.append(name)
    return done


def _models_in_use(endpoints: Endpoints) -> set[str]:
    """Models that a configuration names: the same model may stand behind two endpoints."""
    found: set[str] = set()
    for item in endpoints.calls.pages("ListEndpointConfigs", "EndpointConfigs"):
        config = endpoints.found("DescribeEndpointConfig", EndpointConfigName=item["EndpointConfigName"])
        found |= {variant.get("ModelName", "") for variant in _variants(config or {})}
    return found


def _variants(config: dict[str, Any]) -> list[dict[str, Any]]:
    return [*config.get("ProductionVariants", []), *config.get("ShadowProductionVariants", [])]
