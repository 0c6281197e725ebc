"""Where single steps run: `--place STEP=RUNTIME` and `[place]` of `intermodal.toml`, checked against a pipeline."""

from __future__ import annotations

import difflib
from typing import Any

from intermodal.aws.emr import PLACES as SPARK_PLACES
from intermodal.core.registry import load_function
from intermodal.core.sections import table
from intermodal.core.step import spec_of
from intermodal.errors import UsageError
from intermodal.runtime.graph import GraphTask, tasks_of
from intermodal.runtime.pipeline import Pipeline
from intermodal.runtime.placing import LOCAL, PLACES
from intermodal.runtime.step_names import names_of, spelling

_WITHIN = {"kubeflow": ("kubeflow", *sorted(PLACES))}  # a pod delegates, and nothing runs beside a pod


def read_placements(words: list[str], runtime: str, pipeline: Pipeline, extra: dict[str, Any]) -> dict[str, str]:
    """Read where single steps are to run; what is typed wins over the file, a pipeline's own table over `[place]`.

    Args:
        words: "STEP=RUNTIME" each; STEP is a task's name in the pipeline, or a step's.
        runtime: The pipeline's own runtime.
        pipeline: The pipeline.
        extra: The parsed `intermodal.toml`: `[place]` holds STEP = "RUNTIME" for every pipeline that has the
            step, `[place.PIPELINE]` for one.

    Returns:
        Task or step → runtime.

    Raises:
        UsageError: A word is no placement, or names what is not there.
    """
    given = table(extra.get("place", {}), "place")
    own = table(given.get(pipeline.name, {}), f"place.{pipeline.name}")
    tasks = tasks_of(pipeline.spec)
    everywhere = {step: place for step, place in given.items() if isinstance(place, str)}
    found = {step: place for step, place in everywhere.items() if spelling(step) in names_of(tasks)}
    found = {step: _checked(step, f"{step}={place}", place, runtime, tasks) for step, place in (found | own).items()}
    for word in words:
        step, equals, place = word.partition("=")
        found[step] = _checked(step, word, place if equals else "", runtime, tasks)
    return found


def _checked(step: str, word: str, place: object, runtime: str, tasks: tuple[GraphTask, ...]) -> str:
    places = _WITHIN.get(runtime, (LOCAL, *sorted(PLACES)))
    if place not in places:
        expected = f"STEP=RUNTIME, a runtime of {', '.join(places)}"
        raise UsageError(f"a placement on {runtime} is wrong", seen=word, expected=expected)
    names = names_of(tasks)
    if spelling(step) not in names:
        near = difflib.get_close_matches(spelling(step), names, n=1)
        known = ", ".join(names[name] for name in near or sorted(names))
        raise UsageError("the pipeline has no such step", seen=step, expected=known or "a step")
    if place in SPARK_PLACES:
        _require_spark(step, str(place), tasks)
    return str(place)


def _require_spark(step: str, place: str, tasks: tuple[GraphTask, ...]) -> None:
    """Refuse a place that runs Spark alone for a step that is not made for it."""
    from intermodal.runtime.emr.render import require_spark

    for task in tasks:
        if spelling(step) not in names_of((task,)):
            continue
        if not task.step:
            raise UsageError("only a step of intermodal runs on EMR", seen=f"{step}={place}", expected="such a step")
        require_spark(spec_of(load_function(task.step)), place)
