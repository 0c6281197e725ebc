"""One task after another: looked up, launched, watched, recorded."""

from __future__ import annotations

import glob
import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from intermodal.core.config import Settings
from intermodal.core.executor_input import parse
from intermodal.core.registry import load_function
from intermodal.core.step import spec_of
from intermodal.errors import Interrupted, StepFailed
from intermodal.runtime.context import TaskContext
from intermodal.runtime.failure import failure_of
from intermodal.runtime.graph import template_of
from intermodal.runtime.keys import complete_parameters, declared_parameters
from intermodal.runtime.local.launch import Launch, Launcher
from intermodal.runtime.local.processes import Processes
from intermodal.runtime.observer import Observer
from intermodal.runtime.outcome import CANCELLED, FAILED, SUCCEEDED, Outcome, write_atomically
from intermodal.runtime.placing import engine_of, work_of
from intermodal.runtime.record import RUNNING, RunRecord, TaskRecord, now
from intermodal.runtime.tail import Tail, last_lines
from intermodal.runtime.task import Task, look_up, serve
from intermodal.runtime.tracker import Tracker, artifact_facts, manifest_or_none, metrics_of
from intermodal.store.cache_index import CachedOutput


class Engine:
    """Runs the tasks of one run, and keeps its record.

    Args:
        record: The run, with all its tasks PENDING.
        settings: Where things live.
        launcher: How tasks are run.
        tracker: Where they are recorded.
        observer: Who is told.
        use_cache: Whether remembered results may be used.
    """

    def __init__(
        self,
        record: RunRecord,
        settings: Settings,
        launcher: Launcher,
        tracker: Tracker,
        observer: Observer,
        *,
        use_cache: bool = True,
    ) -> None:
        self.record = record
        self.interrupted = False
        self._settings = settings
        self._launcher = launcher
        self._tracker = tracker
        self._observer = observer
        self._use_cache = use_cache
        self._processes = Processes()
        self._recorded: dict[str, str] = {}  # task that runs → its handle in the tracker
        self._lock = threading.RLock()

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self._settings.runs / self.record.run_id

    def task_folder(self, label: str) -> Path:
        """The folder of a task."""
        return self.folder / "tasks" / label

    def run_step(
        self,
        label: str,
        step: str,
        fields: dict[str, Any],
        image: str,
        command: list[str],
        environment: dict[str, str],
    ) -> bool:
        """Run one task; what `hooked` calls.

        Returns:
            Whether it went well.

        Raises:
            Interrupted: The run was told to stop.
        """
        if self.interrupted:
            raise Interrupted("the run was told to stop", next_step="run the same command again to continue")
        began = time.monotonic()
        task = replace(self._known(label, step), state=RUNNING, started=now(), error={}, reason="")
        self.task_folder(label).mkdir(parents=True, exist_ok=True)
        self._update(task)
        try:
            if not step:
                return self._foreign(task, fields["work"], began)
            ready = self._ready(label, step, fields)
            return self._hit_or_launch(task, ready, step, image, command, environment, began)
        except Interrupted:
            raise
        except Exception as error:  # kfp.local would log it, and lose it
            return self._end(task, Outcome(state=FAILED, error=failure_of(error, label).to_json()), "", began)

    def run_command(self, label: str, command: list[str], environment: dict[str, str]) -> int:
        """Run the command of a component that is not ours; its exit code. What `hooked` calls."""
        log = self.task_folder(label) / "log.txt"
        variables = {**os.environ, "PYTHONUNBUFFERED": "1", **environment}
        return self._processes.run(command, variables, log, self._watch(label, ""))

    @property
    def starting(self) -> bool:
        """Whether this thread is starting a process that would be lost if it were interrupted now."""
        return self._launcher.starting or self._processes.starting

    def terminate(self) -> None:
        """Tell whatever runs to stop, without waiting, and start nothing more; a signal handler calls it."""
        self.interrupted = True
        self._launcher.terminate()
        self._processes.terminate()

    def stop(self) -> None:
        """Stop whatever runs, wait until it has, and end its records."""
        self.interrupted = True
        self._launcher.stop()
        self._processes.stop()
        for label, handle in tuple(self._recorded.items()):
            task = replace(self._known(label, ""), state=CANCELLED)
            self._update(task)
            self._tracker.end_task(handle, task, Outcome(CANCELLED), int(time.time() * 1000))

    def _known(self, label: str, step: str) -> TaskRecord:
        """The record of a task; an iteration of a loop waits for what its task waits for."""
        template = self.record.task(template_of(label))
        made = TaskRecord(label, step=step, depends_on=template.depends_on if template else ())
        return self.record.task(label) or made

    def _ready(self, label: str, step: str, fields: dict[str, Any]) -> Task:
        function = load_function(step)
        text = json.dumps(_with_absolute_sources(fields, spec_of(function).needs.sources))
        write_atomically(self.task_folder(label) / "executor_input.json", text)
        spec = spec_of(function)
        context = TaskContext(
            self._settings,
            self.record.run_id,
            label,
            self.task_folder(label),
            image=work_of(label, spec, self.record, self._settings),
            use_cache=self._use_cache,
            engine=engine_of(label, spec, self.record),
        )
        return Task(function, parse(text), context)

    def _hit_or_launch(
        self,
        task: TaskRecord,
        ready: Task,
        step: str,
        image: str,
        command: list[str],
        environment: dict[str, str],
        began: float,
    ) -> bool:
        parts, result, why = look_up(ready)
        spec = spec_of(ready.function)
        parameters = complete_parameters(spec, declared_parameters(spec, ready.given))
        inputs = {name: [item.uri for item in items] for name, items in ready.given.inputs.items()}
        handle = self._recorded[task.name] = self._tracker.start_task(task, parameters, inputs)
        if result is not None:
            return self._end(task, serve(ready, result, why, began), handle, began)
        task = replace(task, reason=why, mlflow_run_id=self._tracker.task_run_id(handle))
        self._learn_mlflow_run()
        self._update(task)
        self._observer.task_started(task)
        missed = self.task_folder(task.name) / "key.json"
        write_atomically(missed, json.dumps(parts.to_json()))
        context = replace(ready.context, mlflow_run_id=task.mlflow_run_id, missed=str(missed))
        launch = Launch(
            task=replace(ready, context=context),
            step=step,
            command=command,
            image=image,
            environment=environment,
            started=lambda process: self._tracker.watch(handle, process),
            watch=self._watch(task.name, handle),
            placed=lambda job: self._note(task.name, job=job),
            billed=lambda bill: self._note(task.name, bill=bill),
        )
        outcome = replace_reason(self._launcher.run(launch), why)
        task = self._known(task.name, step)  # with what was noted of its job
        if self.interrupted:
            raise _interrupted(task.name)
        return self._end(task, outcome, handle, began)

    def _foreign(self, task: TaskRecord, work: Callable[[], bool], began: float) -> bool:
        """A component that is not one of ours, run by kfp's own runner."""
        why = "not an intermodal step: it always runs"
        handle = self._recorded[task.name] = self._tracker.start_task(task, {}, {})
        self._observer.task_started(task)
        try:
            went_well = work()
        except Exception as error:  # whatever kfp's runner raises ends this task, not our record of it
            if self.interrupted:
                raise _interrupted(task.name) from error
            return self._end(task, Outcome(FAILED, why, error=failure_of(error, task.name).to_json()), handle, began)
        if went_well:
            return self._end(task, Outcome(SUCCEEDED, why), handle, began)
        if self.interrupted:
            raise _interrupted(task.name)
        failure = StepFailed(f"task {task.name} failed", next_step="read the last lines of its log")
        return self._end(task, Outcome(FAILED, why, error=failure.to_json()), handle, began)

    def _watch(self, label: str, handle: str) -> Callable[[], None]:
        log, journal = Tail(self.task_folder(label) / "log.txt"), Tail(self.task_folder(label) / "journal.jsonl")
        log.lines()  # what an earlier attempt printed was shown then
        journal.lines()

        def look() -> None:
            for line in log.lines():
                self._observer.task_line(label, line)
            events = [json.loads(line) for line in journal.lines()]
            for event in events:
                if event["event"] == "progress":
                    self._observer.task_progress(label, event["done"], event["total"], event["unit"], event["note"])
                if event["event"] == "bill":
                    self._note(label, bill=event["bill"])
            if events and handle:
                self._tracker.journal(handle, events)

        return look

    def _end(self, task: TaskRecord, outcome: Outcome, handle: str, began: float) -> bool:
        outcome = _checked(outcome, task)
        ended = replace(
            task,
            state=outcome.state,
            seconds=round(time.monotonic() - began, 3),
            cached=outcome.state == "CACHED",
            reason=outcome.reason,
            artifacts=artifact_facts(outcome),
            metrics=metrics_of(outcome),
            values=outcome.values,
            error=outcome.error,
        )
        self._update(ended)
        self._recorded.pop(task.name, None)
        if handle:
            self._tracker.end_task(handle, ended, outcome, int(time.time() * 1000))
        failed = ended.state == FAILED
        self._observer.task_ended(ended, last_lines(self.task_folder(task.name) / "log.txt") if failed else [])
        if ended.state == CANCELLED:
            self.interrupted = True
            raise _interrupted(task.name)
        return not failed

    def _learn_mlflow_run(self) -> None:
        """Note the parent run as soon as it is known, so that a killed run can be given its true state."""
        if not self.record.mlflow and (ids := self._tracker.run_ids()) is not None:
            with self._lock:
                self.record = replace(self.record, mlflow={"run_id": ids.run_id, "url": ids.url})

    def _note(self, label: str, **fields: Any) -> None:
        """Note in a task's record what its launcher learnt while it runs."""
        with self._lock:
            self._update(replace(self._known(label, ""), **fields))

    def _update(self, task: TaskRecord) -> None:
        with self._lock:
            self.record = self.record.with_task(task)
            self.record.save(self._settings.runs)


def _interrupted(label: str) -> Interrupted:
    return Interrupted(f"task {label} was interrupted", next_step="run the same command again to continue")


def _with_absolute_sources(fields: dict[str, Any], sources: tuple[str, ...]) -> dict[str, Any]:
    """The ExecutorInput with local data named from the root, since a container's working directory is another."""
    given = fields.get("inputs", {}).get("parameterValues", {})
    local = {k: v for k, v in given.items() if k in sources and isinstance(v, str) and "://" not in v and glob.glob(v)}
    absolute = {name: os.path.abspath(value) for name, value in local.items()}
    return {**fields, "inputs": {**fields.get("inputs", {}), "parameterValues": {**given, **absolute}}}


def replace_reason(outcome: Outcome, why: str) -> Outcome:
    """An outcome that says why the cache missed, which a failed or killed task could not."""
    return outcome if outcome.reason else replace(outcome, reason=why)


def _checked(outcome: Outcome, task: TaskRecord) -> Outcome:
    """No manifest means that the task failed, whatever its runner says."""
    missing = [name for name, item in outcome.outputs.items() if _unpublished(item)]
    if not missing:
        return outcome
    error = StepFailed(
        f"task {task.name} ended well, but an output has no manifest",
        seen=", ".join(missing),
        expected="every output published",
        next_step="run the same command again",
    )
    return Outcome(state=FAILED, reason=outcome.reason, error=error.to_json())


def _unpublished(output: CachedOutput) -> bool:
    return manifest_or_none(output.uri) is None
