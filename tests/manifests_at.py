"""Rendered manifests, and how to find one object among them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("INTERMODAL_SHARED", ROOT.parent / "shared"))
OVERLAYS = ("overlays/local", "overlays/eks", "training/examples")
Rendered = dict[str, list[dict[str, Any]]]


def find(documents: list[dict[str, Any]], kind: str, name: str, namespace: str = "") -> dict[str, Any]:
    """The one object of that kind and name (or whose generated name begins so)."""
    found = [
        item
        for item in documents
        if item["kind"] == kind
        and (item["metadata"]["name"] == name or item["metadata"]["name"].startswith(f"{name}-") and "data" in item)
        and namespace in ("", item["metadata"].get("namespace"))
    ]
    assert len(found) == 1, [item["metadata"]["name"] for item in found]
    return found[0]


def environment(documents: list[dict[str, Any]], container: dict[str, Any]) -> dict[str, str]:
    """The environment a kubelet gives a container: ConfigMaps and Secrets looked up, `$(NAME)` replaced."""
    import base64

    made: dict[str, str] = {}
    for source in container.get("envFrom", []):
        made.update(find(documents, "ConfigMap", source["configMapRef"]["name"])["data"])
    for item in container.get("env", []):
        if "secretKeyRef" in item.get("valueFrom", {}):
            reference = item["valueFrom"]["secretKeyRef"]
            made[item["name"]] = base64.b64decode(
                find(documents, "Secret", reference["name"])["data"][reference["key"]]
            ).decode()
        else:
            value = item["value"]
            for name, known in made.items():
                value = value.replace(f"$({name})", known)
            made[item["name"]] = value
    return made
