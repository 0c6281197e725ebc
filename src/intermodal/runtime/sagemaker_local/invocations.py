"""Invocations of endpoints: the runtime API's operation, its errors, copies for shadows, and capture."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from typing import Any

from intermodal.runtime.sagemaker_local.capture import Exchange, capture
from intermodal.runtime.sagemaker_local.endpoint import Endpoint
from intermodal.runtime.sagemaker_local.endpoints import all_endpoints
from intermodal.runtime.sagemaker_local.fleet import Fleet, Member
from intermodal.runtime.sagemaker_local.hosting import Reply
from intermodal.runtime.sagemaker_local.operations import ApiError, operation
from intermodal.runtime.sagemaker_local.service import Service

_SECONDS = 60.0  # SageMaker's limit for an answer
_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"


class ModelError(ApiError):
    """The container answered with an error.

    Args:
        service: The service.
        endpoint: The endpoint's name.
        reply: What it answered.
    """

    def __init__(self, service: Service, endpoint: str, reply: Reply) -> None:
        said, side = reply.body.decode("utf-8", "replace")[:1024], "client" if reply.status < 500 else "server"
        super().__init__(
            "ModelError",
            f'Received {side} error ({reply.status}) from primary with message "{said}". See the log group '
            f"/aws/sagemaker/Endpoints/{endpoint} in account {service.account} for more information.",
            424,
            {
                "OriginalStatusCode": reply.status,
                "OriginalMessage": said,
                "LogStreamArn": service.arn(f"log-group:/aws/sagemaker/Endpoints/{endpoint}", "logs"),
            },
        )


@operation("InvokeEndpoint", service="sagemaker-runtime")
def invoke_endpoint(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Ask an endpoint."""
    name = request["EndpointName"]
    endpoint = all_endpoints(service).get(name)
    if endpoint is None:
        raise ApiError("ValidationError", f"Endpoint {name} of account {service.account} not found.")
    with endpoint.serving(request.get("TargetVariant", "")) as (fleet, member):
        for shadow in fleet.shadows:
            fleet.enter()
            words = (service, endpoint, fleet, shadow, request)
            threading.Thread(target=_copy, args=words, name=f"shadow of {name}", daemon=True).start()
        reply = _asked(service, endpoint, fleet, member, request)
    if reply.status >= 400:
        raise ModelError(service, name, reply)
    answer = {
        "Body": reply.body,
        "ContentType": reply.headers.get("content-type", "application/octet-stream"),
        "InvokedProductionVariant": member.name,
    }
    attributes = reply.headers.get(_ATTRIBUTES.lower())
    return answer | ({"CustomAttributes": attributes} if attributes else {})


def _copy(service: Service, endpoint: Endpoint, fleet: Fleet, shadow: Member, request: dict[str, Any]) -> None:
    """A shadow's answer is thrown away, and so are its failures."""
    try:
        with contextlib.suppress(ApiError):
            _asked(service, endpoint, fleet, shadow, request)
    finally:
        fleet.leave()


def _asked(service: Service, endpoint: Endpoint, fleet: Fleet, member: Member, request: dict[str, Any]) -> Reply:
    headers = {
        "Content-Type": request.get("ContentType", "application/octet-stream"),
        "Accept": request.get("Accept", "*/*"),
    }
    if request.get("CustomAttributes"):
        headers[_ATTRIBUTES] = request["CustomAttributes"]
    if request.get("InferenceId"):
        headers["X-Amzn-SageMaker-Inference-Id"] = request["InferenceId"]
    assert member.server is not None
    try:
        reply = member.server.invoke(request["Body"], headers, _SECONDS)
    except (OSError, http.client.HTTPException) as error:
        told = f"{type(error).__name__}: {error}"
        reply = Reply(500, {"content-type": "application/json"}, json.dumps({"message": told}).encode())
    if reply.status < 400:
        exchange = Exchange(
            endpoint.name,
            member.name,
            request["Body"],
            headers["Content-Type"],
            reply,
            request.get("InferenceId", ""),
            request.get("CustomAttributes", ""),
        )
        capture(service, fleet.config, exchange, endpoint.chance())
    return reply
