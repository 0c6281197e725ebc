"""An execution of a SageMaker pipeline: started once, followed to its end, stopped once."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from intermodal.aws.calls import Calls, Refused
from intermodal.aws.service_model import check_request
from intermodal.errors import IntermodalError, Interrupted, RuntimeFailed, StepFailed, from_json
from intermodal.runtime.outcome import Outcome
from intermodal.runtime.sagemaker.job_files import outcome_key
from intermodal.store.locate import open_store

SUCCEEDED, FAILED, STOPPED = "Succeeded", "Failed", "Stopped"
_ENDED = (SUCCEEDED, FAILED, STOPPED, "CompletedWithFailures")
_FIRST_LOOK = 0.2
_JOBS = ("ProcessingJob", "TrainingJob")

# One line on what happened
Say = Callable[[str], None]


@dataclass(frozen=True)
class StepState:
    """How a step stands.

    Attributes:
        name: Its name.
        status: Starting, Executing, Stopping, Stopped, Failed or Succeeded.
        cached: Whether an earlier execution's result was used.
        reason: Why it failed; empty otherwise.
        job: Name of its job; empty without one.
        outcome: Of a condition, "True" or "False".
        seconds: From its start to its end.
    """

    name: str
    status: str
    cached: bool = False
    reason: str = ""
    job: str = ""
    outcome: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Ended:
    """How an execution ended.

    Attributes:
        arn: Its ARN.
        status: Succeeded, Failed, Stopped or CompletedWithFailures.
        reason: Why it failed.
        steps: Its steps, in the order in which they were started.
    """

    arn: str
    status: str
    reason: str = ""
    steps: tuple[StepState, ...] = field(default=())


def error_of(ended: Ended, made: dict[str, Outcome]) -> IntermodalError | None:
    """The error that says why an execution did not succeed.

    Args:
        ended: The execution.
        made: How the tasks behind its steps ended.

    Returns:
        The failed task's own error where it left one; None when the execution succeeded.
    """
    if ended.status == SUCCEEDED:
        return None
    if ended.status == STOPPED:
        return Interrupted("the execution was stopped", seen=ended.arn, next_step="start it again, or retry it")
    failed = [step for step in ended.steps if step.status == FAILED]
    for step in failed:
        if step.name in made and made[step.name].error:
            return from_json(made[step.name].error)
    if not failed:
        return RuntimeFailed("the execution failed", seen=ended.reason or ended.status, expected=SUCCEEDED)
    first = failed[0]
    return StepFailed(
        f"step {first.name} failed",
        seen=first.reason or ended.reason,
        next_step=f"read the log of the job {first.job}" if first.job else "",
    )


def start(name: str, arguments: list[dict[str, str]], token: str, calls: Calls) -> str:
    """Start an execution.

    Args:
        name: The pipeline's name.
        arguments: As `argument_list` gives them.
        token: Two starts with the same token are one execution.
        calls: SageMaker.

    Returns:
        The execution's ARN.

    Raises:
        RuntimeFailed: AWS refused, or did not answer.
    """
    digest = hashlib.sha256(json.dumps([name, arguments, token]).encode()).hexdigest()
    request = {"PipelineName": name, "PipelineParameters": arguments, "ClientRequestToken": digest}
    check_request("sagemaker", "StartPipelineExecution", request)
    return str(calls("StartPipelineExecution", **request)["PipelineExecutionArn"])


def follow(arn: str, calls: Calls, say: Say) -> Ended:
    """Wait for an execution's end, telling what its steps do.

    Args:
        arn: The execution.
        calls: SageMaker.
        say: Told a line whenever a step's state changes.

    Raises:
        RuntimeFailed: AWS refused, or did not answer for too long.
    """
    known: dict[str, str] = {}
    pause = _FIRST_LOOK
    while True:
        found = calls("DescribePipelineExecution", PipelineExecutionArn=arn)
        steps = steps_of(arn, calls)
        for step in steps:
            if known.get(step.name) != step.status:
                known[step.name] = step.status
                say(_line(step))
                pause = _FIRST_LOOK
        status = found["PipelineExecutionStatus"]
        if status in _ENDED:
            return Ended(arn, status, found.get("FailureReason", ""), tuple(steps))
        time.sleep(pause)
        pause = min(1.5 * pause, calls.settings.poll)


def stop(arn: str, calls: Calls) -> None:
    """Stop an execution, unless it has ended; asked twice, it is stopped once.

    Args:
        arn: The execution.
        calls: SageMaker.
    """
    token = hashlib.sha256(f"stop {arn}".encode()).hexdigest()
    found = calls("DescribePipelineExecution", PipelineExecutionArn=arn)
    if found["PipelineExecutionStatus"] in (*_ENDED, "Stopping"):
        return
    try:
        calls("StopPipelineExecution", PipelineExecutionArn=arn, ClientRequestToken=token)
    except Refused as refused:
        if refused.code not in ("ConflictException", "ValidationException"):  # it ended in between
            raise


def steps_of(arn: str, calls: Calls) -> list[StepState]:
    """The steps of an execution that were started, in that order."""
    listed = calls.pages(
        "ListPipelineExecutionSteps", "PipelineExecutionSteps", PipelineExecutionArn=arn, SortOrder="Ascending"
    )
    return [_state(item) for item in listed]


def outcomes(ended: Ended, store: str) -> dict[str, Outcome]:
    """What the tasks behind the steps left in the store: step → how its task ended.

    Args:
        ended: The execution.
        store: Root of the artifact store.

    Raises:
        StoreFailed: The store did not answer.
    """
    opened = open_store(store)
    found = {step.name: opened.read(outcome_key(step.job)) for step in ended.steps if step.job}
    return {name: Outcome.from_fields(json.loads(text)) for name, text in found.items() if text is not None}


def _state(item: dict[str, Any]) -> StepState:
    metadata = item.get("Metadata", {})
    arns = [metadata[name]["Arn"] for name in _JOBS if name in metadata]
    began, ended = item.get("StartTime"), item.get("EndTime")
    return StepState(
        name=item["StepName"],
        status=item["StepStatus"],
        cached="CacheHitResult" in item,
        reason=item.get("FailureReason", ""),
        job=arns[0].rpartition("/")[2] if arns else "",
        outcome=metadata.get("Condition", {}).get("Outcome", ""),
        seconds=round((ended - began).total_seconds(), 1) if began and ended else 0.0,
    )


def _line(step: StepState) -> str:
    more = "an earlier execution's result" if step.cached else step.outcome or step.reason
    took = f" in {step.seconds:g} s" if step.seconds and not step.cached else ""
    return f"{step.name}: {step.status}{took}" + (f" ({more})" if more else "")
