"""A registered model's own files, from the registry of the tracking store in force."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intermodal.core.config import load_settings
from intermodal.errors import StoreFailed, UsageError
from intermodal.tracking.faults import describe
from intermodal.tracking.mlflow_import import set_defaults
from intermodal.tracking.models import DIGEST_TAG
from intermodal.tracking.registered import alias_version
from intermodal.tracking.store_init import ensure_store

_URI = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>\d+))")


@dataclass(frozen=True)
class FetchedModel:
    """A registered model on this machine.

    Attributes:
        directory: Its files, with `predictor.py` and `model.json`.
        uri: "models:/NAME/VERSION", the alias resolved.
        digest: Digest of the model's artifact; "" when the version does not say.
    """

    directory: Path
    uri: str
    digest: str


@contextlib.contextmanager
def fetched_model(uri: str) -> Iterator[FetchedModel]:
    """Fetch a registered model for the length of a block.

    Args:
        uri: "models:/NAME@ALIAS" or "models:/NAME/VERSION".

    Yields:
        The model.

    Raises:
        UsageError: The URI is of another form, tracking is switched off, there is no such version, or its model was
            not made by intermodal.
        StoreFailed: MLflow does not answer.
    """
    resolved = resolve(uri)
    from mlflow.exceptions import MlflowException

    with tempfile.TemporaryDirectory() as folder:
        try:
            found = _fetch(resolved, Path(folder))
        except (MlflowException, OSError) as error:
            raise StoreFailed(f"{resolved} cannot be fetched", seen=describe(error)) from error
        yield found


def resolve(uri: str) -> str:
    """The version behind a URI: "models:/NAME/VERSION".

    Raises:
        UsageError: As `fetched_model`.
        StoreFailed: MLflow does not answer.
    """
    match = _URI.fullmatch(uri)
    if match is None:
        raise UsageError(
            "this names no registered model", seen=uri, expected="models:/NAME@ALIAS or models:/NAME/VERSION"
        )
    if match["version"]:
        _open()
        return uri
    if version := champion_version(match["name"], match["alias"]):
        return f"models:/{match['name']}/{version}"
    step = f"run a pipeline that registers {match['name']}, such as pipelines/reviews.py"
    raise UsageError("there is no such registered model", seen=uri, expected="a model with that alias", next_step=step)


def champion_version(name: str, alias: str) -> str:
    """The number of the version that has an alias; "" when none has.

    Raises:
        UsageError: Tracking is switched off.
        StoreFailed: MLflow does not answer.
    """
    _open()
    try:
        return alias_version(name, alias)
    except Exception as error:  # whatever is wrong with MLflow
        step = "start the server, or set MLFLOW_TRACKING_URI to one that answers"
        raise StoreFailed("MLflow does not say which version it is", seen=describe(error), next_step=step) from error


def alias_unmoved(metadata: Mapping[str, Any]) -> str | None:
    """Whether aliases still name the versions that a cached step used; asked before its result is used again.

    Args:
        metadata: The cached outputs' metadata, by output name; those with `registered_model`, `alias` and `version`
            are looked at.

    Returns:
        None when they do, else why not.
    """
    for facts in metadata.values():
        if not (isinstance(facts, Mapping) and facts.get("registered_model") and facts.get("alias")):
            continue
        try:
            now = alias_version(str(facts["registered_model"]), str(facts["alias"]))
        except Exception as error:  # the step itself will say what is wrong
            return f"MLflow could not be asked: {error}"
        if now != str(facts.get("version", "")):
            return f"{facts['alias']} of {facts['registered_model']} is now version {now or 'none'}"
    return None


def alias_facts(uri: str, resolved: str) -> dict[str, str]:
    """What `alias_unmoved` looks at later; a URI without an alias needs no look.

    Args:
        uri: As it was given.
        resolved: What `resolve` made of it.
    """
    match = _URI.fullmatch(uri)
    if match is None or not match["alias"]:
        return {}
    return {"registered_model": match["name"], "alias": match["alias"], "version": resolved.rpartition("/")[2]}


def _open() -> str:
    uri = load_settings().tracking_uri
    if uri == "off":
        step = "unset MLFLOW_TRACKING_URI, or pass a model artifact"
        raise UsageError("a registered model needs MLflow", seen="off", expected="a tracking URI", next_step=step)
    set_defaults()
    ensure_store(uri)
    return uri


def _fetch(resolved: str, folder: Path) -> FetchedModel:
    import mlflow

    uri = load_settings().tracking_uri
    registry = os.environ.get("MLFLOW_REGISTRY_URI") or uri
    mlflow.set_tracking_uri(uri)  # `download_artifacts` knows only the process's own setting
    mlflow.set_registry_uri(registry)
    name, version = resolved.removeprefix("models:/").split("/")
    tags = mlflow.MlflowClient(uri, registry).get_model_version(name, version).tags
    local = Path(mlflow.artifacts.download_artifacts(artifact_uri=resolved, dst_path=str(folder)))
    inside = [path.parent for path in sorted(local.rglob("model.json")) if (path.parent / "predictor.py").is_file()]
    if not inside:
        expected = "a model with predictor.py and model.json, as the step register puts it there"
        raise UsageError("this registered model was not made by intermodal", seen=resolved, expected=expected)
    return FetchedModel(inside[0], resolved, str(tags.get(DIGEST_TAG, "")))
