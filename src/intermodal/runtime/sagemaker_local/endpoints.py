"""Endpoints: the operations that make, change, list and delete them."""

from __future__ import annotations

import threading
from typing import Any
from weakref import WeakKeyDictionary

from intermodal.runtime.sagemaker_local.answers import now, page, select
from intermodal.runtime.sagemaker_local.endpoint import KIND, Endpoint
from intermodal.runtime.sagemaker_local.endpoint_configs import find_config
from intermodal.runtime.sagemaker_local.operations import ApiError, operation
from intermodal.runtime.sagemaker_local.service import Service

_LIVE: WeakKeyDictionary[Service, dict[str, Endpoint]] = WeakKeyDictionary()
_LOCK = threading.RLock()
_LISTED = ("EndpointName", "EndpointArn", "CreationTime", "LastModifiedTime", "EndpointStatus")


@operation("CreateEndpoint")
def create_endpoint(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Make an endpoint; its containers start at once."""
    name = request["EndpointName"]
    arn = service.arn(f"endpoint/{name.lower()}")
    config = find_config(service, request["EndpointConfigName"])
    record = {"EndpointName": name, "EndpointArn": arn, "EndpointConfigName": config["EndpointConfigName"]}
    with _LOCK:
        known = all_endpoints(service)
        if name in known:
            raise ApiError("ValidationException", f'Cannot create already existing endpoint "{arn}".')
        service.tags.put(arn, request.get("Tags", []))
        known[name] = Endpoint(service, record | {"CreationTime": now()})
        known[name].create()
    return {"EndpointArn": arn}


@operation("DescribeEndpoint")
def describe_endpoint(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """An endpoint."""
    return find_endpoint(service, request["EndpointName"]).describe()


@operation("ListEndpoints")
def list_endpoints(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Endpoints, the newest first."""
    described = [item.describe() for item in list(all_endpoints(service).values())]
    found = select([{key: item[key] for key in _LISTED} for item in described], request, "EndpointName", _LISTED[-1])
    return page(found, request, "Endpoints")


@operation("UpdateEndpoint")
def update_endpoint(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Go over to another configuration, blue and green."""
    found = find_endpoint(service, request["EndpointName"])
    found.update(request)
    return {"EndpointArn": found.arn}


@operation("UpdateEndpointWeightsAndCapacities")
def update_weights(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Give variants other weights and instance counts."""
    found = find_endpoint(service, request["EndpointName"])
    found.weigh(request["DesiredWeightsAndCapacities"])
    return {"EndpointArn": found.arn}


@operation("DeleteEndpoint")
def delete_endpoint(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """End an endpoint; it is listed as Deleting until its containers have ended."""
    found = find_endpoint(service, request["EndpointName"])
    with _LOCK:
        if found.status == "Deleting":
            return {}
        found.status = "Deleting"
    threading.Thread(target=_remove, args=(service, found), name=f"delete {found.name}", daemon=True).start()
    return {}


def find_endpoint(service: Service, name: str) -> Endpoint:
    """An endpoint.

    Raises:
        ApiError: ValidationException, there is none.
    """
    found = all_endpoints(service).get(name)
    if found is None:
        arn = service.arn(f"endpoint/{name.lower()}")
        raise ApiError("ValidationException", f'Could not find endpoint "{arn}".')
    return found


def all_endpoints(service: Service) -> dict[str, Endpoint]:
    """Endpoints by name; those of an earlier start of the service come up again when they are first asked for."""
    with _LOCK:
        if service not in _LIVE:
            _LIVE[service] = {}
            for name, record in service.records(KIND).all().items():
                _LIVE[service][name] = Endpoint(service, record)
                _LIVE[service][name].create()
        return _LIVE[service]


def _remove(service: Service, endpoint: Endpoint) -> None:
    endpoint.delete()
    with _LOCK:
        all_endpoints(service).pop(endpoint.name, None)
        service.records(KIND).remove(endpoint.name)
        service.tags.forget(endpoint.arn)
