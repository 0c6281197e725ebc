"""Strict validation against schemas: unknown fields and wrong types are problems, not warnings.

Built-in kinds are judged by the schemas that `kubernetes-validate` carries, custom ones by their definitions. Rules
written in CEL (`x-kubernetes-validations`) are not evaluated.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from intermodal.errors import UsageError
from intermodal.runtime.manifests.kinds import KUBERNETES, Kind

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SHOWN = 160


def problems_of(document: dict[str, Any], kind: Kind) -> list[str]:
    """What an API server would say against an object's shape.

    Args:
        document: The object.
        kind: Its kind.

    Returns:
        Sentences that begin with the field; none when the object is right.
    """
    visible = {name: value for name, value in document.items() if name != "status"}
    if kind.name == "CustomResourceDefinition":
        visible["spec"] = _without_schemas(document.get("spec"))
    found = sorted(_validator(kind).iter_errors(visible), key=lambda error: [str(part) for part in error.absolute_path])
    return [_sentence(error) for error in found]


def merge_key(kind: Kind, path: tuple[str, ...]) -> str:
    """By which field the entries of a list are told apart when a patch is merged.

    Args:
        kind: The object's kind.
        path: Names of fields from the object to the list.

    Returns:
        The field's name; empty when the list is replaced as a whole.
    """
    return "" if kind.schema else _merge_keys(kind, path)


def strict_schema(schema: Any) -> Any:
    """A CustomResourceDefinition's schema as JSON Schema that refuses unknown fields.

    Args:
        schema: `openAPIV3Schema`, or a part of one.

    Returns:
        A new schema; the given one stays as it is.
    """
    if isinstance(schema, list):
        return [strict_schema(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    fields = schema.get("properties")
    if not isinstance(fields, dict) or "type" in fields and isinstance(fields["type"], str):
        fields = None
    made = {name: strict_schema(value) for name, value in schema.items() if name not in ("description", "properties")}
    if fields is not None:
        made["properties"] = {name: strict_schema(value) for name, value in fields.items()}
    return _translated(made)


def schema_folder() -> Path:
    """Where `kubernetes-validate` keeps the strict schemas.

    Raises:
        UsageError: It is not installed.
    """
    try:
        import kubernetes_validate
    except ModuleNotFoundError as error:
        step = "pip install 'intermodal[manifests]'"
        raise UsageError("Kubernetes's schemas are not installed", seen=error, next_step=step) from error
    return Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema" / f"v{KUBERNETES}.0-local-strict"


def _without_schemas(spec: Any) -> Any:
    """A definition without the schemas in it: thousands of lines, which would take seconds to judge."""
    versions = spec.get("versions") if isinstance(spec, dict) else None
    if not isinstance(versions, list):
        return spec
    return {**spec, "versions": [{**item, "schema": {}} if isinstance(item, dict) else item for item in versions]}


def _translated(schema: dict[str, Any]) -> dict[str, Any]:
    """OpenAPI's and Kubernetes's own words in those of JSON Schema."""
    open_ended = schema.pop("x-kubernetes-preserve-unknown-fields", False)
    if schema.pop("x-kubernetes-embedded-resource", False):
        names = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
        schema["properties"] = {**names, **schema.get("properties", {})}
    if schema.get("properties") and not open_ended and "additionalProperties" not in schema:
        schema["additionalProperties"] = False
    if schema.pop("x-kubernetes-int-or-string", False):
        schema.pop("type", None)
        schema["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    if schema.pop("nullable", False) and isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
    return schema


def _validator(kind: Kind) -> Any:
    schema_folder()  # says what to install where jsonschema, which comes with the schemas, is missing too
    import jsonschema

    # Two sets of definitions may hold different schemas of one kind, so only built-in ones are remembered.
    return jsonschema.Draft202012Validator(_with_metadata(kind.schema)) if kind.schema else _built_in_validator(kind)


@lru_cache(maxsize=128)
def _built_in_validator(kind: Kind) -> Any:
    import jsonschema
    from referencing import Registry, Resource

    schema = _built_in_schema(kind)
    registry: Any = Resource.from_contents(_definitions()) @ (Resource.from_contents(schema) @ Registry())
    return jsonschema.Draft202012Validator(schema, registry=registry)


def _with_metadata(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a custom kind, whose metadata is that of every object."""
    string = {"type": "string"}
    words = {"type": "object", "additionalProperties": string}
    metadata = {
        "type": "object",
        "properties": {
            **dict.fromkeys(
                ("name", "generateName", "namespace", "uid", "resourceVersion", "creationTimestamp"), string
            ),
            "labels": words,
            "annotations": words,
            "generation": {"type": "integer"},
            "finalizers": {"type": "array", "items": string},
            "ownerReferences": {"type": "array", "items": {"type": "object"}},
            "managedFields": {"type": "array", "items": {"type": "object"}},
        },
        "additionalProperties": False,
    }
    fields = {**schema.get("properties", {}), "apiVersion": string, "kind": string, "metadata": metadata}
    return {**schema, "properties": fields, "additionalProperties": False, "$schema": _DIALECT}


def _built_in_schema(kind: Kind) -> dict[str, Any]:
    group = kind.group.partition(".")[0]
    name = "-".join(part for part in (kind.name.lower(), group, kind.version) if part)
    loaded: dict[str, Any] = json.loads((schema_folder() / f"{name}.json").read_text())
    return loaded


@lru_cache(maxsize=1)
def _definitions() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((schema_folder() / "_definitions.json").read_text())
    return loaded


@lru_cache(maxsize=4096)
def _merge_keys(kind: Kind, path: tuple[str, ...]) -> str:
    node: Any = _built_in_schema(kind)
    for name in path:
        node = _resolved(_resolved(node).get("properties", {}).get(name, {}))
        if "items" in node and name != path[-1]:
            node = _resolved(node["items"])
    merging = "merge" in str(node.get("x-kubernetes-patch-strategy", ""))
    return str(node.get("x-kubernetes-patch-merge-key", "")) if merging else ""


def _resolved(node: dict[str, Any]) -> dict[str, Any]:
    """A node with what it refers to; its own words win."""
    target = node.get("$ref", "")
    if not target:
        return node
    rest = {name: value for name, value in node.items() if name != "$ref"}
    return {**_definitions()["$defs"].get(target.rpartition("/")[2], {}), **rest}


def _sentence(error: Any) -> str:
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path).lstrip(".")
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = set(error.schema.get("properties", {}))
        unknown = sorted(set(error.instance) - known)
        names = ", ".join(f'"{where}.{name}"'.replace('".', '"') for name in unknown)
        return f"unknown field {names}"
    message = error.message if len(error.message) < _SHOWN else error.message[:_SHOWN] + "…"
    return f"{where or 'object'}: {message}"
