"""A task that was started here and is done on SageMaker: by a pod of Kubeflow, say, which follows the job to its end.

The pod is told by its environment: `INTERMODAL_ON=sagemaker`. A pod that is evicted stops its job; one that
is killed leaves it, and the pod that Kubeflow starts in its place adopts it. A managed step's own function
follows what the service does, in the pod itself.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

from intermodal.aws.surroundings import PIPELINE_VARIABLE, SERVICE_VARIABLE
from intermodal.core.step import spec_of
from intermodal.errors import Interrupted
from intermodal.runtime.context import TaskContext
from intermodal.runtime.failure import failure_of
from intermodal.runtime.local.launch import InProcess, Launch
from intermodal.runtime.outcome import CANCELLED, FAILED, Outcome, write_atomically
from intermodal.runtime.placing import placed_launcher, work_of
from intermodal.runtime.record import RunRecord
from intermodal.runtime.tail import Tail
from intermodal.runtime.task import Task, look_up, run_task, serve

ON_VARIABLE = "INTERMODAL_ON"


def run_delegated(task: Task) -> Outcome:
    """Have a task done where `INTERMODAL_ON` says, and follow it.

    Args:
        task: The task; its answer for KFP is written as if it had run here.

    Returns:
        How it ended; the same is in `context.outcome`. No error escapes.
    """
    if spec_of(task.function).needs.job == "managed":
        return _followed_here(task)
    began = time.monotonic()
    try:
        outcome = _hit_or_launch(task, began)
    except BaseException as error:  # being told to stop must leave a true state behind too
        failure = failure_of(error, task.context.task)
        state = CANCELLED if isinstance(failure, Interrupted) else FAILED
        outcome = Outcome(state, seconds=round(time.monotonic() - began, 3), error=failure.to_json())
    outcome.save(task.context.outcome)
    return outcome


def _followed_here(task: Task) -> Outcome:
    """Run a managed step's function in this process, told which service does the work and for whom."""
    context = replace(task.context, engine=os.environ[ON_VARIABLE])
    os.environ.update({SERVICE_VARIABLE: context.engine, **context.to_environment()})
    return run_task(replace(task, context=context))


def _hit_or_launch(task: Task, began: float) -> Outcome:
    context = task.context
    work = work_of(context.task, spec_of(task.function), _record(task), context.settings)
    task = replace(task, context=replace(context, image=work or context.image))
    parts, result, why = look_up(task)
    if result is not None:
        return serve(task, result, why, began)
    missed = task.context.folder / "key.json"
    write_atomically(missed, json.dumps(parts.to_json()))
    launcher = placed_launcher(_record(task), task.context.settings, InProcess(), leaves_jobs=False)
    try:
        outcome = launcher.run(_launch(task, missed))
    except BaseException:
        launcher.stop()
        raise
    return outcome if outcome.reason else replace(outcome, reason=why)


def _record(task: Task) -> RunRecord:
    """The run as far as a single task knows it."""
    name = os.environ.get(PIPELINE_VARIABLE) or "pipeline"
    place = os.environ[ON_VARIABLE]
    return RunRecord(task.context.run_id, name, "", {}, {}, mode="jobs", runtime=place)


def _note_bill(context: TaskContext, bill: dict[str, float | str]) -> None:
    """Put what the job was charged with into the journal, from which this pod's own MLflow run takes it."""
    with context.journal.open("a") as journal:
        journal.write(json.dumps({"event": "bill", "bill": bill}) + "\n")


def _launch(task: Task, missed: Path) -> Launch:
    tail = Tail(task.context.log)
    context = replace(task.context, missed=str(missed))

    def watch() -> None:
        for line in tail.lines():
            print(line, flush=True)

    return Launch(
        task=replace(task, context=context),
        step=spec_of(task.function).target,
        command=[],
        image="",
        environment={},
        started=lambda _process: None,
        watch=watch,
        billed=lambda bill: _note_bill(context, bill),
        placed=lambda job: print(f"delegated to {job['service']}: {job['url']}", file=sys.stderr, flush=True),
    )
