"""A job that a service of AWS does itself, such as a tuning: created or adopted, followed, stopped when we are.

For steps that run beside their launcher. Told to stop (SIGTERM reaches them as `Interrupted`), they stop the job,
exactly once, and wait until it has stopped; a network that is gone leaves it alone, so that the next run goes on.
A job of another run that lives is followed, and left to that run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from intermodal.aws.calls import Calls
from intermodal.aws.client import is_local
from intermodal.aws.job_kinds import COMPLETED, ENDED, STOPPED, STOPPING, JobKind, page_of
from intermodal.aws.jobs import create_or_adopt, end_error, find_job, stop_job, wait_for_end
from intermodal.aws.ownership import Ownership
from intermodal.aws.request import Request
from intermodal.aws.service_bills import log_bills
from intermodal.errors import IntermodalError, Interrupted, RuntimeFailed

_FIRST_PAUSE = 0.2
_GRACE = 300.0  # seconds that a stopped job is waited for: its training jobs are given 120 s each, side by side
_CREATED_LATE = 3.0  # how long a job may take to appear whose creation was interrupted
_MOST_ATTEMPTS = 50

Look = Callable[[dict[str, Any]], None]
Judge = Callable[[dict[str, Any]], bool]


class ServiceJob:
    """Does work through one job of a service.

    Args:
        calls: SageMaker.
        kind: The kind of job.
        request: The request of the n-th attempt; a name that a job ended badly under is never free again.
        region: Region, for the address that is printed.
        ownership: Knows whose jobs are.
        good: Whether an end that is not Completed is a good one all the same.
        sleep: How to wait; tests replace it.

    Attributes:
        name: The job's name; empty before it is asked for.
        ours: Whether it is for us to stop.
    """

    def __init__(
        self,
        calls: Calls,
        kind: JobKind,
        request: Callable[[int], Request],
        region: str,
        ownership: Ownership,
        good: Judge = lambda _description: False,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._calls, self._kind, self._request, self._region = calls, kind, request, region
        self._ownership, self._good, self._sleep = ownership, good, sleep
        self.name, self.ours = "", False

    def run(self, look: Look, attempt: int = 1) -> dict[str, Any]:
        """Create or adopt the job, and follow it to its end.

        Args:
            look: Given every description, the last too.
            attempt: The first attempt.

        Returns:
            Its description at its good end.

        Raises:
            StepFailed: It did not complete.
            RuntimeFailed: AWS refused, or did not answer.
            StoreFailed: Whose the job is could not be read or noted.
            Interrupted: We were told to stop; so was the job, unless it is another run's or the settings leave it.
        """
        try:
            while True:
                found = self._follow(self._begin(attempt), look)
                if self._is_good(found):
                    return found
                # Another run's job, which that run has stopped: we were not told to stop, so the work begins anew.
                if self.ours or self._kind.status(found) != STOPPED:
                    raise end_error(self._kind, self.name, found)
        except (Interrupted, KeyboardInterrupt, SystemExit):
            self._stop()
            raise

    def _begin(self, first: int) -> dict[str, Any]:
        for attempt in range(first, first + _MOST_ATTEMPTS):
            request = self._request(attempt)
            found, created = self._submitted(request)
            if created or self._is_good(found) or self._kind.status(found) not in ENDED | {STOPPING}:
                self._tell(found, created=created)
                return found
        raise RuntimeFailed(
            f"the {self._kind.name} job ended badly {_MOST_ATTEMPTS} times",
            seen=self.name,
            next_step="change a parameter, or delete these jobs",
        )

    def _submitted(self, request: Request) -> tuple[dict[str, Any], bool]:
        """Create or adopt; a new job is claimed before it is asked for: whoever is interrupted then must know."""
        self.ours, self.name = False, request.parameters[self._kind.name_member]
        absent = find_job(self._calls, self._kind, self.name) is None
        self.ours = self._ownership.claim_new(self.name) if absent else self._ownership.is_ours(self.name)
        found, created = create_or_adopt(self._calls, self._kind, request)
        takes_over = self.ours and not created and self._kind.status(found) not in ENDED
        if takes_over or (created and not self.ours):  # else somebody claimed it, and was slower
            self._ownership.claim(self.name)
            self.ours = True
        return found, created

    def _tell(self, found: dict[str, Any], *, created: bool) -> None:
        text = f"{self._kind.name} job {self.name} {'created' if created else 'adopted'}"
        if not self.ours and self._kind.status(found) not in ENDED:
            text += f"; it belongs to {self._ownership.other(self.name)}, and goes on when this run is stopped"
        if not is_local(self._calls.settings):  # AWS's console shows only what is AWS's
            text += f": {page_of(self._kind, self.name, self._region)}"
        print(text, flush=True)

    def _follow(self, found: dict[str, Any], look: Look) -> dict[str, Any]:
        pause = _FIRST_PAUSE
        while True:
            look(found)
            if self._kind.status(found) in ENDED:
                break
            self._sleep(pause)
            pause = min(1.5 * pause, self._calls.settings.poll)
            found = self._calls(self._kind.describe, **self._kind.named(self.name))
        log_bills(self._calls, self._kind, found, lambda: self._ownership.other(self.name))
        return found

    def _is_good(self, found: dict[str, Any]) -> bool:
        status = self._kind.status(found)
        return status == COMPLETED or (status in ENDED and self._good(found))

    def _stop(self) -> None:
        """Stop the job and wait; one whose creation was interrupted may appear a moment later."""
        if not self.name or self._calls.settings.on_interrupt == "leave" or self._is_left():
            return
        calls, until = self._calls.ending(), time.monotonic() + _CREATED_LATE
        while find_job(calls, self._kind, self.name) is None and time.monotonic() < until:
            self._sleep(_FIRST_PAUSE)
        if stop_job(calls, self._kind, self.name):
            print(f"{self._kind.name} job {self.name} was told to stop", flush=True)
        wait_for_end(calls, self._kind, self.name, _GRACE, self._sleep)

    def _is_left(self) -> bool:
        """Whether the job is another run's, asked again now: that run may have died since."""
        try:
            if self.ours or self._ownership.is_ours(self.name):
                return False
            whose = self._ownership.other(self.name)
        except IntermodalError as error:
            whose = f"perhaps another run's ({error.headline})"
        print(f"{self._kind.name} job {self.name} goes on: it belongs to {whose}", flush=True)
        return True
