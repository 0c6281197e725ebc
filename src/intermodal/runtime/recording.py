"""A task's nested MLflow run, opened by the task itself where no launcher of ours follows it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from intermodal.core.executor_input import TaskInput
from intermodal.core.step import spec_of
from intermodal.errors import IntermodalError
from intermodal.runtime.context import TaskContext
from intermodal.runtime.keys import complete_parameters, declared_parameters
from intermodal.runtime.outcome import CACHED, Outcome
from intermodal.runtime.pod import Place, with_local_inputs
from intermodal.runtime.record import RUNNING, TaskRecord, now
from intermodal.runtime.tracker import Tracker, artifact_facts, metrics_of


class Recording:
    """The task's nested MLflow run; nothing at all where no tracking URI was set.

    Args:
        function: The step's function.
        given: Its ExecutorInput.
        context: The surroundings; a nested run that was injected is adopted.
        place: The pipeline run, whose tasks share a parent, and the task's name.
    """

    def __init__(self, function: Callable[..., Any], given: TaskInput, context: TaskContext, place: Place) -> None:
        spec = spec_of(function)
        self._task = TaskRecord(place.task, step=spec.target, state=RUNNING, started=now())
        self._began = time.monotonic()
        self._tracker: Tracker | None = None
        self._shared = False
        self._handle = ""
        injected = context.mlflow_run_id
        if not os.environ.get("MLFLOW_TRACKING_URI") or not (injected or place.run_id):
            return
        self._tracker = Tracker(context.settings, context.folder)
        self._tracker.start()
        inputs = {name: [item.uri for item in items] for name, items in with_local_inputs(given).inputs.items()}
        try:
            parameters = complete_parameters(spec, declared_parameters(spec, given))
        except IntermodalError:
            parameters = dict(given.parameters)  # the task itself will say what is wrong with them
        if injected:
            self._handle = self._tracker.adopt_task(injected, self._task, parameters, inputs)
        else:
            self._shared = True
            self._tracker.join_run(place.run_id)
            self._handle = self._tracker.start_task(self._task, parameters, inputs)
        self._tracker.watch(self._handle, os.getpid())

    @property
    def mlflow_run_id(self) -> str:
        """The nested run's id; empty when there is none, or MLflow is away."""
        return self._tracker.task_run_id(self._handle) if self._tracker else ""

    @property
    def links(self) -> dict[str, str]:
        """Metadata that leads from an artifact to the nested run."""
        if self._tracker is None:
            return {}
        found = {"mlflow_run_id": self.mlflow_run_id, "mlflow_url": self._tracker.task_page(self._handle)}
        return {name: value for name, value in found.items() if value}

    def journal(self, events: list[dict[str, Any]]) -> None:
        """Record curve points, and remember what a job was charged with."""
        for event in events:
            if event.get("event") == "bill":
                self._task = replace(self._task, bill=event["bill"])
        if self._tracker:
            self._tracker.journal(self._handle, events)

    def end(self, outcome: Outcome) -> None:
        """End the run in its true state, and wait until MLflow has it."""
        if self._tracker is None:
            return
        ended = replace(
            self._task,
            state=outcome.state,
            seconds=round(time.monotonic() - self._began, 3),
            cached=outcome.state == CACHED,
            reason=outcome.reason,
            artifacts=artifact_facts(outcome),
            metrics=metrics_of(outcome),
            error=outcome.error,
        )
        self._tracker.end_task(self._handle, ended, outcome, int(time.time() * 1000))
        if self._shared:
            self._tracker.settle_run()
        warning = self._tracker.close()
        if warning:
            print(f"warning: {warning}", file=sys.stderr)
