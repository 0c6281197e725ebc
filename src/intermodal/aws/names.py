"""Names for what is made on AWS: deterministic, within the service's limits, never used twice for different work."""

from __future__ import annotations

import re

from intermodal.errors import UsageError

JOB_LIMIT = 63
JOBS_FOLDER = "jobs"  # in the store: a folder for each job
AUTOML_LIMIT = 32
_DIGITS = 12
_OTHER = re.compile(r"[^a-zA-Z0-9]+")


def job_name(words: list[str], digest: str, attempt: int = 1, limit: int = JOB_LIMIT) -> str:
    """A name from words that people read, a digest of the work, and the attempt.

    The digest and the attempt are always whole; the words are shortened.

    Args:
        words: Such as pipeline and task; characters that SageMaker does not take become dashes.
        digest: Hexadecimal digest of the request; the first twelve digits are used.
        attempt: From 1; a name that was used is never free again.
        limit: Most characters.

    Raises:
        UsageError: The attempt is not a positive number.
    """
    if attempt < 1:
        raise UsageError("a job's attempts are counted from 1", seen=attempt)
    end = f"{digest[:_DIGITS]}" + (f"-{attempt}" if attempt > 1 else "")
    text = _OTHER.sub("-", "-".join(words)).strip("-")
    head = text[: limit - len(end) - 1].strip("-")
    return f"{head}-{end}" if head else end
