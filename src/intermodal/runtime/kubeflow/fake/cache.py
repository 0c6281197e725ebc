"""KFP's own cache: a task of equal component and inputs gets the outputs of an earlier success.

The fingerprint covers what KFP's covers: image, command and arguments, input parameters, the URIs of
input artifacts, and the outputs' names and types. The cached artifacts keep the URIs of the run that made them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from intermodal.runtime.outcome import write_atomically


def fingerprint(component: Any, container: Any, arguments: Mapping[str, Any], key: str = "") -> str:
    """What tells two tasks apart.

    Args:
        component: The `ComponentSpec`.
        container: The container's spec.
        arguments: Inputs: values, and artifacts of kfp.dsl.
        key: The pipeline's own cache key, which then stands for the inputs.
    """
    outputs = component.output_definitions
    fields = {
        "image": container.image,
        "command": [*container.command, *container.args],
        "inputs": key or {name: _plain(value) for name, value in sorted(arguments.items())},
        "parameters": sorted((name, item.parameter_type) for name, item in outputs.parameters.items()),
        "artifacts": sorted((name, item.artifact_type.schema_title) for name, item in outputs.artifacts.items()),
    }
    return hashlib.sha256(json.dumps(fields, sort_keys=True, default=str).encode()).hexdigest()


def find(folder: Path, mark: str) -> dict[str, Any] | None:
    """The result remembered under a fingerprint."""
    try:
        return dict(json.loads((folder / f"{mark}.json").read_text()))
    except OSError:
        return None


def remember(folder: Path, mark: str, result: Mapping[str, Any]) -> None:
    """Remember a result; the newest counts, as in KFP."""
    write_atomically(folder / f"{mark}.json", json.dumps(result))


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return getattr(value, "uri", value)
