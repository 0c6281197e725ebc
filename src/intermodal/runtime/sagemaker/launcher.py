"""Tasks as SageMaker jobs: each rendered, submitted or adopted, followed, and stopped when we are told to stop."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from intermodal.aws.billing import billed, shared_bill
from intermodal.aws.calls import Calls
from intermodal.aws.client import find_place, is_local, longest_pause
from intermodal.aws.job_kinds import COMPLETED, ENDED, IN_PROGRESS, KINDS, STOPPED, STOPPING, JobKind
from intermodal.aws.jobs import create_or_adopt, end_error, find_job, stop_job, wait_for_end
from intermodal.aws.logs import JobLog
from intermodal.aws.ownership import Ownership
from intermodal.aws.prices import load_prices
from intermodal.aws.request import Place, Request, TaskPlan
from intermodal.aws.settings import SageMakerSettings
from intermodal.core.config import Settings
from intermodal.errors import ArtifactCorrupt, IntermodalError, Interrupted, RuntimeFailed, StoreFailed
from intermodal.runtime.answer import write_executor_output
from intermodal.runtime.local.launch import Launch, Launcher, vanished
from intermodal.runtime.outcome import CACHED, CANCELLED, FAILED, SUCCEEDED, Outcome
from intermodal.runtime.sagemaker.collecting import Ended, collect
from intermodal.runtime.sagemaker.job_story import JobStory, Log
from intermodal.runtime.sagemaker.planning import parts_of, plan_of, remember, remembered
from intermodal.runtime.sagemaker.results import leave_outcome, outcome_of, usable_outcome
from intermodal.store.cache_index import CachedResult, CacheIndex
from intermodal.store.locate import open_store
from intermodal.store.ownership import StoredOwnership

if TYPE_CHECKING:
    from intermodal.runtime.sagemaker.render import RenderedJob

Answer = TypeVar("Answer")
_FIRST_PAUSE = 0.2
_GRACE = 240.0  # SageMaker gives a container 120 s after SIGTERM, and needs time around it
_POD_GRACE = 10.0  # a pod has 30 s in all, and must still say how its task ended
_CREATED_LATE = 3.0  # how long a job may take to appear whose creation was interrupted
_MOST_ATTEMPTS = 50


@dataclass
class Job:
    """A job that somebody here follows.

    Attributes:
        kind: Its kind.
        name: Its name.
        ownership: Knows whose jobs are.
        ours: Whether it is for us to stop.
        description: As AWS last described it.
        stopped: Whether it was told to stop here.
        collects: Whether its outputs are for its follower to publish.
    """

    kind: JobKind
    name: str
    ownership: Ownership
    ours: bool = True
    description: dict[str, Any] | None = None
    stopped: bool = False
    collects: bool = False


class Jobs(Launcher):
    """Runs each task as a SageMaker job.

    Args:
        settings: Where things live on this machine.
        sagemaker: `[sagemaker]`.
        pipeline: The pipeline's name.
        leave: Leave running jobs alone when told to stop.
        place: The account's places, where they are known; asked for otherwise.
    """

    mode = "jobs"
    service = "sagemaker"  # its name in boto3

    def __init__(
        self,
        settings: Settings,
        sagemaker: SageMakerSettings,
        pipeline: str,
        *,
        leave: bool = False,
        place: Place | None = None,
    ) -> None:
        self._settings, self._sagemaker, self._pipeline, self._leave = settings, sagemaker, pipeline, leave
        self._place = place
        self._calls = Calls(self.service, sagemaker, sleep=self._sleep)
        self._stopped = threading.Event()
        self._active: dict[str, Job] = {}
        self._lock = threading.Lock()

    @property
    def place(self) -> Place:
        """The account's places; AWS is asked for its number once."""
        if self._place is None:
            self._place = find_place(self._sagemaker)
        return self._place

    def run(self, launch: Launch) -> Outcome:
        """See `Launcher.run`."""
        if self._stopped.is_set():
            return vanished(launch.task.context.task, None)
        began = time.monotonic()
        known = self._patiently(partial(remembered, launch, self.place.store))
        if known is not None:
            return known
        plan = self._patiently(partial(plan_of, launch, self._pipeline, self._sagemaker, self.place))
        while True:
            job = self._submitted(plan, launch)
            try:
                outcome = self._followed(job, plan, launch)
            finally:
                if job.description is not None and job.kind.status(job.description) in ENDED:
                    self._forget(job)
            # A job of another run, which was told to stop: we were not, so the work begins anew.
            gone = not job.ours and job.kind.status(job.description or {}) == STOPPED
            if not gone or self._stopped.is_set():
                return replace(outcome, seconds=round(time.monotonic() - began, 3))

    def terminate(self) -> None:
        """See `Launcher.terminate`; a signal handler calls it, so nothing is asked here."""
        self._stopped.set()

    def stop(self) -> None:
        """See `Launcher.stop`: every job of ours is told once, and awaited."""
        self._stopped.set()
        calls = Calls(self.service, self._sagemaker.ending())
        with self._lock:
            jobs = [] if self._leave else list(self._active.values())
        grace = _POD_GRACE if os.environ.get("INTERMODAL_ON") else _GRACE
        told = []
        for job in jobs:
            with _warned(job):
                # asked again now: the run that a job was left to may have died since
                job.ours = job.ours or job.ownership.is_ours(job.name)
                if job.ours:
                    self._tell(calls, job)
                    told.append(job)
        for job in told:
            with _warned(job):
                wait_for_end(calls, job.kind, job.name, grace)
        for job in jobs:
            self._forget(job)

    def rendered(self, plan: TaskPlan) -> RenderedJob:
        """The request that does a task's work, and the files that it needs."""
        from intermodal.runtime.sagemaker.render import render_job

        return render_job(plan)

    def kind_of(self, request: Request) -> JobKind:
        """The kind of job that a request makes."""
        return KINDS[request.operation]

    def log_of(self, job: Job, plan: TaskPlan) -> Log:
        """What a job prints."""
        logs = Calls("logs", self._sagemaker, sleep=self._sleep)
        return JobLog(logs, job.kind, job.name, plan.job.instances)

    def bill_of(self, job: Job) -> dict[str, Any]:
        """What a job that has ended was charged with; empty where there are no prices."""
        prices = load_prices(self._sagemaker.prices)
        return billed(job.kind.name.lower(), job.description or {}, prices).to_json()

    def _tell(self, calls: Calls, job: Job) -> None:
        """Stop a job; one whose creation was interrupted may appear a moment later."""
        until = time.monotonic() + (_CREATED_LATE if job.description is None else 0.0)
        while True:
            if stop_job(calls, job.kind, job.name):
                job.stopped = True
                return
            if job.description is not None or time.monotonic() > until:
                return
            if find_job(calls, job.kind, job.name) is not None:
                return  # it has ended by itself
            time.sleep(_FIRST_PAUSE)

    def _submitted(self, plan: TaskPlan, launch: Launch) -> Job:
        """The job that does this task: one that runs, or has done it, else a new one."""
        for attempt in range(1, _MOST_ATTEMPTS):
            rendered = self.rendered(replace(plan, attempt=attempt))
            request = rendered.requests[-1]
            kind = self.kind_of(request)
            store = open_store(self.place.store)
            for staged in rendered.staged_files:
                self._patiently(partial(store.write, staged.key, staged.content))
            owned = StoredOwnership(self.place.store, plan.run_id, self._settings.runs)
            job = Job(kind, rendered.name, owned, collects=rendered.collects)
            absent = find_job(self._calls, kind, job.name) is None
            job.ours = self._patiently(partial(owned.claim_new if absent else owned.is_ours, job.name))
            self._remember(job)  # before it is asked for: whoever is interrupted now must know what to stop
            try:
                job.description, created = create_or_adopt(self._calls, kind, request)
            except IntermodalError as error:
                if not isinstance(error, Interrupted):  # told to stop in the middle: it may exist
                    self._forget(job)
                raise
            if created and not job.ours:  # somebody claimed it, and was slower
                job.ours = True
                self._patiently(partial(owned.claim, job.name))
            if created or self._adopted(job):
                self._note(job, launch, created=created)
                return job
            self._forget(job)
        raise RuntimeFailed(
            f"task {plan.task} was tried too often",
            seen=f"{_MOST_ATTEMPTS} jobs of this name",
            next_step="change a parameter, or the pipeline's name",
        )

    def _adopted(self, job: Job) -> bool:
        """Whether a job that was there already can stand for ours."""
        if job.kind.status(job.description or {}) == STOPPING:
            job.description = wait_for_end(self._calls, job.kind, job.name, _GRACE, self._sleep)
        status = job.kind.status(job.description or {})
        if status == COMPLETED:
            told = self._patiently(partial(outcome_of, self.place.store, job.name))
            if job.collects and told is None:
                return True
            return self._patiently(partial(usable_outcome, self.place.store, job.name)) is not None
        if status != IN_PROGRESS:
            return False
        job.ours = self._patiently(partial(job.ownership.is_ours, job.name))
        if job.ours:
            self._patiently(partial(job.ownership.claim, job.name))
        return True

    def _note(self, job: Job, launch: Launch, *, created: bool) -> None:
        """Say where the task runs, in its record and in its log."""
        # AWS's console shows only what is AWS's
        page = "" if is_local(self._sagemaker) else job.kind.address(job.name, self.place.region)
        what = "submitted" if created else "adopted: it was running, or had ended, when we came"
        if not job.ours and job.kind.status(job.description or {}) == IN_PROGRESS:
            whose = self._patiently(partial(job.ownership.other, job.name))
            what += f"; it belongs to {whose}, and goes on when this run is stopped"
        launch.placed({"service": self.service, "kind": job.kind.name, "name": job.name, "url": page})
        with launch.task.context.log.open("a") as log:
            log.write(f"{self.service}: {job.kind.name.lower()} job {job.name} {what}\n")

    def _followed(self, job: Job, plan: TaskPlan, launch: Launch) -> Outcome:
        """Follow a job to its end."""
        story = JobStory(self.log_of(job, plan), job.kind, job.name, launch.task.context)
        pause, longest = _FIRST_PAUSE, longest_pause(self._sagemaker)
        while not self._stopped.is_set():
            description = job.description = job.kind.look(self._calls, job.name)
            story.look(description)
            launch.watch()
            if job.kind.status(description) in ENDED:
                return self._ended(job, plan, launch, story)
            self._stopped.wait(pause)
            pause = min(1.3 * pause, longest)
        return Outcome(CANCELLED)

    def _ended(self, job: Job, plan: TaskPlan, launch: Launch, story: JobStory) -> Outcome:
        """What a job's end means for its task."""
        description, status = job.description or {}, job.kind.status(job.description or {})
        self._patiently(partial(story.finish, description, open_store(self.place.store)))
        launch.watch()
        paid_by = self._patiently(partial(job.ownership.other, job.name))
        launch.billed(shared_bill(self.bill_of(job), paid_by))
        outcome = self._patiently(partial(self._outcome, job, plan, launch))
        if status == COMPLETED and outcome is not None and outcome.state in (SUCCEEDED, CACHED):
            result = self._patiently(partial(remember, launch, outcome))
            write_executor_output(launch.task.given, result)
            return outcome
        if outcome is not None and outcome.state == FAILED and outcome.error:
            return outcome
        if status == STOPPED and (job.stopped or self._stopped.is_set()):
            return Outcome(CANCELLED)
        if status == COMPLETED:
            return vanished(plan.task, 0)
        return Outcome(FAILED, error=end_error(job.kind, job.name, description).to_json())

    def _outcome(self, job: Job, plan: TaskPlan, launch: Launch) -> Outcome | None:
        """How the job says its task ended; what it could not publish itself is published now."""
        told = outcome_of(self.place.store, job.name)
        description = job.description or {}
        if told is not None or not job.collects or job.kind.status(description) != COMPLETED:
            return told
        ended = Ended(job.name, description, plan, parts_of(launch))
        outcome = collect(ended, launch.task.context.settings.home)
        # First: whoever comes after us trusts an outcome only with its entry in the memory.
        found = CachedResult(ended.parts, outcome.outputs, outcome.values, "", outcome.seconds)
        CacheIndex(open_store(self.place.store)).remember(found, plan.task)
        leave_outcome(self.place.store, job.name, outcome)
        return outcome

    def _patiently(self, work: Callable[[], Answer]) -> Answer:
        """Ask the store as patiently as SageMaker is asked; all that is asked of it may be asked twice."""
        until, pause = time.monotonic() + self._sagemaker.patience, _FIRST_PAUSE
        while True:
            try:
                return work()
            except ArtifactCorrupt:
                raise
            except StoreFailed:
                if time.monotonic() + pause > until:
                    raise
            self._sleep(pause)
            pause = min(2 * pause, self._sagemaker.poll)

    def _sleep(self, seconds: float) -> None:
        """Wait, but not when we are told to stop."""
        if self._stopped.wait(seconds):
            raise Interrupted("the run was told to stop", next_step="run the same command again to continue")

    def _remember(self, job: Job) -> None:
        with self._lock:
            self._active[job.name] = job

    def _forget(self, job: Job) -> None:
        with self._lock:
            self._active.pop(job.name, None)


@contextlib.contextmanager
def _warned(job: Job) -> Iterator[None]:
    """Go on with the other jobs when one cannot be stopped; say so."""
    try:
        yield
    except IntermodalError as error:
        line = f"warning: the {job.kind.name.lower()} job {job.name} may go on: {error.headline}; intermodal reap"
        print(line, file=sys.stderr, flush=True)
