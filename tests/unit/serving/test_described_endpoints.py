"""Endpoints of which a service says as little as AWS's model lets it: the configuration's name may be missing."""

from __future__ import annotations

from typing import Any

import pytest

from intermodal.aws import endpoint_life
from intermodal.aws.deployment import deployment_of
from intermodal.aws.endpoint_life import Endpoints
from intermodal.aws.endpoints import render_deployment
from intermodal.aws.settings import SageMakerSettings
from intermodal.serving import deploying
from sagemaker_plans import a_catalogue_plan

CACHED = {"deployment": {"facts": {"endpoint": "reviews", "endpoint_config": "one"}}}


@pytest.mark.parametrize(
    ("described", "told"),
    [
        ({}, None),
        ({"EndpointConfigName": "one"}, None),
        ({"EndpointConfigName": "other"}, "with another configuration"),
        ({"EndpointStatus": "Failed"}, "is Failed"),
    ],
)
def test_what_is_not_said_is_no_difference(
    described: dict[str, str], told: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"EndpointName": "reviews", "EndpointStatus": "InService", **described}
    monkeypatch.setattr(Endpoints, "find", lambda _self, _name: found)
    facts = CACHED["deployment"]["facts"] | {"engine": deploying.SAGEMAKER}
    monkeypatch.setattr(deploying, "cached_facts", lambda _metadata: facts)
    why = deploying.still_deployed(CACHED)
    assert why is None if told is None else told in str(why)


def test_what_was_deployed_has_the_configuration_that_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = deployment_of(a_catalogue_plan("deploy"))
    (config,) = (item for item in render_deployment(deployment) if item.operation == "CreateEndpointConfig")

    class Service:
        def __init__(self, *_given: Any, **_more: Any) -> None: ...

        def __call__(self, operation: str, **_given: Any) -> dict[str, Any]:
            return (
                {"EndpointName": deployment.endpoint, "EndpointStatus": "InService"} if "Describe" in operation else {}
            )

    monkeypatch.setattr(endpoint_life, "Calls", Service)
    found = Endpoints(SageMakerSettings(region="us-east-1")).deploy(deployment)
    assert found["EndpointConfigName"] == config.parameters["EndpointConfigName"]
