"""A step as a pipeline of one task, for runtimes that know pipelines only."""

from __future__ import annotations

import inspect
import os
from typing import Any

from intermodal.core.step import Parameter, StepSpec
from intermodal.errors import UsageError
from intermodal.runtime.pipeline import Pipeline, pipeline_of


def one_task_pipeline(spec: StepSpec, arguments: dict[str, Any]) -> Pipeline:
    """Make a pipeline of one step; each input artifact becomes a parameter with its URI.

    Args:
        spec: The step.
        arguments: Its parameters and inputs, as `one_task_arguments` gives them.

    Raises:
        UsageError: The step is told about the pipeline that it ends, so it makes no sense on its own.
    """
    os.environ.pop("_KFP_RUNTIME", None)  # with it kfp leaves out what compiling needs
    from kfp import dsl

    from intermodal.core.component import component

    if spec.injected:
        raise UsageError(f"step {spec.name} cannot run on its own", seen=", ".join(spec.injected))
    made = component(spec.target)
    signature = _signature(spec, arguments)
    slots = {slot.name: getattr(dsl, slot.schema.removeprefix("system.")) for slot in spec.inputs}

    def task(*values: Any) -> None:
        given = dict(zip(signature.parameters, values, strict=True))
        for name, kind in slots.items():
            if name in given:
                given[name] = dsl.importer(artifact_uri=given[name], artifact_class=kind).output
        made(**given)

    task.__name__ = spec.name
    task.__signature__ = signature  # type: ignore[attr-defined]
    name = spec.name.replace("_", "-")
    return pipeline_of(dsl.pipeline(name=name, description=spec.summary)(task), f"step:{spec.target}")


def one_task_arguments(parameters: dict[str, Any], inputs: dict[str, str]) -> dict[str, Any]:
    """The arguments of such a pipeline; what is not set is left to the step."""
    return {**{name: value for name, value in parameters.items() if value is not None}, **inputs}


def _signature(spec: StepSpec, arguments: dict[str, Any]) -> inspect.Signature:
    """The step's parameters as KFP reads them, those without a default first."""
    slots = [Parameter(slot.name, str, None, required=True) for slot in spec.inputs]
    known = [item for item in (*slots, *spec.parameters) if item.name in arguments]
    kind, empty = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.empty
    words = [
        inspect.Parameter(
            item.name, kind, annotation=item.type, default=empty if item.default is None else item.default
        )
        for item in known
    ]
    return inspect.Signature(sorted(words, key=lambda word: word.default is not empty))
