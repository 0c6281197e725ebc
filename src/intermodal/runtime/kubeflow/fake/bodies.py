"""Request bodies, held against the models of `kfp_server_api`: what the real client could not have sent is refused."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

from intermodal.runtime.kubeflow.fake.answers import invalid

# 64-bit numbers are texts in the models; protobuf's JSON takes numbers too, and kfp's client sends them.
_LONG = ("max_concurrency", "interval_second", "long_value")
_PLAIN = {"str": str, "int": int, "bool": bool, "object": object}


def read_body(raw: bytes, model: str) -> dict[str, Any]:
    """Parse a request body.

    Args:
        raw: The bytes.
        model: Name of a `kfp_server_api` model, such as "V2beta1Run".

    Raises:
        Refused: 400, it is not JSON, or a field is unknown or of the wrong type.
    """
    try:
        fields = json.loads(raw)
    except ValueError as error:
        raise invalid(f"the body is not JSON: {error}") from error
    check(fields, model, model.removeprefix("V2beta1"))
    return {name: value for name, value in fields.items() if value is not None}


def check(value: Any, kind: str, where: str) -> None:
    """Refuse a value that is not of a type.

    Args:
        value: The value, as JSON gives it.
        kind: The type as the models write it: "str", "list[str]", "dict(str, object)", or a model's name.
        where: How to call it in the message.

    Raises:
        Refused: 400.
    """
    if value is None:
        return
    listed = re.fullmatch(r"list\[(.+)\]", kind)
    mapped = re.fullmatch(r"dict\(str, (.+)\)", kind)
    if listed:
        for number, item in enumerate(_typed(value, list, where)):
            check(item, listed[1], f"{where}[{number}]")
    elif mapped:
        for name, item in _typed(value, dict, where).items():
            check(item, mapped[1], f"{where}.{name}")
    elif kind == "datetime":
        _time(value, where)
    elif kind in _PLAIN:
        _typed(value, _PLAIN[kind], where)
    else:
        _model(value, kind, where)


def _model(value: Any, kind: str, where: str) -> None:
    import kfp_server_api

    model = getattr(kfp_server_api, kind)
    allowed = getattr(model, "allowable_values", None)
    if allowed is not None:
        if value not in allowed:
            raise invalid(f"{where} is {value!r}, expected one of {', '.join(allowed)}")
        return
    types = {json_name: model.openapi_types[name] for name, json_name in model.attribute_map.items()}
    for name, item in _typed(value, dict, where).items():
        if name not in types:
            raise invalid(f'unknown field "{name}" in {where}')
        if name in _LONG and isinstance(item, int):
            item = str(item)
        check(item, types[name], f"{where}.{name}")


def _typed(value: Any, kind: type, where: str) -> Any:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise invalid(f"{where} is {json.dumps(value)[:80]}, expected {kind.__name__}")
    return value


def _time(value: Any, where: str) -> None:
    try:
        datetime.fromisoformat(_typed(value, str, where))
    except ValueError as error:
        raise invalid(f"{where} is {value!r}, expected an RFC 3339 time") from error
