"""What the driver of a Spark job printed, once EMR has written it to S3: without Spark's own chatter."""

from __future__ import annotations

from collections.abc import Callable


class DriverLog:
    """Gives the lines of a finished job once; EMR writes them to S3 when it likes, at the end at the latest.

    Args:
        read: Reads the whole log.
        place: Where it lies, for people.
    """

    def __init__(self, read: Callable[[], list[str]], place: str) -> None:
        self._read, self._place, self._given = read, place, 0

    def lines(self, *, search: bool = False) -> list[str]:
        """See `job_story.Log`: only a search reads, which happens when the job has ended."""
        if not search:
            return []
        every = [line for line in self._read() if " INFO " not in line and line.strip()]
        first, self._given = self._given, len(every)
        return every[first:] if every else [f"the driver's log is not on S3 yet; it comes under {self._place}"]
