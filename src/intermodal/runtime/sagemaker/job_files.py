"""Where a job's files lie, in its container and in the store: what the launcher and the job agree on."""

from __future__ import annotations

import os
from pathlib import Path

from intermodal.aws.names import JOBS_FOLDER

JOB_VARIABLE = "INTERMODAL_JOB"
ISOLATED_VARIABLE = "INTERMODAL_ISOLATED"
ROOT_VARIABLE = "INTERMODAL_ML"  # in the place of /opt/ml, where no container can be had
END_MARK = "intermodal: this task's last line"


def opt_ml() -> Path:
    """SageMaker's folder in the container."""
    return Path(os.environ.get(ROOT_VARIABLE) or "/opt/ml")


def in_container(path: str) -> Path:
    """A path below /opt/ml, as this process finds it."""
    return opt_ml() / path.removeprefix("/opt/ml/")


def is_training() -> bool:
    """Whether this is a training job's container."""
    return (opt_ml() / "input" / "config" / "hyperparameters.json").is_file()


def isolated_output() -> Path:
    """Where a job without a network leaves what SageMaker is to bring to S3."""
    return opt_ml() / ("output/data" if is_training() else "processing/output")


def job_prefix(job: str) -> str:
    """Key prefix of a job's files in the store."""
    return f"{JOBS_FOLDER}/{job}"


def outcome_key(job: str) -> str:
    """Key of how a job's task ended."""
    return f"{job_prefix(job)}/outcome.json"


def journal_key(job: str) -> str:
    """Key of everything a job's step said, as JSON lines."""
    return f"{job_prefix(job)}/journal.jsonl"
