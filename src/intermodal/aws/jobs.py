"""One job on SageMaker: created or adopted, looked at, stopped exactly once, and what its end means."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from intermodal.aws.calls import Calls, Refused
from intermodal.aws.job_kinds import ENDED, REQUEST_TAG, REQUEST_VARIABLE, STOPPED, STOPPING, JobKind
from intermodal.aws.request import Request
from intermodal.aws.service_model import check_request
from intermodal.errors import IntermodalError, RuntimeFailed, StepFailed

_LOOK_SECONDS = 0.2
_TAKEN = ("ResourceInUse", "ResourceInUseException", "ConflictException")


def create_or_adopt(calls: Calls, kind: JobKind, request: Request) -> tuple[dict[str, Any], bool]:
    """Create a job, or find that the same one is there already.

    AWS knows no token for these calls: the name is the token, and the digest in the job's environment says
    whether the job that has the name is the one that was meant.

    Args:
        calls: SageMaker.
        kind: The kind of job.
        request: The request, with a deterministic name.

    Returns:
        The job's description, and whether it was created here.

    Raises:
        UsageError: AWS would refuse the request.
        RuntimeFailed: The name is taken by a job that does something else; or AWS refused.
    """
    check_request(request.service, request.operation, request.parameters)
    name = request.parameters[kind.name_member]
    try:
        kind.start(calls, request.parameters)
        return kind.look(calls, name), True
    except Refused as refused:
        if not _is_taken(refused):
            raise explained(refused, request) from refused
    found = kind.look(calls, name)
    if not same_work(found, request.parameters):
        raise RuntimeFailed(
            f"the name of a job is taken by another {kind.name.lower()} job",
            seen=f"{name}: {_mark(found) or 'made by somebody else'}",
            expected=f"digest {_mark(request.parameters)}",
            next_step="change the pipeline's name, or ask whoever made it",
        )
    return found, False


def find_job(calls: Calls, kind: JobKind, name: str) -> dict[str, Any] | None:
    """The description of a job; None when there is none of that name.

    Raises:
        RuntimeFailed: AWS did not answer, or refused.
    """
    try:
        return kind.look(calls, name)
    except Refused as refused:
        if is_absent(refused):
            return None
        raise


def stop_job(calls: Calls, kind: JobKind, name: str) -> bool:
    """Tell a job to stop, unless it has ended or was told before.

    Args:
        calls: SageMaker.
        kind: Its kind.
        name: Its name.

    Returns:
        Whether it was told here.

    Raises:
        RuntimeFailed: AWS did not answer, or refused.
    """
    found = find_job(calls, kind, name)
    if found is None or kind.status(found) in ENDED | {STOPPING}:
        return False
    try:
        kind.halt(calls, name)
    except Refused as refused:
        # It ended between the look and the call: there is nothing left to stop.
        if "ValidationException" not in refused.code and not is_absent(refused):
            raise
        return False
    return True


def wait_for_end(
    calls: Calls, kind: JobKind, name: str, seconds: float, sleep: Callable[[float], None] = time.sleep
) -> dict[str, Any] | None:
    """Wait until a job has ended.

    Args:
        calls: SageMaker.
        kind: Its kind.
        name: Its name.
        seconds: How long to wait.
        sleep: How to wait.

    Returns:
        Its description at the end, None when there is no such job, or as it stands when the time is over.
    """
    until, pause = time.monotonic() + seconds, _LOOK_SECONDS
    while True:
        found = find_job(calls, kind, name)
        if found is None or kind.status(found) in ENDED or time.monotonic() > until:
            return found
        sleep(pause)
        pause = min(1.5 * pause, calls.settings.poll)


def same_work(description: dict[str, Any], request: dict[str, Any]) -> bool:
    """Whether a job does what a request asks; only jobs of ours say so."""
    return bool(_mark(request)) and _mark(description) == _mark(request)


def end_error(kind: JobKind, name: str, description: dict[str, Any]) -> IntermodalError:
    """Why a job did not come to a good end, as one clear error.

    Args:
        kind: Its kind.
        name: Its name.
        description: As AWS describes it, at its end.
    """
    secondary, reason = str(description.get("SecondaryStatus", "")), str(description.get("FailureReason", ""))
    reason = "; ".join(part for part in (str(description.get("ExitMessage", "")), reason) if part)
    what = f"the {kind.name.lower()} job {name}"
    if "MaxRuntimeExceeded" in (secondary, reason) or "MaxRuntimeExceeded" in reason:
        return StepFailed(f"{what} took longer than it may", seen=reason or secondary, next_step=_LONGER)
    if secondary == "MaxWaitTimeExceeded" or "MaxWait" in reason:
        return StepFailed(f"{what} waited too long for spare capacity", seen=reason or secondary, next_step=_WAIT)
    if "Capacity" in reason or "ResourceLimit" in reason:
        return RuntimeFailed(f"{what} found no machine", seen=reason[:600], next_step=_CAPACITY)
    if kind.status(description) == STOPPED:
        return StepFailed(
            f"{what} was stopped by somebody else",
            seen=secondary or STOPPED,
            expected="Completed",
            next_step="run the same command again",
        )
    return StepFailed(f"{what} failed", seen=reason[:900] or secondary or "no reason given", next_step=_READ)


_LONGER = "give it more time: max_runtime under [sagemaker] or [sagemaker.steps.NAME]"
_WAIT = "give it more time, max_wait, or take spot = false"
_CAPACITY = "choose another instance_type or region, or ask AWS for a higher quota; then run the same command again"
_READ = "read the last lines of its log"


def explained(refused: Refused, request: Request) -> RuntimeFailed:
    """A refusal with what to do about it, where AWS's words tell.

    Args:
        refused: AWS's refusal.
        request: What was asked.
    """
    words = refused.seen.lower()
    role = str(request.parameters.get("RoleArn", ""))
    if "assume" in words and "role" in words:
        return RuntimeFailed(
            "SageMaker may not use the execution role", seen=refused.seen, expected=role, next_step=_INIT
        )
    if "resourcelimitexceeded" in words.replace(" ", ""):
        return RuntimeFailed("the account may not start this job", seen=refused.seen, next_step=_CAPACITY)
    return refused


_INIT = "intermodal aws init makes it; or name another: [sagemaker] role"


def is_absent(refused: Refused) -> bool:
    """Whether a refusal says that there is no such thing."""
    words = refused.seen.lower()
    return refused.code in ("ResourceNotFound", "ResourceNotFoundException") or any(
        part in words for part in ("could not find", "not found", "does not exist", "could not be found")
    )


def _is_taken(refused: Refused) -> bool:
    return refused.code in _TAKEN or "already exist" in refused.seen.lower()


def _mark(fields: dict[str, Any]) -> str:
    """The digest of the work: in the job's own environment, a tuning's in that of its training jobs.

    An AutoML job has no environment; its output goes to a prefix that ends in the digest. A Spark job is tagged.
    """
    if "tags" in fields:
        return str(fields["tags"].get(REQUEST_TAG, ""))
    variables = (fields.get("TrainingJobDefinition") or fields).get("Environment") or {}
    if "AutoMLProblemTypeConfig" in fields:
        return str(fields["OutputDataConfig"]["S3OutputPath"]).rstrip("/").rpartition("/")[2]
    return str(variables.get(REQUEST_VARIABLE, ""))
