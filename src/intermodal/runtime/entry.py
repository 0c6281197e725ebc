"""An entry point as a value, and as work: what `mlflow run` asks for, checked before anything starts.

The process that reads the project's code is not the one that MLflow runs in. The two share this module: the
request that goes one way, the events that come back, and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from intermodal.core.config import Settings
from intermodal.errors import UsageError
from intermodal.runtime.observer import Observer
from intermodal.runtime.record import RunRecord

STEP, PIPELINE = "step", "run"
READY, REFUSED, ENDED = "ready", "refused", "ended"
CANCEL = "cancel"

Work = Callable[[Observer], RunRecord]


@dataclass(frozen=True)
class EntryRequest:
    """One entry point with its arguments.

    Attributes:
        kind: "step" or "run", as the verb of the command line that does the same.
        target: The step's name, or the pipeline's file.
        arguments: Parameter or input → value as text.
        runtime: Where to run it.
        mode: How tasks run, where the runtime has several ways.
        use_cache: Whether remembered results may be used.
        sections: Settings of runtimes, over those of `intermodal.toml`.
    """

    kind: str
    target: str
    arguments: dict[str, str]
    runtime: str = "local"
    mode: str = "subprocess"
    use_cache: bool = True
    sections: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Permission:
    """What the process needs before it may begin.

    Attributes:
        run_id: The MLflow run that was opened for it; it is adopted.
        stays: Whether it goes on when whoever started it is gone.
    """

    run_id: str
    stays: bool = False


def prepare(request: EntryRequest, settings: Settings) -> Work:
    """Check everything that can be checked before a run, and say how to do the work.

    Args:
        request: What is asked for.
        settings: Where things live.

    Returns:
        Does the work and returns its record.

    Raises:
        UsageError: There is no such step, pipeline or runtime; a parameter is missing, unknown, or of the
            wrong type.
    """
    _check_runtime(request.runtime)
    settings = replace(settings, extra=_merged(settings.extra, request.sections))
    return _step(request, settings) if request.kind == STEP else _pipeline(request, settings)


def _pipeline(request: EntryRequest, settings: Settings) -> Work:
    from intermodal.runtime.pipeline import load_pipeline, read_arguments

    pipeline = load_pipeline(request.target)
    unset = {item.name for item in pipeline.parameters if not item.required and item.default is None}
    given = {name: text for name, text in request.arguments.items() if text or name not in unset}
    words = [f"{name}={text}" for name, text in given.items()]
    return _on_runtime(pipeline, read_arguments(pipeline, words), request, settings)


def _step(request: EntryRequest, settings: Settings) -> Work:
    from intermodal.core.registry import load_spec
    from intermodal.core.values import from_text
    from intermodal.runtime.keys import complete_parameters
    from intermodal.runtime.single import check_inputs, run_single

    spec = load_spec(request.target)
    slots = {slot.name for slot in spec.inputs}
    inputs = {name: _uri(value, settings) for name, value in request.arguments.items() if name in slots and value}
    parameters = {}
    for name, text in request.arguments.items():
        if name in slots:
            continue
        declared = spec.parameter(name)
        if text or declared.default is not None:  # an `MLproject` can say None only by nothing
            parameters[name] = from_text(name, declared.type, text)
    complete = complete_parameters(spec, parameters)
    check_inputs(spec, inputs)
    if request.runtime == "local" and request.mode != "container":  # only a component knows its image
        return lambda observer: run_single(
            spec, parameters, inputs, settings, observer, mode=request.mode, use_cache=request.use_cache
        )
    from intermodal.runtime.one_task import one_task_arguments, one_task_pipeline

    arguments = one_task_arguments(complete, inputs)
    return _on_runtime(one_task_pipeline(spec, arguments), arguments, request, settings)


def _on_runtime(pipeline: Any, arguments: dict[str, Any], request: EntryRequest, settings: Settings) -> Work:
    from intermodal.runtime.base import RunRequest, open_runtime
    from intermodal.runtime.placements import read_placements
    from intermodal.runtime.step_names import warn_of_misspelt_names

    warn_of_misspelt_names(pipeline, settings.extra)
    runtime = open_runtime(request.runtime, settings)
    asked = RunRequest(
        pipeline,
        arguments,
        mode=request.mode,
        use_cache=request.use_cache,
        placements=read_placements([], request.runtime, pipeline, settings.extra),
        on_interrupt="cancel",  # whoever stops an MLflow run means the work, wherever it is done
    )
    runtime.check(asked)
    return lambda observer: runtime.run(asked, observer)


def _check_runtime(name: str) -> None:
    from intermodal import __version__
    from intermodal.runtime.base import known_runtimes

    known = known_runtimes()
    if name not in known:
        raise UsageError(
            f"the runtime {name} is not part of intermodal {__version__}",
            seen=name,
            expected=", ".join(sorted(known)),
            next_step="choose one of these, or install a package that announces it under intermodal.runtimes",
        )


def _uri(value: str, settings: Settings) -> str:
    """An artifact named in any way becomes its URI; what is no artifact of ours stays a path."""
    from intermodal.runtime.artifact_names import resolve_artifact

    if "://" in value or os.path.exists(value):
        return value if "://" in value else os.path.abspath(value)
    return resolve_artifact(value, settings)


def _merged(extra: dict[str, Any], sections: dict[str, dict[str, Any]]) -> dict[str, Any]:
    merged = dict(extra)
    for name, fields in sections.items():
        below = merged.get(name, {})
        if not isinstance(below, dict):
            raise UsageError(f"intermodal.toml: {name} has the wrong type", seen=repr(below), expected=f"[{name}]")
        merged[name] = {**below, **fields}
    return merged
