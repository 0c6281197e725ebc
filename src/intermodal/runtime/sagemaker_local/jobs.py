"""Jobs: a thread each, a record that outlives the service, and the registry of all of them."""

from __future__ import annotations

import copy
import json
import shutil
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from intermodal.runtime.outcome import write_atomically
from intermodal.runtime.sagemaker_local.answers import now
from intermodal.runtime.sagemaker_local.operations import ApiError

if TYPE_CHECKING:
    from intermodal.runtime.sagemaker_local.service import Service

NOT_FOUND = "Requested resource not found."
_RESTARTED = "InternalServerError: the service was restarted"
_FAILED = "Failed"
_KINDS: dict[str, type[Job]] = {}
Kind = TypeVar("Kind", bound="Job")


@dataclass
class JobRecord:
    """All that is told of a job; it is written whenever it changes.

    Attributes:
        kind: Such as "TrainingJob".
        name: The job's name.
        arn: Its ARN.
        request: The request that made it.
        created: Seconds since 1970.
        status: As the API says it, such as "InProgress".
        secondary: The secondary status, for jobs that have one.
        transitions: Secondary statuses: Status, StartTime, EndTime, StatusMessage.
        started: When the container started; 0 before.
        ended: When the job ended; 0 before. A job with an end never changes again.
        modified: When the record changed last.
        failure: FailureReason; empty when there is none.
        facts: What else this kind tells in Describe, in the API's spelling.
    """

    kind: str
    name: str
    arn: str
    request: dict[str, Any]
    created: float
    status: str = "InProgress"
    secondary: str = ""
    transitions: list[dict[str, Any]] = field(default_factory=list)
    started: float = 0.0
    ended: float = 0.0
    modified: float = 0.0
    failure: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


class Job(ABC):
    """One job. Subclasses give `kind`, `arn_part`, `run` and `describe`; a failure of `run` fails the job.

    Args:
        service: The service.
        record: What is told of it.
    """

    kind: ClassVar[str]  # as in the operations: "TrainingJob"
    arn_part: ClassVar[str]  # "training-job"
    scratch: ClassVar[tuple[str, ...]] = ()  # folders of its own that are removed when it has ended well
    exists: ClassVar[str] = ""  # what is said of a name that is taken

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "kind" in cls.__dict__:
            _KINDS[cls.kind] = cls

    def __init__(self, service: Service, record: JobRecord) -> None:
        self.service, self.record = service, record
        self.stopping = threading.Event()
        self._lock = threading.RLock()
        self._done = threading.Event()
        if record.ended:
            self._done.set()

    @abstractmethod
    def run(self) -> None:
        """Do the work, in the job's own thread, and end with `finish`."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """The answer of Describe."""

    @classmethod
    def arn_of(cls, service: Service, name: str, request: dict[str, Any]) -> str:
        """The ARN of a job to be made.

        Args:
            service: The service.
            name: Its name.
            request: The request that makes it.
        """
        return service.arn(f"{cls.arn_part}/{name.lower()}")

    @property
    def name(self) -> str:
        """The job's name."""
        return self.record.name

    @property
    def arn(self) -> str:
        """The job's ARN."""
        return self.record.arn

    @property
    def request(self) -> dict[str, Any]:
        """The request that made it."""
        return self.record.request

    @property
    def status(self) -> str:
        """Its status; once it is a last one, the job has ended and all of its record stands."""
        with self._lock:
            return self.record.status

    @property
    def secondary(self) -> str:
        """Its secondary status."""
        return self.record.secondary

    @property
    def transitions(self) -> list[dict[str, Any]]:
        """Its secondary statuses, from the first."""
        return self.record.transitions

    @property
    def ended(self) -> bool:
        """Whether it has ended; its last status stands then."""
        with self._lock:
            return bool(self.record.ended)

    @property
    def folder(self) -> Path:
        """Folder of its own under the service's home."""
        return self.service.home / "jobs" / self.kind / self.name

    def start(self) -> None:
        """Start its thread."""
        threading.Thread(target=self._main, name=f"{self.kind} {self.name}", daemon=True).start()

    def stop(self) -> None:
        """Ask it to stop; nothing happens to one that has ended or is stopping."""
        with self.changing() as record:
            if record.ended or self.stopping.is_set():
                return
            record.status = "Stopping"
        self.stopping.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for its end.

        Args:
            seconds: At most so long.

        Returns:
            Whether it has ended.
        """
        return self._done.wait(seconds)

    @contextmanager
    def changing(self) -> Iterator[JobRecord]:
        """The record, to be changed; it is written afterwards."""
        with self._lock:
            yield self.record
            self.record.modified = now()
            self._write()

    def snapshot(self) -> JobRecord:
        """The record as it is now: a copy that nobody changes while it is read."""
        with self._lock:
            return copy.deepcopy(self.record)

    def enter(self, secondary: str, message: str = "") -> None:
        """Pass to another secondary status.

        Args:
            secondary: Such as "Downloading".
            message: Its StatusMessage.
        """
        with self.changing() as record:
            _close(record)
            record.secondary = secondary
            record.transitions.append({"Status": secondary, "StartTime": now(), "StatusMessage": message})

    def finish(self, status: str, failure: str = "", secondary: str = "", message: str = "") -> None:
        """The job has ended; the first call counts.

        Args:
            status: Such as "Completed".
            failure: FailureReason; cut at 1,024 characters.
            secondary: The last secondary status, for jobs that have one.
            message: Its StatusMessage.
        """
        with self.changing() as record:
            if record.ended:
                return
            if secondary:
                self.enter(secondary, message)
                _close(record)
            record.failure = failure[:1024]
            record.ended = now()
            record.status = status
        self._done.set()

    def _main(self) -> None:
        try:
            self.run()
        except ApiError as error:
            self.finish(_FAILED, f"ClientError: {error.message}", *self._failed())
        except Exception as error:  # whatever it is, the job must not stay InProgress
            self.finish(_FAILED, f"InternalServerError: {type(error).__name__}: {error}", *self._failed())
        self._tidy()

    def _tidy(self) -> None:
        """Remove what its hosts had on this machine; of a job that failed it stays, to be looked at."""
        if self.record.status != _FAILED:
            for part in self.scratch:
                shutil.rmtree(self.folder / part, ignore_errors=True)

    def _failed(self) -> tuple[str, ...]:
        return (_FAILED,) if self.record.secondary else ()

    def _write(self) -> None:
        write_atomically(self.folder / "job.json", json.dumps(asdict(self.record)))


class Jobs:
    """All jobs, those of earlier starts too.

    Args:
        service: The service.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._lock = threading.RLock()
        self._jobs: dict[tuple[str, str], Job] = {}

    def add(self, kind: type[Kind], name: str, request: dict[str, Any], **record: Any) -> Kind:
        """Make a job and start it.

        Args:
            kind: Its class.
            name: Its name.
            request: The request; its Tags are kept with the ARN.
            record: Other first values of its `JobRecord`.

        Raises:
            ApiError: ResourceInUse, the name is taken, by a job that has ended too.
        """
        arn = kind.arn_of(self._service, name, request)
        with self._lock:
            if (kind.kind, name) in self._jobs:
                raise ApiError("ResourceInUse", kind.exists or _taken(kind.arn_part))
            job = kind(self._service, JobRecord(kind.kind, name, arn, request, now(), **record))
            with job.changing():
                self._service.tags.put(arn, request.get("Tags", []))
            self._jobs[kind.kind, name] = job
        job.start()
        return job

    def get(self, kind: type[Kind], name: str) -> Kind:
        """A job.

        Raises:
            ApiError: ValidationException, there is none.
        """
        found = self.find(kind.kind, name)
        if not isinstance(found, kind):
            raise ApiError("ValidationException", NOT_FOUND)
        return found

    def find(self, kind: str, name: str) -> Job | None:
        """A job by the kind's name, or None."""
        return self._jobs.get((kind, name))

    def all(self, kind: type[Kind]) -> list[Kind]:
        """All jobs of a kind, the oldest first."""
        with self._lock:
            found = [job for job in self._jobs.values() if isinstance(job, kind)]
        return sorted(found, key=lambda job: job.record.created)

    def remove(self, kind: type[Job], name: str) -> None:
        """Forget a job that has ended, and its folder."""
        with self._lock:
            job = self._jobs.pop((kind.kind, name))
        shutil.rmtree(job.folder, ignore_errors=True)
        self._service.tags.forget(job.arn)

    def restore(self) -> None:
        """Read the jobs of earlier starts; those that were running have failed."""
        for path in sorted((self._service.home / "jobs").glob("*/*/job.json")):
            record = JobRecord(**json.loads(path.read_text()))
            if record.kind not in _KINDS:
                continue
            job = _KINDS[record.kind](self._service, record)
            self._jobs[record.kind, record.name] = job
            job.finish(_FAILED, _RESTARTED, *job._failed())

    def stop_all(self, seconds: float = 5.0) -> None:
        """Stop all that run, and wait; for the service's own end."""
        with self._lock:
            known = list(self._jobs.values())  # jobs may start others meanwhile
        running = [job for job in known if not job.ended]
        for job in running:
            job.stop()
        limit = time.monotonic() + seconds
        for job in running:
            job.wait(max(0.0, limit - time.monotonic()))


def _close(record: JobRecord) -> None:
    if record.transitions and "EndTime" not in record.transitions[-1]:
        record.transitions[-1]["EndTime"] = now()


def _taken(part: str) -> str:
    words = part.replace("-", " ")
    return f"Job name must be unique within an AWS account and region, and a {words} with this name already exists"
