"""Kubeflow Pipelines as a runtime: submitted once, followed from here, recorded as a local run is.

The run belongs to the cluster: it goes on when this process is killed, and `intermodal resume` follows
it again. The record on this machine is a copy of what the server and the store say.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from intermodal.core.attempt import machine_mark
from intermodal.core.config import Settings
from intermodal.errors import Interrupted, RuntimeFailed, UsageError
from intermodal.runtime.base import RunRequest, Runtime
from intermodal.runtime.compiled import Rendered, locked_images, require_digests
from intermodal.runtime.graph import GraphTask, in_loop, tasks_of
from intermodal.runtime.kubeflow.client import require_host
from intermodal.runtime.kubeflow.delegation import delegations, stop_delegated
from intermodal.runtime.kubeflow.ending import finished, reopened
from intermodal.runtime.kubeflow.follow import Follower
from intermodal.runtime.kubeflow.links import linked
from intermodal.runtime.kubeflow.parent import Parent
from intermodal.runtime.kubeflow.patience import Refused
from intermodal.runtime.kubeflow.render import check_reachable, render
from intermodal.runtime.kubeflow.server import Server
from intermodal.runtime.kubeflow.settings import kubeflow_settings
from intermodal.runtime.kubeflow.submit import create_once, look_for, prepare
from intermodal.runtime.kubeflow.tasks import has_ended, run_state, seen_tasks
from intermodal.runtime.observer import Observer
from intermodal.runtime.pipeline import all_arguments, load_pipeline
from intermodal.runtime.pod import told_of
from intermodal.runtime.record import (
    RUNNING,
    SUCCEEDED,
    RunRecord,
    TaskRecord,
    find_record,
    new_run_id,
    now,
    this_process,
)

NAME = "kubeflow"
_OUTCOME_SECONDS = 5.0  # how long a task's last word may take to the store after the server's


class KubeflowRuntime(Runtime):
    """Runs pipelines on a Kubeflow Pipelines server; see `Runtime`."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.kubeflow = kubeflow_settings(settings)

    def run(self, request: RunRequest, observer: Observer) -> RunRecord:
        """See `Runtime.run`; a run to go on with is followed again, or has what failed repeated."""
        record = self._first_record(request)
        if not record.remote.get("run_id"):
            self.check(request)
        server = Server(self.kubeflow)
        record.save(self.settings.runs)
        observer.run_started(record)
        graph = tasks_of(request.pipeline.spec)
        cancel = (request.on_interrupt or self.kubeflow.on_interrupt) == "cancel"
        try:
            with _sigterm_interrupts():
                record = self._created(request, server, record)
                stale = self._reopened(server, record, graph) if request.resume else frozenset()
                record = find_record(self.settings.runs, record.run_id)
                return self._followed(server, record, graph, observer, stale)
        except KeyboardInterrupt:
            record = find_record(self.settings.runs, record.run_id)
            if cancel:
                return self._stopped(server, record, graph, observer)
            raise self._left(record) from None
        except RuntimeFailed as failed:
            self._given_up(record.run_id, failed)
            raise

    def check(self, request: RunRequest) -> None:
        """See `Runtime.check`."""
        require_host(self.kubeflow)
        check_reachable(self.kubeflow)
        self._rendered(request)

    @property
    def store(self) -> str:
        """See `Runtime.store`."""
        return self.kubeflow.store

    def refresh(self, record: RunRecord) -> RunRecord:
        """See `Runtime.refresh`."""
        followed = record.machine == machine_mark() and record.process_lives
        if record.state != RUNNING or followed or not record.remote.get("run_id"):
            return record
        server = Server(replace(self.kubeflow, patience=min(self.kubeflow.patience, 10.0)))
        follower = self._follower(server, record, _graph_of(record), Observer())
        if not has_ended(follower.look()):
            return follower.record
        return self._finished(follower, follower.follow(), Observer())  # followed, should a log come late

    def cancel(self, record: RunRecord) -> RunRecord:
        """See `Runtime.cancel`."""
        if record.state != RUNNING:
            raise UsageError("this run has ended", seen=record.state)
        return self._stopped(Server(self.kubeflow), record, _graph_of(record), Observer())

    def _first_record(self, request: RunRequest) -> RunRecord:
        if request.resume:
            record = find_record(self.settings.runs, request.resume)
            return replace(record, state=RUNNING, **this_process(), error={})
        return RunRecord(
            run_id=new_run_id(request.pipeline.name),
            pipeline=request.pipeline.name,
            reference=request.pipeline.reference,
            arguments=request.arguments,
            parameters=all_arguments(request.pipeline, request.arguments),
            mode="pods",
            **this_process(),
            directory=str(Path.cwd()),
            started=now(),
            tasks=tuple(
                TaskRecord(item.name, step=item.step, depends_on=item.depends_on)
                for item in tasks_of(request.pipeline.spec)
            ),
            runtime=NAME,
            placements=request.placements,
            remote={"host": self.kubeflow.host},
        )

    def _created(self, request: RunRequest, server: Server, record: RunRecord) -> RunRecord:
        """Upload what is to be run and create the run, unless the record has one; what is known is saved at once."""
        if record.remote.get("run_id"):
            return record
        rendered, asked = self._rendered(request, self._experiment()), "version_id" in record.remote
        submission = prepare(server, rendered, record.run_id, record.arguments)
        places = {
            "experiment_id": submission.experiment_id,
            "pipeline_id": submission.pipeline_id,
            "version_id": submission.version_id,
            "version": rendered.version,
        }
        record = replace(record, remote={**record.remote, **places})
        record.save(self.settings.runs)
        return self._noted(record, create_once(server, submission, asked=asked))

    def _experiment(self) -> str:
        """MLflow's experiment for the pods: where the parent run is, or will be."""
        return Parent(self.settings, self.kubeflow.mlflow_experiment, lambda _text: None).place()

    def _rendered(self, request: RunRequest, experiment: str = "") -> Rendered:
        """What is uploaded; refused when an image could change under it."""
        settings = replace(self.kubeflow, mlflow_experiment=experiment or self.kubeflow.mlflow_experiment)
        told = delegations(request, self.settings.extra)
        rendered = render(request.pipeline, settings, locked_images(), use_cache=request.use_cache, delegated=told)
        if not (request.allow_mutable_tags or self.kubeflow.allow_mutable_tags):
            require_digests(rendered)
        return rendered

    def _given_up(self, run_id: str, failed: RuntimeFailed) -> None:
        """A run that never began has failed; one that may be in the cluster is left as it stands there.

        From now on its tasks end its MLflow run, unless that was opened by somebody who ends it.
        """
        record = find_record(self.settings.runs, run_id)
        if record.remote.get("run_id"):
            if not os.environ.get("MLFLOW_RUN_ID"):
                Parent(self.settings, self.kubeflow.mlflow_experiment, lambda _text: None).release(record)
        elif isinstance(failed, Refused) or "version_id" not in record.remote:
            finished(record, None, failed).save(self.settings.runs)

    def _noted(self, record: RunRecord, run: Any) -> RunRecord:
        """The record with the server's run in it."""
        pages = self.kubeflow.ui_host or self.kubeflow.host
        found = {"run_id": str(run.run_id), "url": f"{pages}/#/runs/details/{run.run_id}"}
        record = replace(record, remote={**record.remote, **found})
        record.save(self.settings.runs)
        return record

    def _reopened(self, server: Server, record: RunRecord, graph: tuple[GraphTask, ...]) -> frozenset[str]:
        """Have what failed repeated, while a run that goes on is left to itself; marks of what is replaced."""
        run = server.run(record.remote["run_id"])
        if not has_ended(run) or run_state(run) == SUCCEEDED:
            return frozenset()
        server.retry(record.remote["run_id"])
        reopened(record).save(self.settings.runs)
        seen = seen_tasks(run, [item.name for item in graph], [item.name for item in graph if in_loop(item)])
        return frozenset(item.mark for item in seen if item.state != SUCCEEDED)

    def _followed(
        self,
        server: Server,
        record: RunRecord,
        graph: tuple[GraphTask, ...],
        observer: Observer,
        stale: frozenset[str],
    ) -> RunRecord:
        follower = self._follower(server, record, graph, observer, stale)
        mlflow = self._parent(follower).claim(record)
        follower.record = replace(follower.record, mlflow=mlflow or record.mlflow)
        follower.record.save(self.settings.runs)  # whoever is stopped now must know what to release
        return self._finished(follower, follower.follow(), observer)

    def _stopped(
        self, server: Server, record: RunRecord, graph: tuple[GraphTask, ...], observer: Observer
    ) -> RunRecord:
        """Stop the run in the cluster, and wait until it has stopped."""
        if not record.remote.get("run_id"):
            twins = _runs_of(server, record)
            if not twins:
                stopped = Interrupted("the run was stopped before it was created")
                record = finished(record, None, stopped)
                record.save(self.settings.runs)
                return record
            record = self._noted(record, twins[0])
        follower = self._follower(server, record, graph, observer)
        if not has_ended(follower.look()):
            server.terminate(record.remote["run_id"])
        run = follower.follow()
        stop_delegated(record.remote["run_id"], record.placements, self.settings)
        return self._finished(follower, run, observer)

    def _left(self, record: RunRecord) -> Interrupted:
        """The run goes on without us; its tasks end its MLflow run from now on."""
        record.save(self.settings.runs)
        Parent(self.settings, self.kubeflow.mlflow_experiment, lambda _text: None).release(record)
        created = "run_id" in record.remote
        return Interrupted(
            f"run {record.run_id} {'goes on in the cluster' if created else 'may have been created just now'}",
            seen=record.remote.get("url") or self.kubeflow.host,
            next_step=f"intermodal resume {record.run_id} follows it again; intermodal cancel {record.run_id} stops it",
        )

    def _follower(
        self,
        server: Server,
        record: RunRecord,
        graph: tuple[GraphTask, ...],
        observer: Observer,
        stale: frozenset[str] = frozenset(),
    ) -> Follower:
        store, run_id = self.kubeflow.store, record.remote["run_id"]
        return Follower(
            record, graph, server, lambda: told_of(store, run_id), self.settings.runs, observer, stale=stale
        )

    def _parent(self, follower: Follower) -> Parent:
        return Parent(self.settings, self.kubeflow.mlflow_experiment, follower.warn)

    def _finished(self, follower: Follower, run: Any, observer: Observer) -> RunRecord:
        """The record at the end: outcomes in it, MLflow's run ended, the report written."""
        from intermodal.runtime.report import write_report

        _settle(follower)
        parent = self._parent(follower)
        follower.record = linked(finished(follower.record, run, None), parent.tasks(follower.record))
        page = write_report(follower.record, replace(self.settings, store=self.kubeflow.store))
        if page is None:
            folder = self.settings.runs / follower.record.run_id
            follower.warn(f"the report could not be drawn: see report-error.txt in {folder}")
        parent.end(follower.record, page)
        follower.record.save(self.settings.runs)
        observer.run_ended(follower.record)
        return follower.record


def _settle(follower: Follower) -> None:
    """Wait a moment for the last outcomes: the server may know of a task's end before the store does."""
    until = time.monotonic() + _OUTCOME_SECONDS
    follower.settle()
    while follower.lacks_outcomes() and time.monotonic() < until:
        time.sleep(0.5)
        follower.settle()


def _runs_of(server: Server, record: RunRecord) -> list[Any]:
    """What the server has of a run of which we do not know whether it was created, or still is being created."""
    experiment = record.remote.get("experiment_id", "")
    return look_for(server, record.run_id, experiment) if experiment else []


def _graph_of(record: RunRecord) -> tuple[GraphTask, ...]:
    """The pipeline's tasks; from the record alone where the pipeline is not to be had any more."""
    try:
        return tasks_of(load_pipeline(record.reference).spec)
    except UsageError:
        return tuple(GraphTask(task.name, task.step, "", task.depends_on) for task in record.tasks)


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """SIGTERM counts as Ctrl-C does."""

    def stop(_number: int, _frame: Any) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
