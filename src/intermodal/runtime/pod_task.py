"""Running a task in a pod: recorded in MLflow by itself, and delivered to where KFP looks."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from intermodal.core.config import Settings
from intermodal.core.events import JOURNAL_VARIABLE
from intermodal.core.executor_input import TaskInput
from intermodal.errors import IntermodalError, StoreFailed
from intermodal.runtime.context import TaskContext
from intermodal.runtime.outcome import CACHED, FAILED, SUCCEEDED, Outcome
from intermodal.runtime.pod import deliver, place_of, remember_outcome, with_local_inputs
from intermodal.runtime.recording import Recording
from intermodal.runtime.tail import Tail
from intermodal.runtime.task import Task, run_task

_LOOK_SECONDS = 1.0
_SAY_SECONDS = 5.0


def run_pod_task(function: Callable[..., Any], given: TaskInput, context: TaskContext) -> Outcome:
    """Run a task that no launcher of ours started.

    Args:
        function: The step's function.
        given: The ExecutorInput as KFP wrote it.
        context: What the environment says.

    Returns:
        How it ended. No error escapes.
    """
    place = place_of(given, function.__name__)
    folder = context.settings.home / "tasks" / (place.run_id or "alone") / place.task / (place.execution or "only")
    context = replace(context, run_id=place.run_id, task=place.task, folder=folder)
    folder.mkdir(parents=True, exist_ok=True)
    recording = Recording(function, given, context, place)
    context = replace(context, mlflow_run_id=recording.mlflow_run_id)
    with _journal_read(context, recording):
        outcome = _work(Task(function, with_local_inputs(given), context, keeps_copies=True))
    _finish_undisturbed()
    outcome = _handed_over(given, outcome, context.settings, recording.links)
    with contextlib.suppress(IntermodalError):  # a note for others: the task itself ended as it did
        remember_outcome(context.settings.store, place, outcome)
    recording.end(outcome)
    return outcome


def _work(task: Task) -> Outcome:
    """Do the task here, or where this pod was told to have it done."""
    if not os.environ.get("INTERMODAL_ON"):
        return run_task(task)
    from intermodal.runtime.sagemaker.delegate import run_delegated

    return run_delegated(task)


def _finish_undisturbed() -> None:
    """The work is done or given up: told to stop now, the task still hands over and says how it ended.

    What is left takes moments, and a pod has half a minute before it is killed.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _handed_over(given: TaskInput, outcome: Outcome, settings: Settings, links: dict[str, str]) -> Outcome:
    if outcome.state not in (SUCCEEDED, CACHED):
        return outcome
    try:
        deliver(given, outcome, settings.home / "inputs", settings.store, links)
    except IntermodalError as error:
        return replace(outcome, state=FAILED, error=error.to_json())
    except OSError as error:
        failure = StoreFailed("the outputs could not be put where KFP looks for them", seen=error)
        return replace(outcome, state=FAILED, error=failure.to_json())
    return outcome


@contextlib.contextmanager
def _journal_read(context: TaskContext, recording: Recording) -> Iterator[None]:
    """While the step runs: its curves go to MLflow, its progress into the pod's log."""
    os.environ[JOURNAL_VARIABLE] = str(context.journal)
    tail, over = Tail(context.journal), threading.Event()
    tail.lines()  # what an earlier attempt said
    said = 0.0

    def look() -> None:
        nonlocal said
        events = [json.loads(line) for line in tail.lines()]
        recording.journal(events)
        progress = [event for event in events if event["event"] == "progress"]
        if progress and time.monotonic() - said >= _SAY_SECONDS:
            said = time.monotonic()
            print(_line(progress[-1]), file=sys.stderr, flush=True)

    def follow() -> None:
        while not over.wait(_LOOK_SECONDS):
            look()

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        look()


def _line(event: dict[str, Any]) -> str:
    share = f"{100 * event['done'] / event['total']:.0f} %" if event["total"] else f"{event['done']:g} {event['unit']}"
    return f"progress: {share} {event['note']}".rstrip()
