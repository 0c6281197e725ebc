"""Whose a running job is: a job is stopped by whoever started it, or by nobody's successor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from intermodal.aws.calls import Calls, Refused
from intermodal.aws.job_kinds import JobKind
from intermodal.aws.tags import MACHINE, RUN
from intermodal.core.attempt import machine_mark, process_alive
from intermodal.runtime.record import RUNNING, load_record


def is_ours(calls: Calls, kind: JobKind, description: dict[str, Any], run_id: str, runs: Path) -> bool:
    """Whether a job that was found running is this run's to stop.

    Args:
        calls: SageMaker.
        kind: The job's kind.
        description: As AWS describes it.
        run_id: This run.
        runs: Where this machine's runs are recorded.

    Returns:
        True for this run's own, and for one whose run died on this machine.
    """
    tags = tags_of(calls, str(description.get(f"{kind.prefix}Arn", "")))
    owner = tags.get(RUN, "")
    if owner == run_id:
        return True
    return tags.get(MACHINE, "") == machine_mark() and not _is_alive(owner, runs)


def tags_of(calls: Calls, arn: str) -> dict[str, str]:
    """Tags of a resource; none where they may not be read.

    Args:
        calls: SageMaker.
        arn: The resource.
    """
    try:
        return {item["Key"]: item["Value"] for item in calls.pages("ListTags", "Tags", ResourceArn=arn)}
    except Refused:
        return {}


def _is_alive(owner: str, runs: Path) -> bool:
    record = load_record(runs / owner) if owner else None
    return record is not None and record.state == RUNNING and process_alive(record.process)
