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

RUNTIMES = {"local": "intermodal.runtime.local.runtime:LocalRuntime"}


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
    """

    pipeline: Pipeline
    arguments: dict[str, Any]
    mode: str = "subprocess"
    use_cache: bool = True
    placements: dict[str, str] = field(default_factory=dict)
    resume: str = ""


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


def open_runtime(name: str, settings: Settings) -> Runtime:
    """The runtime of that name.

    Raises:
        UsageError: There is none.
    """
    import importlib

    target = RUNTIMES.get(name)
    if target is None:
        raise UsageError("there is no such runtime", seen=name, expected=", ".join(sorted(RUNTIMES)))
    module, _, attribute = target.partition(":")
    made: Runtime = getattr(importlib.import_module(module), attribute)(settings)
    return made
