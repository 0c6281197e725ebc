"""Whose a running job is, noted in the store beside the job's other files.

A job's own description may not name the run, and not every service lists the tags of a running job.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from intermodal.aws.job_environment import JOB_VARIABLE
from intermodal.aws.names import JOBS_FOLDER
from intermodal.aws.ownership import Ownership
from intermodal.aws.request import TaskPlan
from intermodal.core.attempt import machine_mark, process_alive
from intermodal.core.config import load_settings
from intermodal.core.run_state import goes_on
from intermodal.store.locate import open_store


@dataclass(frozen=True)
class Owner:
    """Who claimed a job.

    Attributes:
        run: The run; empty for a step on its own.
        machine: Mark of its machine; in a job's container, where machines may all have one name, that job.
        process: Number of its process there.
    """

    run: str = ""
    machine: str = ""
    process: int = 0

    @classmethod
    def this_one(cls, run_id: str) -> Owner:
        """This process, for a run."""
        return cls(run_id, _here(), os.getpid())

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Owner:
        """As it was written.

        Raises:
            ValueError: The process is no number.
        """
        return cls(str(fields.get("run", "")), str(fields.get("machine", "")), int(fields.get("process") or 0))

    def is_same(self, other: Owner) -> bool:
        """Whether both are the same run, or the same process where there is none."""
        return self.run == other.run if self.run or other.run else self == other

    def is_dead(self, runs: Path) -> bool:
        """Whether its run is known to have ended, or died: of other machines nothing is known.

        Args:
            runs: Where this machine's runs are recorded.
        """
        if self.machine != _here():
            return False
        lives = goes_on(runs, self.run)
        # No record: a run of another home on this machine, or a step on its own.
        return not (process_alive(self.process) if lives is None and self.process > 0 else lives)

    def in_words(self) -> str:
        """Its run, else its process, for people."""
        return self.run or (f"process {self.process}" if self.process else "an earlier run")


class StoredOwnership(Ownership):
    """Notes in the store whose jobs are.

    Args:
        store: Root of the artifact store.
        run_id: The run on whose behalf; empty for a step on its own.
        runs: Where this machine's runs are recorded.
    """

    def __init__(self, store: str, run_id: str, runs: Path) -> None:
        self._store, self._run_id, self._runs = store, run_id, runs

    def claim(self, job: str) -> None:
        """See `Ownership.claim`."""
        open_store(self._store).write(_key(job), self._claim())

    def claim_new(self, job: str) -> bool:
        """See `Ownership.claim_new`."""
        if open_store(self._store).write(_key(job), self._claim(), only_if_absent=True):
            return True
        if not self.is_ours(job):
            return False
        self.claim(job)
        return True

    def is_ours(self, job: str) -> bool:
        """See `Ownership.is_ours`."""
        owner = owner_of(self._store, job)
        return owner is not None and (self._is_this(owner) or owner.is_dead(self._runs))

    def other(self, job: str) -> str:
        """See `Ownership.other`."""
        owner = owner_of(self._store, job) or Owner()
        return "" if self._is_this(owner) else owner.in_words()

    def _is_this(self, owner: Owner) -> bool:
        return owner.is_same(Owner.this_one(self._run_id))

    def _claim(self) -> bytes:
        return json.dumps(asdict(Owner.this_one(self._run_id))).encode()


def ownership_of(plan: TaskPlan) -> StoredOwnership:
    """For the run that this very process is a step of.

    Args:
        plan: The plan of its task.
    """
    return StoredOwnership(plan.place.store, plan.run_id, load_settings().runs)


def owner_of(store: str, job: str) -> Owner | None:
    """Who claimed a job last; None when nobody did.

    Args:
        store: Root of the artifact store.
        job: The job's name.

    Raises:
        StoreFailed: The store did not answer.
    """
    content = open_store(store).read(_key(job))
    try:
        return Owner.from_fields(json.loads(content)) if content else None
    except (ValueError, TypeError, AttributeError):
        return None


def _here() -> str:
    return os.environ.get(JOB_VARIABLE) or machine_mark()


def _key(job: str) -> str:
    return f"{JOBS_FOLDER}/{job}/owner.json"
