"""`--backend-config`: what may stand in it, checked to the last key."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from intermodal.errors import UsageError

SECTIONS = ("kubeflow", "sagemaker")
_MODES = ("subprocess", "container")
_TYPES: dict[str, type] = {
    "runtime": str,
    "wait": bool,
    "mode": str,
    "use_cache": bool,
    "run_id": str,
    **dict.fromkeys(SECTIONS, dict),
}
# What mlflow.projects.run adds, and whether it means something to us.
_MLFLOWS_OWN = ("ENV_MANAGER", "SYNCHRONOUS", "DOCKER_ARGS", "STORAGE_DIR", "build_image", "docker_auth")


@dataclass(frozen=True)
class BackendConfig:
    """The backend config, read.

    Attributes:
        runtime: Runtime to run on.
        wait: Whether `run` returns only when the run has ended; None leaves it to the way MLflow was called.
        mode: How tasks run on the local runtime: "subprocess" or "container".
        use_cache: Whether remembered results may be used.
        run_id: MLflow run to use instead of a new one.
        sections: Settings of runtimes, over those of the project's `intermodal.toml`.
    """

    runtime: str
    wait: bool | None = None
    mode: str = "subprocess"
    use_cache: bool = True
    run_id: str = ""
    sections: dict[str, dict[str, Any]] = field(default_factory=dict)


def read_config(given: Mapping[str, Any], runtime: str) -> BackendConfig:
    """Read a backend config.

    Args:
        given: What MLflow passes on.
        runtime: The runtime that the backend's name says; empty for the backend that leaves it to the config.

    Raises:
        UsageError: A key is unknown, a value has the wrong type, or the two disagree on the runtime.
    """
    _refuse_what_has_no_meaning(given)
    own = {name: value for name, value in given.items() if name not in _MLFLOWS_OWN}
    for name, value in own.items():
        _check(name, value)
    named = own.get("runtime", "") or runtime
    if runtime and named != runtime:
        raise UsageError(
            "the backend config names another runtime than the backend",
            seen=f"runtime {named} with -b intermodal-{runtime}",
            next_step=f"-b intermodal-{named}, or -b intermodal to let the config decide",
        )
    if not named:
        raise UsageError(
            "the backend config names no runtime",
            expected='{"runtime": "local"}',
            next_step="or use -b intermodal-local, -b intermodal-kubeflow",
        )
    sections = {name: own[name] for name in SECTIONS if name in own}
    rest = {name: value for name, value in own.items() if name not in (*SECTIONS, "runtime")}
    return BackendConfig(runtime=named, sections=sections, **rest)


def _check(name: str, value: Any) -> None:
    kind = _TYPES.get(name)
    if kind is None:
        near = difflib.get_close_matches(name, _TYPES, n=1)
        raise UsageError("the backend config has an unknown key", seen=name, expected=", ".join(near or _TYPES))
    if not isinstance(value, kind):
        raise UsageError(f"the backend config's {name} has the wrong type", seen=repr(value), expected=_SAID[kind])
    if name == "mode" and value not in _MODES:
        raise UsageError("the backend config's mode is unknown", seen=value, expected=" or ".join(_MODES))


_SAID = {str: "text", bool: "true or false", dict: "an object"}


def _refuse_what_has_no_meaning(given: Mapping[str, Any]) -> None:
    """Options of `mlflow run` that this backend could only ignore."""
    manager = given.get("ENV_MANAGER")
    if manager not in (None, "local"):
        raise UsageError(
            "this backend makes no environment",
            seen=f"--env-manager {manager}",
            expected="local, or nothing: steps run in this environment, or in images of their own",
            next_step=f"leave out -b, and MLflow's own backend makes one: mlflow run … --env-manager {manager}",
        )
    for key, option in (("DOCKER_ARGS", "--docker-args"), ("build_image", "--build-image")):
        if given.get(key):
            raise UsageError(
                f"{option} means nothing to this backend",
                seen=option,
                expected='{"mode": "container"} in the backend config runs every step in a container of its image',
            )
