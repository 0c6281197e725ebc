"""The local runtime: a run from its record's first line to its report."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from intermodal.core.attempt import machine_mark, remove_abandoned
from intermodal.errors import IntermodalError, Interrupted, StoreFailed, UsageError
from intermodal.runtime.base import RunRequest, Runtime
from intermodal.runtime.ending import ended_record
from intermodal.runtime.failure import failure_of
from intermodal.runtime.graph import GraphTask, tasks_of
from intermodal.runtime.local.engine import Engine
from intermodal.runtime.local.hooks import hooked, run_pipeline
from intermodal.runtime.local.launch import InProcess, Launcher, Subprocess
from intermodal.runtime.observer import Observer
from intermodal.runtime.outcome import remove_unfinished
from intermodal.runtime.pipeline import all_arguments
from intermodal.runtime.record import (
    CANCELLED,
    PENDING,
    RUNNING,
    RunRecord,
    TaskRecord,
    find_record,
    list_records,
    new_run_id,
    now,
    this_process,
)
from intermodal.runtime.tracker import Tracker
from intermodal.store.local import STAGING

_POLL_SECONDS = 0.1


class LocalRuntime(Runtime):
    """Orders a pipeline's tasks on this machine, one at a time, and runs them here or where they are placed."""

    name = "local"
    leaves_jobs = False

    def run(self, request: RunRequest, observer: Observer) -> RunRecord:
        """See `Runtime.run`."""

        def work(engine: Engine) -> bool:
            with hooked(engine.run_step, engine.task_folder, run_command=engine.run_command):
                return run_pipeline(request.pipeline.spec, request.arguments, engine.folder / "kfp")

        self.check(request)
        record = _first_record(request, self.settings.runs, self.name)
        self.leaves_jobs = request.on_interrupt == "leave"
        return self.conduct(record, work, observer, use_cache=request.use_cache)

    def check(self, request: RunRequest) -> None:
        """See `Runtime.check`."""
        if self.name == "sagemaker" or set(request.placements.values()) - {"local"}:
            from intermodal.aws.settings import sagemaker_settings
            from intermodal.runtime.sagemaker.checking import require_acceptable

            require_acceptable(request, self.settings, sagemaker_settings(self.settings), self.name)

    def cancel(self, record: RunRecord) -> RunRecord:
        """See `Runtime.cancel`: tell the process that runs it, which stops its tasks in order."""
        if record.state != RUNNING or record.abandoned or record.machine != machine_mark():
            seen = "its process is gone" if record.abandoned else f"{record.state} on machine {record.machine}"
            raise UsageError("there is nothing to stop", seen=seen, next_step=f"intermodal status {record.run_id}")
        with suppress(ProcessLookupError):  # it ended by itself in this very moment
            os.kill(record.process, signal.SIGTERM)
        while record.process_lives:
            time.sleep(_POLL_SECONDS)
        return find_record(self.settings.runs, record.run_id)

    def launcher(self, record: RunRecord) -> Launcher:
        """What runs the tasks of a run.

        Args:
            record: The run.

        Raises:
            UsageError: There is no such way to run tasks, or no such place.
            RuntimeFailed: No container engine answers.
        """
        if record.runtime == "local" and not set(record.placements.values()) - {"local"}:
            return _launcher(record.mode, self.settings.home)
        from intermodal.runtime.placing import placed_launcher

        here = _launcher("subprocess" if record.runtime != "local" else record.mode, self.settings.home)
        return placed_launcher(record, self.settings, here, leaves_jobs=self.leaves_jobs)

    def conduct(
        self, record: RunRecord, work: Callable[[Engine], bool], observer: Observer, *, use_cache: bool = True
    ) -> RunRecord:
        """Run some work under a record: recorded, stoppable, reported.

        Args:
            record: The run, with its tasks PENDING.
            work: Runs the tasks through the engine it is given; whether all went well.
            observer: Who is told.
            use_cache: Whether remembered results may be used.

        Returns:
            The record at the end.

        Raises:
            StoreFailed: The disk of the home directory is full, or may not be written.
        """
        try:
            return self._conduct(record, work, observer, use_cache)
        except OSError as error:
            raise StoreFailed(
                f"the run could not be recorded under {self.settings.home}",
                seen=error,
                expected="a directory that this user may write, with free space",
                next_step="free some space, or set INTERMODAL_HOME to another place; then run the same command again",
            ) from error

    def _conduct(
        self, record: RunRecord, work: Callable[[Engine], bool], observer: Observer, use_cache: bool
    ) -> RunRecord:
        began = time.monotonic()
        _sweep(self.settings.home, self.settings.store)
        folder = self.settings.runs / record.run_id
        folder.mkdir(parents=True, exist_ok=True)
        launcher = self.launcher(record)
        tracker = Tracker(self.settings, folder)
        tracker.start()
        tracker.end_dead(self._bury(record.run_id))
        record.save(self.settings.runs)
        tracker.start_run(record)
        engine = Engine(record, self.settings, launcher, tracker, observer, use_cache=use_cache)
        observer.run_started(record)
        well, error = _guarded(engine, work, stop_on_interrupt=not isinstance(launcher, InProcess))
        ended = self._finish(ended_record(engine.record, well, error, began), tracker)
        observer.run_ended(ended)
        return ended

    def _finish(self, record: RunRecord, tracker: Tracker) -> RunRecord:
        """Record how the run ended, write its report, and wait for MLflow."""
        from intermodal.runtime.report import write_report

        ids = tracker.run_ids()
        if ids is not None:
            uri = self.settings.tracking_uri
            mlflow = {"run_id": ids.run_id, "experiment_id": ids.experiment_id, "url": ids.url, "tracking_uri": uri}
            record = replace(record, mlflow=mlflow)
        record.save(self.settings.runs)
        page = write_report(record, self.settings)
        if page is None:
            why = f"the report could not be drawn: see report-error.txt in {self.settings.runs / record.run_id}"
            record = replace(record, warnings=(*record.warnings, why))
        tracker.end_run(record, page)
        warning = tracker.close()
        record = replace(record, warnings=(*record.warnings, *([warning] if warning else [])))
        record.save(self.settings.runs)
        return record

    def _bury(self, current: str) -> list[str]:
        """Give runs whose process is gone their true state; their MLflow runs."""
        dead = [record for record in list_records(self.settings.runs) if record.abandoned]
        for record in dead:
            remove_unfinished(self.settings.runs / record.run_id)
            if record.run_id != current:
                tasks = tuple(replace(t, state=CANCELLED) if t.state == RUNNING else t for t in record.tasks)
                replace(record, state=CANCELLED, tasks=tasks).save(self.settings.runs)
        others = [record for record in dead if record.run_id != current]
        ids = [record.mlflow.get("run_id", "") for record in others]
        ids += [task.mlflow_run_id for record in dead for task in record.tasks if task.state == RUNNING]
        return [item for item in ids if item]


def _guarded(
    engine: Engine, work: Callable[[Engine], bool], *, stop_on_interrupt: bool
) -> tuple[bool, IntermodalError | None]:
    """Do the work; whether it went well, and the error that ended it other than a failed task's."""
    stopped = Interrupted("the run was interrupted", next_step="run the same command again to continue")
    try:
        with _stoppable(engine, stop_on_interrupt):
            well = work(engine)
            if engine.interrupted:
                raise stopped
            return well, None
    except (KeyboardInterrupt, Interrupted):
        with _deaf():
            engine.stop()
        return False, stopped
    except IntermodalError as raised:
        return False, raised
    except Exception as raised:  # kfp's orchestrator raises plain errors for what it cannot do
        return False, failure_of(raised, engine.record.pipeline)


def _launcher(mode: str, home: Path) -> Launcher:
    if mode == "in-process":
        return InProcess()
    if mode == "subprocess":
        return Subprocess()
    if mode == "container":
        from intermodal.runtime.local.containers import Containers

        return Containers(home)
    raise UsageError("unknown way to run tasks", seen=mode, expected="subprocess, in-process, container")


def _first_record(request: RunRequest, runs: Path, runtime: str) -> RunRecord:
    tasks = tuple(_pending(item) for item in tasks_of(request.pipeline.spec))
    fresh = RunRecord(
        run_id=request.resume or new_run_id(request.pipeline.name),
        pipeline=request.pipeline.name,
        reference=request.pipeline.reference,
        arguments=request.arguments,
        parameters=all_arguments(request.pipeline, request.arguments),
        mode=request.mode,
        **this_process(),
        directory=str(Path.cwd()),
        started=now(),
        tasks=tasks,
        runtime=runtime,
        placements=request.placements,
    )
    if not request.resume:
        return fresh
    known = find_record(runs, request.resume)
    return replace(fresh, mlflow=known.mlflow, placements=request.placements or known.placements)


def _pending(item: GraphTask) -> TaskRecord:
    return TaskRecord(item.name, step=item.step, state=PENDING, depends_on=item.depends_on)


def _sweep(home: Path, store: str) -> None:
    """Remove what killed processes left half-done; none of it was ever visible as an artifact."""
    remove_abandoned(home / "tmp")
    if "://" not in store:
        remove_abandoned(Path(store) / STAGING)


@contextmanager
def _deaf() -> Iterator[None]:
    """Told to stop twice, the run still stops all that it started; a job elsewhere takes minutes to stop."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {
        number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _stoppable(engine: Engine, stop_on_interrupt: bool) -> Iterator[None]:
    """SIGTERM, and Ctrl-C unless it belongs to the debugger, stop what runs, then the run."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        engine.terminate()
        if not engine.starting:  # else the engine ends the task as soon as it knows its process, and then the run
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGTERM, signal.SIGINT) if stop_on_interrupt else (signal.SIGTERM,)
    before: dict[int, Any] = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
