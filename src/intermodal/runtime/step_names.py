"""Names by which `intermodal.toml` speaks of a pipeline's steps, and those that look like typing errors.

One file serves several pipelines, so a name that a pipeline does not have is no error; one that is nearly right is
told.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from intermodal.core.config import CONFIG_NAME
from intermodal.core.registry import known_steps
from intermodal.runtime.graph import GraphTask, tasks_of
from intermodal.runtime.pipeline import Pipeline

_NEAR = 0.88  # "featurise" is near "featurize", "train_a" is not near "train_b"


def names_of(tasks: tuple[GraphTask, ...]) -> dict[str, str]:
    """Every name of a task or step, in one spelling → as it is written.

    Args:
        tasks: The pipeline's tasks.
    """
    written = {item.name for item in tasks} | {item.step.rpartition(":")[2] for item in tasks if item.step}
    return {spelling(name): name for name in sorted(written)}


def spelling(name: str) -> str:
    """A name as it is compared: dashes and underscores are the same."""
    return name.replace("-", "_")


def misspelt_names(pipeline: Pipeline, extra: Mapping[str, Any]) -> list[str]:
    """What `intermodal.toml` seems to say of a step of this pipeline, and does not: a line each, for a warning.

    Args:
        pipeline: The pipeline.
        extra: The parsed file.
    """
    names = names_of(tasks_of(pipeline.spec))
    lines = []
    for section, given in _sections(extra):
        spelt = {spelling(name): name for name in given}
        for name in sorted(spelt.keys() - names.keys() - {spelling(step) for step in known_steps()}):
            near = difflib.get_close_matches(name, sorted(names.keys() - spelt.keys()), n=1, cutoff=_NEAR)
            if near:
                lines.append(
                    f"{CONFIG_NAME}: [{section}] {spelt[name]} is no step of {pipeline.name}: {names[near[0]]}?"
                )
    return lines


def warn_of_misspelt_names(pipeline: Pipeline, extra: Mapping[str, Any]) -> None:
    """Print a warning for each of `misspelt_names` on standard error.

    Args:
        pipeline: The pipeline.
        extra: The parsed file.
    """
    for line in misspelt_names(pipeline, extra):
        print(f"warning: {line}", file=sys.stderr, flush=True)


def _sections(extra: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Every section that is keyed by steps, with the names in it; malformed ones are others' to refuse."""
    for section in ("sagemaker", "kubeflow"):
        whole = extra.get(section)
        steps = whole.get("steps") if isinstance(whole, dict) else None
        if isinstance(steps, dict):
            yield f"{section}.steps", list(steps)
    place = extra.get("place")
    if isinstance(place, dict):
        yield "place", [step for step, where in place.items() if isinstance(where, str)]
