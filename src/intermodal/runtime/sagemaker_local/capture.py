"""Data capture: a share of an endpoint's requests and answers, as AWS writes them to S3."""

from __future__ import annotations

import base64
import json
import random
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from intermodal.runtime.sagemaker_local.hosting import Reply
from intermodal.runtime.sagemaker_local.service import Service
from intermodal.runtime.sagemaker_local.transfer import split_uri


@dataclass(frozen=True)
class Exchange:
    """One request and its answer.

    Attributes:
        endpoint: The endpoint's name.
        variant: The variant that answered.
        body: The request's body.
        content_type: Its type.
        reply: The answer.
        inference_id: As the caller named the request; empty for none.
        attributes: The caller's custom attributes; empty for none.
    """

    endpoint: str
    variant: str
    body: bytes
    content_type: str
    reply: Reply
    inference_id: str = ""
    attributes: str = ""


def capture(service: Service, config: dict[str, Any], exchange: Exchange, chance: random.Random) -> str:
    """Write an exchange, if the configuration wants it and the sample takes it.

    Args:
        service: The service.
        config: The endpoint's configuration.
        exchange: The request and answer.
        chance: Which requests are in the sample.

    Returns:
        The object's URI; empty when it was not written.
    """
    wanted = config.get("DataCaptureConfig")
    if not wanted or not wanted.get("EnableCapture", False):
        return ""
    if chance.random() * 100 >= wanted["InitialSamplingPercentage"]:
        return ""
    when = datetime.now(UTC)
    bucket, prefix = split_uri(wanted["DestinationS3Uri"].rstrip("/"))
    key = f"{prefix}/{exchange.endpoint}/{exchange.variant}/{object_name(when)}".lstrip("/")
    text = json.dumps(record(wanted, exchange, when)) + "\n"
    service.client("s3").put_object(Bucket=bucket, Key=key, Body=text.encode())
    return f"s3://{bucket}/{key}"


def object_name(when: datetime) -> str:
    """The end of a key: hours are folders, as monitoring schedules expect them."""
    return f"{when:%Y/%m/%d/%H}/{when:%M-%S}-{when.microsecond // 1000:03d}-{uuid.uuid4()}.jsonl"


def record(wanted: dict[str, Any], exchange: Exchange, when: datetime) -> dict[str, Any]:
    """A line of a capture file.

    Args:
        wanted: The DataCaptureConfig.
        exchange: The request and answer.
        when: When it was answered.
    """
    modes = {item["CaptureMode"] for item in wanted["CaptureOptions"]}
    data = {}
    if modes & {"Input", "InputAndOutput"}:
        data["endpointInput"] = _side(wanted, exchange.body, exchange.content_type, "INPUT")
    if modes & {"Output", "InputAndOutput"}:
        kind = exchange.reply.headers.get("content-type", "")
        data["endpointOutput"] = _side(wanted, exchange.reply.body, kind, "OUTPUT")
    event = {"eventId": str(uuid.uuid4()), "inferenceTime": when.strftime("%Y-%m-%dT%H:%M:%SZ")}
    if exchange.inference_id:
        event["inferenceId"] = exchange.inference_id
    if exchange.attributes:
        event["customAttributes"] = [exchange.attributes]  # type: ignore[assignment]
    return {"captureData": data, "eventMetadata": event, "eventVersion": "0"}


def _side(wanted: dict[str, Any], body: bytes, content_type: str, mode: str) -> dict[str, str]:
    encoding = _encoding(wanted.get("CaptureContentTypeHeader", {}), content_type)
    data = base64.b64encode(body).decode() if encoding == "BASE64" else body.decode("utf-8", "replace")
    return {"observedContentType": content_type, "mode": mode, "data": data, "encoding": encoding}


def _encoding(headers: dict[str, list[str]], content_type: str) -> str:
    """Text only where the configuration says that it is text: base64 for all else, as AWS does."""
    plain = content_type.partition(";")[0].strip().lower()
    if plain in [item.lower() for item in headers.get("CsvContentTypes", [])]:
        return "CSV"
    return "JSON" if plain in [item.lower() for item in headers.get("JsonContentTypes", [])] else "BASE64"
