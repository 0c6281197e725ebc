"""Runs nested under a task's own run: the trials of a tuning, the candidates of Autopilot.

A step that tries many things knows them only when it is over, or while it follows a service. It says them here, in
MLflow, under the run that its task was given; where tracking is off or away, the step goes on without.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from intermodal.core.config import load_settings
from intermodal.tracking.faults import describe
from intermodal.tracking.mlflow_import import set_defaults
from intermodal.tracking.recorder import FAILED, FINISHED, KILLED, Recorder

__all__ = ["FAILED", "FINISHED", "KILLED", "Child", "record_children"]


@dataclass(frozen=True)
class Child:
    """One nested run.

    Attributes:
        name: Its name, unique among its siblings.
        parameters: Its parameters.
        metrics: Its metrics.
        state: FINISHED, FAILED or KILLED.
        tags: Its tags.
        seconds: How long it took.
    """

    name: str
    parameters: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    state: str = FINISHED
    tags: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def record_children(children: Sequence[Child], artifacts: Sequence[Path] = (), folder: str = "") -> int:
    """Record nested runs under the task's run; said twice, they are there once.

    Args:
        children: The runs, all of which have ended.
        artifacts: Files or folders for the task's own run.
        folder: Where they go among its artifacts.

    Returns:
        How many were recorded: all, or none when there is no run, or MLflow is off or away.
    """
    parent, settings = os.environ.get("MLFLOW_RUN_ID", ""), load_settings()
    if not parent or settings.tracking_uri == "off":
        return 0
    set_defaults()
    try:
        from mlflow.tracking import MlflowClient

        recorder = Recorder(MlflowClient(settings.tracking_uri))
        for child in children:
            _record(recorder, parent, child)
        for path in artifacts:
            recorder.log_artifacts(parent, str(path), folder)
    except Exception as error:  # what was tried is in the artifact too: MLflow must not cost a tuning of hours
        print(f"warning: MLflow does not take the nested runs: {describe(error)}", file=sys.stderr, flush=True)
        return 0
    return len(children)


def _record(recorder: Recorder, parent: str, child: Child) -> None:
    ended = int(time.time() * 1000)
    handle = f"{parent}/{child.name}"
    recorder.start_task(
        child.name, parent, handle, child.parameters, child.tags, ms=ended - int(child.seconds * 1000), again=True
    )
    points = [(name, value, 0, ended) for name, value in sorted(child.metrics.items())]
    recorder.log_batch(handle, metrics=points)
    recorder.end(handle, child.state, ended)
