"""From a step and its ExecutorInput to the parts of its cache key."""

from __future__ import annotations

from typing import Any

from intermodal.core.cachekey import KeyParts
from intermodal.core.config import Settings
from intermodal.core.environment import environment_versions
from intermodal.core.executor_input import ArtifactReference, TaskInput
from intermodal.core.source import source_files
from intermodal.core.step import StepSpec
from intermodal.core.values import canonical
from intermodal.errors import UsageError
from intermodal.store.fingerprint import fingerprint
from intermodal.store.inputs import DIGEST_KEY, Stated, input_digest


def complete_parameters(spec: StepSpec, given: dict[str, Any]) -> dict[str, Any]:
    """Every parameter of a step, in canonical form, defaults included.

    Args:
        spec: The step.
        given: Values that were passed.

    Raises:
        UsageError: A required one is missing, an unknown one is given, or a type is wrong.
    """
    for name in given:
        spec.parameter(name)
    missing = [item.name for item in spec.parameters if item.required and given.get(item.name) is None]
    if missing:
        raise UsageError(f"step {spec.name} misses a parameter", seen="nothing", expected=", ".join(missing))
    return {item.name: canonical(item, given.get(item.name, item.default)) for item in spec.parameters}


def declared_parameters(spec: StepSpec, task: TaskInput) -> dict[str, Any]:
    """The parameters of an ExecutorInput that the step declares.

    KFP adds others: the final status for an exit handler, and what stands inside a text that it pieces together.
    """
    declared = {item.name for item in spec.parameters}
    return {name: value for name, value in task.parameters.items() if name in declared and value is not None}


def stated(item: ArtifactReference) -> Stated:
    """What KFP's metadata says of an input artifact."""
    digest = item.metadata.get(DIGEST_KEY, "")
    return Stated(item.schema, digest if isinstance(digest, str) else "")


def key_parts(spec: StepSpec, task: TaskInput, settings: Settings, image: str = "") -> KeyParts:
    """What the cache key of a task is made of.

    Args:
        spec: The step.
        task: Its ExecutorInput.
        settings: Where remembered fingerprints lie.
        image: A foreign image's reference; empty for the image families.

    Raises:
        ArtifactCorrupt: An input is not there.
        UsageError: A parameter is missing or wrong.
    """
    parameters = complete_parameters(spec, declared_parameters(spec, task))
    memory = settings.home / "fingerprints"
    sources = {name: fingerprint(parameters[name], memory) for name in spec.needs.sources}
    # What lies behind the name counts, not the name: a moved file is the same data.
    parameters |= {name: "(data)" for name, found in sources.items() if found is not None}
    return KeyParts(
        target=spec.target,
        source=source_files(spec.target),
        environment=environment_versions(spec.needs.image),
        image=image,
        parameters=parameters,
        inputs={
            name: [input_digest(item.uri, settings.store, stated(item)) for item in items]
            for name, items in sorted(task.inputs.items())
        },
        sources=sources,
    )
