"""Whose a running job is: a job is stopped by the run that asked for it, or by the successor of a run that died.

It stands in the store beside the job's other files: a job's own description may not name the run, and not
every service lists the tags of a running job.
"""

from __future__ import annotations

import json
from pathlib import Path

from intermodal.core.attempt import machine_mark, process_alive
from intermodal.runtime.record import RUNNING, load_record
from intermodal.runtime.sagemaker.job_files import job_prefix
from intermodal.store.locate import open_store


def claim(store: str, job: str, run_id: str) -> None:
    """Note that a job is this run's, before it is asked for.

    Args:
        store: Root of the artifact store.
        job: The job's name.
        run_id: The run.

    Raises:
        StoreFailed: The store did not answer.
    """
    text = json.dumps({"run": run_id, "machine": machine_mark()})
    open_store(store).write(_key(job), text.encode())


def is_ours(store: str, job: str, run_id: str, runs: Path) -> bool:
    """Whether a job that was found running is this run's to stop.

    Args:
        store: Root of the artifact store.
        job: The job's name.
        run_id: This run.
        runs: Where this machine's runs are recorded.

    Returns:
        True for this run's own, and for one whose run died on this machine.

    Raises:
        StoreFailed: The store did not answer.
    """
    owner = owner_of(store, job)
    if owner.get("run") == run_id:
        return True
    return owner.get("machine") == machine_mark() and not _is_alive(str(owner.get("run", "")), runs)


def owner_of(store: str, job: str) -> dict[str, str]:
    """Who claimed a job last: {"run", "machine"}; empty when nobody did.

    Args:
        store: Root of the artifact store.
        job: The job's name.

    Raises:
        StoreFailed: The store did not answer.
    """
    content = open_store(store).read(_key(job))
    try:
        return dict(json.loads(content)) if content else {}
    except (ValueError, TypeError):
        return {}


def _key(job: str) -> str:
    return f"{job_prefix(job)}/owner.json"


def _is_alive(owner: str, runs: Path) -> bool:
    record = load_record(runs / owner) if owner else None
    return record is not None and record.state == RUNNING and process_alive(record.process)
