"""Whether a registration still stands, asked in milliseconds.

A cached `register` is worth nothing once its version is gone, so every cached run asks. Importing MLflow for
that would cost more than the rest of the run: a SQLite store is asked in SQL and a server over HTTP, and only
where either answer is not understood is MLflow's own client asked.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import sqlite3
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from intermodal.core.config import load_settings
from intermodal.tracking.models import DIGEST_TAG
from intermodal.tracking.store_init import sqlite_path

_SECONDS = 10.0
# Servers answer a missing alias with the one code, and a missing model with the other.
_MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


class _NotUnderstoodError(Exception):
    """The quick way gave no answer that can be trusted."""


@dataclass(frozen=True)
class _Found:
    """What the registry holds.

    Attributes:
        digest: Model digest on the version; None when there is no such version.
        alias: Whether any version has the alias.
    """

    digest: str | None
    alias: bool


def version_exists(metadata: Mapping[str, Any]) -> str | None:
    """Whether the version that a cached `register` made is still there.

    Args:
        metadata: The cached outputs' metadata, by output name; one of them names registered_model, version,
            alias, model_digest and accepted.

    Returns:
        None when it is there with the same model, and when it was accepted some version has the alias; else why not.
    """
    facts = next((item for item in metadata.values() if isinstance(item, Mapping) and "registered_model" in item), None)
    if facts is None:
        return "the cached registration names no version"
    name, version = str(facts["registered_model"]), str(facts["version"])
    try:
        found = _ask(load_settings().tracking_uri, name, version, str(facts["alias"]))
    except Exception as error:  # whatever is wrong with MLflow, the answer is that it cannot be told
        return f"MLflow could not be asked for version {version} of {name}: {error}"
    if found.digest != facts["model_digest"]:
        return f"version {version} of {name} is no longer in the registry"
    if facts.get("accepted") and not found.alias:
        return f"no version of {name} has the alias {facts['alias']} any more"
    return None


def alias_version(name: str, alias: str) -> str:
    """The version of a registered model that has an alias.

    Args:
        name: The registered model.
        alias: The alias.

    Returns:
        Its number; "" when there is no such model or alias.

    Raises:
        Exception: Whatever is wrong with MLflow.
    """
    uri = load_settings().tracking_uri
    registry = os.environ.get("MLFLOW_REGISTRY_URI") or uri
    with contextlib.suppress(_NotUnderstoodError):
        if path := sqlite_path(registry):
            return _alias_in_sqlite(str(path), name, alias)
        if registry.startswith(("http://", "https://")):
            answer = _get(registry.rstrip("/"), "registered-models/alias", name=name, alias=alias)
            return str(answer["model_version"]["version"]) if answer else ""
    held = _or_none(lambda: _client_of(uri, registry).get_model_version_by_alias(name, alias))
    return str(held.version) if held else ""


def _alias_in_sqlite(path: str, name: str, alias: str) -> str:
    if not os.path.exists(path):
        return ""
    query = "SELECT version FROM registered_model_aliases WHERE name = ? AND alias = ?"
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=_SECONDS)) as database:
            row = database.execute(query, (name, alias)).fetchone()
    except sqlite3.Error as error:
        raise _NotUnderstoodError from error
    return str(row[0]) if row else ""


def _ask(uri: str, name: str, version: str, alias: str) -> _Found:
    registry = os.environ.get("MLFLOW_REGISTRY_URI") or uri
    with contextlib.suppress(_NotUnderstoodError):
        if path := sqlite_path(registry):
            return _ask_sqlite(str(path), name, version, alias)
        if registry.startswith(("http://", "https://")):
            return _ask_server(registry.rstrip("/"), name, version, alias)
    return _ask_client(uri, registry, name, version, alias)


def _ask_sqlite(path: str, name: str, version: str, alias: str) -> _Found:
    if not os.path.exists(path):
        return _Found(None, False)
    one = (
        "SELECT t.value FROM model_versions v"
        " LEFT JOIN model_version_tags t ON t.name = v.name AND t.version = v.version AND t.key = ?"
        " WHERE v.name = ? AND v.version = ? AND v.current_stage != 'Deleted_Internal'"
    )
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=_SECONDS)) as database:
            row = database.execute(one, (DIGEST_TAG, name, int(version))).fetchone()
            held = database.execute(
                "SELECT 1 FROM registered_model_aliases WHERE name = ? AND alias = ?", (name, alias)
            )
            return _Found(row and (row[0] or ""), held.fetchone() is not None)
    except sqlite3.Error as error:
        raise _NotUnderstoodError from error


def _ask_server(uri: str, name: str, version: str, alias: str) -> _Found:
    answer = _get(uri, "model-versions/get", name=name, version=version)
    if answer is None:
        return _Found(None, False)
    tags = {item["key"]: item.get("value", "") for item in answer["model_version"].get("tags", ())}
    held = _get(uri, "registered-models/alias", name=name, alias=alias)
    return _Found(tags.get(DIGEST_TAG, ""), held is not None)


def _get(uri: str, endpoint: str, **query: str) -> dict[str, Any] | None:
    """A GET of MLflow's REST API; None when the server says that there is no such thing."""
    address = f"{uri}/api/2.0/mlflow/{endpoint}?{urllib.parse.urlencode(query)}"
    request = urllib.request.Request(address, headers=_authorization())
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as response:
            return dict(json.load(response))
    except urllib.error.HTTPError as error:
        code = _error_code(error)
        if code in _MISSING:
            return None
        raise _NotUnderstoodError from error
    except (OSError, ValueError) as error:
        raise _NotUnderstoodError from error


def _error_code(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error).get("error_code", ""))
    except (ValueError, AttributeError):
        return ""


def _authorization() -> dict[str, str]:
    if token := os.environ.get("MLFLOW_TRACKING_TOKEN"):
        return {"Authorization": f"Bearer {token}"}
    user = os.environ.get("MLFLOW_TRACKING_USERNAME")
    pair = f"{user}:{os.environ.get('MLFLOW_TRACKING_PASSWORD', '')}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"} if user else {}


def _ask_client(uri: str, registry: str, name: str, version: str, alias: str) -> _Found:
    client = _client_of(uri, registry)
    found = _or_none(lambda: client.get_model_version(name, version))
    held = _or_none(lambda: client.get_model_version_by_alias(name, alias))
    return _Found(found and found.tags.get(DIGEST_TAG, ""), held is not None)


def _client_of(uri: str, registry: str) -> Any:
    from intermodal.tracking.mlflow_import import set_defaults

    if registry == "off":
        raise ValueError("MLflow is switched off")
    set_defaults()
    import mlflow

    return mlflow.MlflowClient(uri, registry)


def _or_none(ask: Callable[[], Any]) -> Any | None:
    from mlflow.exceptions import MlflowException

    try:
        return ask()
    except MlflowException as error:
        if error.error_code in _MISSING:
            return None
        raise
