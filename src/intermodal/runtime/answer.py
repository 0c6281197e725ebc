"""What a task answers KFP: plain values, and where its artifacts are."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from intermodal.core.executor_input import TaskInput
from intermodal.core.step import StepSpec
from intermodal.errors import StepFailed
from intermodal.runtime.outcome import write_atomically
from intermodal.store.cache_index import CachedResult


def returned_values(spec: StepSpec, answer: dict[str, Any]) -> dict[str, Any]:
    """The plain values a step returned.

    Args:
        spec: The step.
        answer: What KFP's executor wrote.

    Raises:
        StepFailed: One is missing, or KFP cannot carry it.
    """
    values: dict[str, Any] = answer.get("parameterValues", {})
    for name, kind in spec.return_types.items():
        if name not in values:
            raise StepFailed(f"the step returned no {name}", seen="None", expected=f"a value of type {kind.__name__}")
        if values[name] != finite(values[name]):
            raise StepFailed(f"the step returned a {name} that KFP cannot carry", seen=values[name], expected="finite")
    return values


def write_executor_output(given: TaskInput, result: CachedResult) -> None:
    """Answer KFP, with the store's URIs in place of the staging paths.

    Args:
        given: The task's ExecutorInput.
        result: What was published.
    """
    artifacts = {
        name: {
            "artifacts": [
                {"name": given.outputs[name].name or name, "uri": item.uri, "metadata": finite(item.metadata)}
            ]
        }
        for name, item in result.outputs.items()
        if name in given.outputs
    }
    answer = {"parameterValues": result.values, "artifacts": artifacts}
    write_atomically(Path(given.output_file), json.dumps({k: v for k, v in answer.items() if v}))


def finite(value: Any) -> Any:
    """The value with text in the place of NaN and infinity, for which KFP's JSON has no form."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
