"""What a client asks first: which groups, versions and kinds there are, and whether they can be tried dry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from intermodal.runtime.manifests.kinds import KUBERNETES, Kind

_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


def version() -> dict[str, Any]:
    """/version."""
    major, minor = KUBERNETES.split(".")
    return {"major": major, "minor": minor, "gitVersion": f"v{KUBERNETES}.0-intermodal-fake"}


def groups(kinds: Iterable[Kind]) -> dict[str, Any]:
    """/apis: every group but the core."""
    versions: dict[str, list[dict[str, str]]] = {}
    for kind in sorted(kinds, key=lambda item: (item.group, item.version), reverse=True):
        entry = {"groupVersion": kind.api_version, "version": kind.version}
        known = versions.setdefault(kind.group, []) if kind.group else [entry]
        if entry not in known:
            known.append(entry)
    listed = [{"name": name, "versions": of, "preferredVersion": of[0]} for name, of in sorted(versions.items())]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}


def resources(kinds: Iterable[Kind], api_version: str) -> dict[str, Any]:
    """/api/v1 or /apis/GROUP/VERSION: the kinds of one group and version."""
    head = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version}
    return {**head, "resources": [_resource(kind) for kind in kinds if kind.api_version == api_version]}


def openapi_index(kinds: Iterable[Kind]) -> dict[str, Any]:
    """/openapi/v3: where the description of each group and version is."""
    paths = {_root(kind.api_version).lstrip("/") for kind in kinds}
    return {"paths": {path: {"serverRelativeURL": f"/openapi/v3/{path}"} for path in sorted(paths)}}


def openapi(kinds: Iterable[Kind], root: str) -> dict[str, Any]:
    """The description of one group and version: that patches take `dryRun` and `fieldValidation`.

    It carries no schemas, so clients leave the checking to the server.
    """
    parameters = [{"name": name, "in": "query"} for name in ("dryRun", "fieldValidation", "fieldManager")]
    paths = {
        _url(kind): {
            "patch": {
                "x-kubernetes-group-version-kind": {"group": kind.group, "version": kind.version, "kind": kind.name},
                "parameters": parameters,
                "responses": {},
            }
        }
        for kind in kinds
        if _root(kind.api_version) == root
    }
    info = {"title": "intermodal kubernetes-fake", "version": f"v{KUBERNETES}"}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": {}}}


def _resource(kind: Kind) -> dict[str, Any]:
    names = {"name": kind.plural, "singularName": kind.name.lower(), "kind": kind.name}
    return {**names, "namespaced": kind.namespaced, "shortNames": [kind.short] if kind.short else [], "verbs": _VERBS}


def _root(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def _url(kind: Kind) -> str:
    scope = "namespaces/{namespace}/" if kind.namespaced else ""
    return f"{_root(kind.api_version)}/{scope}{kind.plural}/{{name}}"
