"""AWS's protocols, JSON and REST-JSON, from the service's own model: which operation, its request, its answer."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from werkzeug.wrappers import Request, Response

from intermodal.runtime.sagemaker_local.operations import ApiError, services

_JSON = "application/x-amz-json-1.1"


@dataclass(frozen=True)
class Call:
    """An operation that is called.

    Attributes:
        service: Its name in boto3.
        operation: Its name.
        uri: What the path says, for REST.
    """

    service: str
    operation: str
    uri: dict[str, str]


def find_call(request: Request) -> Call | None:
    """Which operation a request calls, of the services that have operations here; None for all others."""
    target = request.headers.get("X-Amz-Target", "")
    if target:
        prefix, _, operation = target.rpartition(".")
        service = _prefixes().get(prefix)
        return Call(service, operation, {}) if service else None
    scope = signing_scope(request)
    for service, method, pattern, operation in _rest_routes():
        match = pattern.fullmatch(request.path) if request.method == method else None
        if match and scope in ("", _model(service).signing_name):
            return Call(service, operation, {name: unquote(text) for name, text in match.groupdict().items()})
    return None


def signing_scope(request: Request) -> str:
    """The service's signing name that the request is signed for; empty for none."""
    match = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/aws4_request", request.headers.get("Authorization", ""))
    return match.group(1) if match else ""


def access_key(request: Request) -> str:
    """The access key that the request is signed with; empty for none."""
    match = re.search(r"Credential=([^/]+)/", request.headers.get("Authorization", ""))
    return match.group(1) if match else request.args.get("X-Amz-Credential", "").partition("/")[0]


def read_request(call: Call, request: Request) -> dict[str, Any]:
    """The operation's parameters, in the API's spelling.

    Raises:
        ApiError: The body cannot be read, or there is no such operation.
    """
    model = _model(call.service)
    if call.operation not in model.operation_names:
        raise ApiError("UnknownOperationException", f"{call.service} has no operation {call.operation}")
    shape = model.operation_model(call.operation).input_shape
    if shape is None:
        return {}
    payload = shape.serialization.get("payload")
    found = _located(shape, call, request)
    if payload and shape.members[payload].type_name in ("blob", "string"):
        return found | {payload: request.get_data()}
    body = _body(request)
    return found | ({payload: _read(shape.members[payload], body)} if payload else _read(shape, body))


def write_answer(call: Call, answer: dict[str, Any]) -> Response:
    """The answer as the service sends it."""
    operation = _model(call.service).operation_model(call.operation)
    shape = operation.output_shape
    if shape is None:
        return Response(b"", content_type=_JSON)
    payload, headers, inside = shape.serialization.get("payload"), {}, {}
    for name, value in answer.items():
        member = shape.members.get(name)
        where = member.serialization.get("location", "") if member is not None else ""
        if where == "header":
            headers[member.serialization["name"]] = str(value)
        elif name != payload and where != "statusCode":
            inside[name] = value
    if payload and shape.members[payload].type_name == "blob":
        body = answer.get(payload, b"")
        return Response(body, headers=headers, content_type=headers.pop("Content-Type", "application/octet-stream"))
    content = answer.get(payload, {}) if payload else inside
    text = json.dumps(_write(shape.members[payload] if payload else shape, content))
    return Response(text, headers=headers, content_type=_JSON)


def write_error(error: ApiError) -> Response:
    """An error as services of either protocol send it."""
    text = json.dumps({"__type": error.code, "message": error.message, **error.fields})
    return Response(text, error.status, headers={"x-amzn-ErrorType": error.code}, content_type=_JSON)


def _body(request: Request) -> dict[str, Any]:
    data = request.get_data()
    try:
        body = json.loads(data) if data else {}
    except ValueError as error:
        raise ApiError("SerializationException", f"cannot read the request: {error}") from error
    if not isinstance(body, dict):
        raise ApiError("SerializationException", "the request is no JSON object")
    return body


def _located(shape: Any, call: Call, request: Request) -> dict[str, Any]:
    """Members that stand in path, query or headers."""
    found: dict[str, Any] = {}
    for name, member in shape.members.items():
        where, spelled = member.serialization.get("location"), member.serialization.get("name", name)
        if where == "uri" and spelled in call.uri:
            found[name] = _plain(member, call.uri[spelled])
        elif where == "querystring" and spelled in request.args:
            several = member.type_name == "list"
            found[name] = request.args.getlist(spelled) if several else _plain(member, request.args[spelled])
        elif where == "header" and spelled in request.headers:
            found[name] = _plain(member, request.headers[spelled])
    return found


def _plain(shape: Any, text: str) -> Any:
    kind = shape.type_name
    if kind in ("integer", "long"):
        return int(text)
    if kind == "boolean":
        return text == "true"
    if kind == "timestamp" and not text.replace(".", "").isdigit():
        from botocore.utils import parse_timestamp

        return parse_timestamp(text).timestamp()
    return text


def _read(shape: Any, value: Any) -> Any:
    """A value of a body: spelled as in the model, blobs as bytes. What does not fit is left to validation."""
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict):
        spelled = {member.serialization.get("name", name): name for name, member in shape.members.items()}
        names = {key: spelled.get(key, key) for key in value}
        known = {key: item for key, item in value.items() if item is not None}
        return {
            names[key]: _read(shape.members[names[key]], item) if names[key] in shape.members else item
            for key, item in known.items()
        }
    if kind == "list" and isinstance(value, list):
        return [_read(shape.member, item) for item in value]
    if kind == "map" and isinstance(value, dict):
        return {key: _read(shape.value, item) for key, item in value.items()}
    if kind == "blob" and isinstance(value, str):
        return base64.b64decode(value)
    return value


def _write(shape: Any, value: Any) -> Any:
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict):
        return {
            shape.members[key].serialization.get("name", key): _write(shape.members[key], item)
            for key, item in value.items()
            if key in shape.members and item is not None
        }
    if kind == "list":
        return [_write(shape.member, item) for item in value]
    if kind == "map":
        return {key: _write(shape.value, item) for key, item in value.items()}
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        return value.timestamp()
    return value


@lru_cache(maxsize=64)
def _model(service: str) -> Any:
    import botocore.session

    return botocore.session.get_session().get_service_model(service)


@lru_cache(maxsize=1)
def _prefixes() -> dict[str, str]:
    """X-Amz-Target's prefix → service."""
    found = {service: _model(service).metadata.get("targetPrefix") for service in services()}
    return {prefix: service for service, prefix in found.items() if prefix}


@lru_cache(maxsize=1)
def _rest_routes() -> list[tuple[str, str, re.Pattern[str], str]]:
    """Service, method, path and operation of what is registered for REST services; the most literal path first."""
    found = []
    for service, names in services().items():
        if _model(service).metadata["protocol"] != "rest-json":
            continue
        for name in names:
            http = _model(service).operation_model(name).http
            path = http["requestUri"].partition("?")[0]
            found.append((service, http["method"], re.compile(_pattern(path)), name, path.count("{")))
    return [(service, method, pattern, name) for service, method, pattern, name, _ in sorted(found, key=_literal)]


def _literal(found: tuple[str, str, re.Pattern[str], str, int]) -> tuple[int, str]:
    return found[4], found[3]


def _pattern(path: str) -> str:
    parts = re.split(r"(\{\w+\+?\})", path)
    return "".join(_part(part) for part in parts)


def _part(part: str) -> str:
    match = re.fullmatch(r"\{(\w+)(\+?)\}", part)
    if not match:
        return re.escape(part)
    return f"(?P<{match.group(1)}>{'.+' if match.group(2) else '[^/]+'})"
