"""The driver of a Spark job that runs a step: the task wrapper of every job, on files of its own.

The program that EMR is given calls `run_step`; everything else stands in the environment and in the store.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from types import FrameType

from intermodal.core.executor_input import OPTIONS, TaskInput, parse
from intermodal.core.registry import load_function
from intermodal.errors import RuntimeFailed, StepFailed, from_json
from intermodal.runtime.context import TaskContext
from intermodal.runtime.emr.render import LIMIT_VARIABLE
from intermodal.runtime.sagemaker.job_files import JOB_VARIABLE, ROOT_VARIABLE, job_prefix
from intermodal.store.locate import open_store

_LAST_SECONDS = 120.0  # to leave word after the time is over
_OUT_OF_TIME = 75


def run_step() -> int:
    """Run the step of this job.

    Returns:
        0, or the exit code of the error, which fails the job run.
    """
    # kfp then imports only what executing needs.
    os.environ.setdefault("_KFP_RUNTIME", "true")
    signal.signal(signal.SIGTERM, _interrupt)
    _limit_time(float(os.environ.get(LIMIT_VARIABLE) or 0))
    from intermodal.runtime.sagemaker.job_task import run_job_task

    with tempfile.TemporaryDirectory(prefix="intermodal-spark-", ignore_cleanup_errors=True) as folder:
        os.environ[ROOT_VARIABLE] = folder  # EMR has no /opt/ml
        given = _given(os.environ["INTERMODAL_STORE"], os.environ[JOB_VARIABLE])
        function = load_function(given.raw[OPTIONS]["step"])
        outcome = run_job_task(function, given, TaskContext.from_environment(function.__name__))
    if not outcome.error:
        return 0
    error = from_json(outcome.error)
    print(f"error: {error}", file=sys.stderr)
    return error.exit_code


def _given(store: str, job: str) -> TaskInput:
    """The ExecutorInput that lies with the job."""
    from intermodal.aws.job_input import FILE_NAME

    content = open_store(store).read(f"{job_prefix(job)}/input/{FILE_NAME}")
    if content is None:
        raise RuntimeFailed("the job's ExecutorInput is not in the store", seen=f"{store}/{job_prefix(job)}/input")
    return parse(content.decode())


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # told twice, it still tidies up
    raise KeyboardInterrupt("the task was told to stop")


def _limit_time(seconds: float) -> None:
    """End the step when its time is over: EMR on EKS itself knows no limit."""

    def too_long(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGALRM, lambda _number, _frame: os._exit(_OUT_OF_TIME))
        raise StepFailed(
            "the Spark job took longer than it may",
            seen=f"{seconds:.0f} s",
            next_step="give it more time: max_runtime under [emr]",
        )

    signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, seconds, _LAST_SECONDS)
