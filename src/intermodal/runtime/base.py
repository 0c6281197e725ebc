"""What a runtime is: a place that runs a compiled pipeline and keeps a true record of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

from intermodal.core.config import Settings
from intermodal.errors import UsageError
from intermodal.runtime.observer import Observer
from intermodal.runtime.pipeline import Pipeline
from intermodal.runtime.record import RunRecord

ENTRY_POINT_GROUP = "intermodal.runtimes"
RUNTIMES = {
    "local": "intermodal.runtime.local.runtime:LocalRuntime",
    "kubeflow": "intermodal.runtime.kubeflow.runtime:KubeflowRuntime",
    "sagemaker": "intermodal.runtime.sagemaker.runtime:SageMakerRuntime",
}


@dataclass(frozen=True)
class RunRequest:
    """What is to be run.

    Attributes:
        pipeline: The pipeline.
        arguments: Its arguments, of the declared types.
        mode: How tasks are run, where the runtime has several ways.
        use_cache: Whether remembered results may be used.
        placements: Task or step → runtime, where it differs from the pipeline's.
        resume: Run to go on with; a new one when empty.
        on_interrupt: "leave" or "cancel": what becomes of a run elsewhere when this process is told to stop;
            the runtime's own setting when empty.
        allow_mutable_tags: Submit images that are not named by digest.
        max_cost: Most that the run may cost by estimate, USD; 0 for the runtime's own setting.
    """

    pipeline: Pipeline
    arguments: dict[str, Any]
    mode: str = "subprocess"
    use_cache: bool = True
    placements: dict[str, str] = field(default_factory=dict)
    resume: str = ""
    on_interrupt: str = ""
    allow_mutable_tags: bool = False
    max_cost: float = 0.0


class Runtime(ABC):
    """Runs pipelines in one place.

    Args:
        settings: Where things live.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @abstractmethod
    def run(self, request: RunRequest, observer: Observer) -> RunRecord:
        """Run a pipeline to its end.

        Returns:
            The record; a failed task is in it, not raised.

        Raises:
            Interrupted: It was told to stop; everything it started has stopped.
            RuntimeFailed: The place itself did not answer.
        """

    def check(self, request: RunRequest) -> None:
        """Refuse what `run` would refuse before it starts anything; a runtime without conditions refuses nothing.

        Args:
            request: What is to be run.

        Raises:
            UsageError: The settings, or the pipeline, cannot be run here as they are.
        """
        return

    @property
    def store(self) -> str:
        """Root of the artifact store that its tasks write to."""
        return self.settings.store

    def refresh(self, record: RunRecord) -> RunRecord:
        """The record as it stands now; a runtime whose runs live elsewhere asks there.

        Args:
            record: As it was saved.

        Raises:
            RuntimeFailed: The place itself did not answer.
        """
        return record

    def cancel(self, record: RunRecord) -> RunRecord:
        """Stop a run that somebody else started, and wait until it has stopped.

        Args:
            record: As it was saved.

        Returns:
            The record at the end.

        Raises:
            UsageError: It cannot be stopped from here, or has ended.
            RuntimeFailed: The place itself did not answer.
        """
        raise UsageError("this runtime cannot stop a run that another process started", seen=record.runtime)


def known_runtimes() -> dict[str, str]:
    """Every runtime that has a name, those of other installed packages too: name → "module:class"."""
    from importlib import metadata

    announced = {point.name: point.value for point in metadata.entry_points(group=ENTRY_POINT_GROUP)}
    return {**announced, **RUNTIMES}


def open_runtime(name: str, settings: Settings) -> Runtime:
    """The runtime of that name.

    Raises:
        UsageError: There is none.
    """
    import importlib

    target = known_runtimes().get(name)
    if target is None:
        raise UsageError("there is no such runtime", seen=name, expected=", ".join(sorted(known_runtimes())))
    module, _, attribute = target.partition(":")
    made: Runtime = getattr(importlib.import_module(module), attribute)(settings)
    return made
