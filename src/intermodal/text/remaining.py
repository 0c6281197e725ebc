"""How far a long piece of work is, and how long the rest will take."""

from __future__ import annotations

import time
from collections.abc import Callable

from intermodal.core.events import log_progress


class Remaining:
    """Progress of work whose parts differ in cost, told in per cent with the time that is left.

    Args:
        total: All work, in any unit that is proportional to time.
        clock: Seconds, for tests.
    """

    def __init__(self, total: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._total, self._done, self._clock, self._start = max(total, 1e-9), 0.0, clock, clock()
        self.note = ""

    def advance(self, work: float) -> None:
        """Say that so much more is done."""
        self._done = min(self._total, self._done + work)
        log_progress(round(100 * self._done / self._total, 1), 100, "%", self.told())

    def told(self) -> str:
        """The note with the time that is left."""
        if not self._done:
            return self.note
        left = (self._clock() - self._start) * (self._total / self._done - 1)
        minutes, seconds = divmod(round(left), 60)
        return f"{self.note}, {f'{minutes} min ' if minutes else ''}{seconds} s left"
