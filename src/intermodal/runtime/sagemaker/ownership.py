"""Whose a running job is: a job is stopped by the run that asked for it, or by the successor of a run that died.

It stands in the store beside the job's other files: a job's own description may not name the run, and not
every service lists the tags of a running job.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from intermodal.core.attempt import machine_mark, process_alive
from intermodal.runtime.record import RUNNING, load_record
from intermodal.runtime.sagemaker.job_files import job_prefix
from intermodal.store.locate import open_store


def claim(store: str, job: str, run_id: str) -> None:
    """Note that a job is this run's, whoever's it was.

    Args:
        store: Root of the artifact store.
        job: The job's name.
        run_id: The run.

    Raises:
        StoreFailed: The store did not answer.
    """
    open_store(store).write(_key(job), _claim(run_id))


def claim_new(store: str, job: str, run_id: str, runs: Path) -> bool:
    """Note that a job is this run's before it is asked for, unless a run that lives was faster.

    Args:
        store: Root of the artifact store.
        job: The job's name.
        run_id: The run.
        runs: Where this machine's runs are recorded.

    Returns:
        Whether it is this run's.

    Raises:
        StoreFailed: The store did not answer.
    """
    if open_store(store).write(_key(job), _claim(run_id), only_if_absent=True):
        return True
    if not is_ours(store, job, run_id, runs):
        return False
    claim(store, job, run_id)
    return True


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
    return owner.get("machine") == machine_mark() and not _is_alive(owner, runs)


def owner_of(store: str, job: str) -> dict[str, str]:
    """Who claimed a job last: {"run", "machine", "process"}; empty when nobody did.

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


def _claim(run_id: str) -> bytes:
    return json.dumps({"run": run_id, "machine": machine_mark(), "process": str(os.getpid())}).encode()


def _is_alive(owner: dict[str, str], runs: Path) -> bool:
    record = load_record(runs / owner["run"]) if owner.get("run") else None
    if record is not None:
        return record.state == RUNNING and process_alive(record.process)
    process = int(owner.get("process") or 0)  # of another home on this machine, or a pod's
    return process > 0 and process_alive(process)
