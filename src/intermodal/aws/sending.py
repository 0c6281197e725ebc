"""Sending a `Request`: checked against AWS's model first; codes that are an answer too are answered with None."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from intermodal.aws.calls import Calls, Refused
from intermodal.aws.request import Request
from intermodal.aws.service_model import check_request
from intermodal.aws.settings import SageMakerSettings


def send(request: Request, settings: SageMakerSettings, accept: tuple[str, ...] = ()) -> dict[str, Any] | None:
    """Send a request and give the answer.

    Args:
        request: The request.
        settings: `[sagemaker]`: region, profile, patience.
        accept: Error codes that are an answer too.

    Returns:
        The answer; None when AWS answered with one of `accept`.

    Raises:
        UsageError: AWS would refuse the request by its model; it is not sent.
        RuntimeFailed: AWS refused it, or did not answer.
    """
    check_request(request.service, request.operation, request.parameters)
    try:
        return Calls(request.service, settings)(request.operation, **request.parameters)
    except Refused as refused:
        if refused.code in accept:
            return None
        raise


def answered(request: Request, settings: SageMakerSettings) -> dict[str, Any]:
    """The answer to a request of which no error is acceptable; as `send` otherwise."""
    return send(request, settings) or {}


def answered_pages(request: Request, settings: SageMakerSettings) -> Iterator[dict[str, Any]]:
    """The answers to a request that has them page by page, led on by NextToken; as `answered` otherwise."""
    token: dict[str, str] = {}
    while True:
        page = answered(replace(request, parameters={**request.parameters, **token}), settings)
        yield page
        if not page.get("NextToken"):
            return
        token = {"NextToken": page["NextToken"]}


def holds(found: Any, wanted: Any) -> bool:
    """Whether everything wanted stands in what AWS answered, which always says more.

    Args:
        found: What AWS said.
        wanted: What a request would say.
    """
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(holds(found.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(found, list):
        return len(wanted) == len(found) and all(map(holds, found, wanted))
    return bool(found == wanted)
