"""`intermodal task`: what every container runs; not typed by people."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from intermodal.cli.main import new_parser
from intermodal.core.child import die_with
from intermodal.core.executor_input import OPTIONS, TaskInput, read
from intermodal.core.registry import load_function
from intermodal.errors import from_json
from intermodal.runtime.context import TaskContext
from intermodal.runtime.outcome import Outcome
from intermodal.runtime.pod_task import run_pod_task
from intermodal.runtime.task import Task, run_task

PARENT_VARIABLE = "INTERMODAL_PARENT"


def main(arguments: Sequence[str]) -> int:
    """Run one task.

    Args:
        arguments: `--step TARGET --executor_input JSON` (or `@FILE`).

    Returns:
        0, or the exit code of the error.
    """
    # kfp then imports only what executing needs: 0.04 s instead of 0.7 s.
    os.environ.setdefault("_KFP_RUNTIME", "true")
    parser = new_parser("task")
    parser.add_argument("--step", required=True, help="registry name or module:function")
    parser.add_argument("--executor_input", required=True, help="KFP's ExecutorInput: JSON, or @FILE")
    parser.add_argument("--protocol", default="", help="for kfp.local, which looks for it")
    options = parser.parse_args(arguments)
    _die_with_parent()
    signal.signal(signal.SIGTERM, _interrupt)
    given = read(options.executor_input)
    # A target too long for an argument of a SageMaker job stands in the ExecutorInput.
    function = load_function(given.raw[OPTIONS]["step"] if options.step == "@" else options.step)
    context = TaskContext.from_environment(function.__name__)
    outcome = _run(function, given, context)
    if not outcome.error:
        return 0
    error = from_json(outcome.error)
    if PARENT_VARIABLE not in os.environ:  # a launcher tells it itself
        print(f"error: {error}", file=sys.stderr)
    return error.exit_code


def _run(function: Callable[..., Any], given: TaskInput, context: TaskContext) -> Outcome:
    """Run the task as whoever started this process means it."""
    if given.raw.get(OPTIONS, {}).get("pipeline"):
        from intermodal.runtime.sagemaker.pipeline_task import run_pipeline_task

        return run_pipeline_task(function, given, context)
    if os.environ.get("INTERMODAL_JOB"):
        from intermodal.runtime.sagemaker.job_task import run_job_task

        return run_job_task(function, given, context)
    # A launcher of ours names its run; without one, KFP's own paths rule.
    return run_task(Task(function, given, context)) if context.run_id else run_pod_task(function, given, context)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # told twice, it still tidies up
    # No Exception: botocore, like many libraries, takes every Exception for a lost connection, and asks again.
    raise KeyboardInterrupt("the task was told to stop")


def _die_with_parent() -> None:
    """End this process when the launcher is killed, even by kill -9: no task is left running."""
    parent = os.environ.get(PARENT_VARIABLE)
    if parent:
        die_with(int(parent))
