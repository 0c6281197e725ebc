"""One step of a running pipeline: its job through the service's own operations, tried again where policies say."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import secrets
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from intermodal.runtime.sagemaker.pipelines.step_types import STEP_TYPES, StepType

if TYPE_CHECKING:
    from intermodal.runtime.sagemaker_local.service import Service

_POLL_SECONDS = 0.05
_LONGEST_POLL = 0.5
_ENDED = {"Completed", "Failed", "Stopped", "InService", "OutOfService", "RollingBack"}
_GOOD = {"Completed", "InService"}
_NAME_LENGTH = 63
_MOST = 5
_BY_DEFAULT: dict[str, Any] = {"ExceptionType": ["Step.THROTTLING", "Step.SERVICE_FAULT"]}


class StepFailure(Exception):
    """A step came to no good end.

    Args:
        reason: Its FailureReason.
        kind: The exception type that retry policies name; empty when none does.
        stopped: Whether it was stopped.
    """

    def __init__(self, reason: str, kind: str = "", *, stopped: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.kind, self.stopped = reason, kind, stopped


class StepRun:
    """Runs the job behind one step.

    Args:
        service: The service.
        step: The step of the definition.
        execution: The execution's id.
        stopping: Set when it is to be stopped.
        made: Told the ARN of what it has made.
    """

    def __init__(
        self,
        service: Service,
        step: dict[str, Any],
        execution: str,
        stopping: threading.Event,
        made: Callable[[str], None],
    ) -> None:
        self._made = made
        self._client = service.client("sagemaker")
        self._step, self._kind, self._execution, self._stopping = step, STEP_TYPES[step["Type"]], execution, stopping
        self.attempts = 0

    def run(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Run it, again and again as its policies say.

        Args:
            arguments: The step's arguments, without expressions.

        Returns:
            Its properties.

        Raises:
            StepFailure: It failed, or was stopped.
        """
        tried: dict[int, int] = {}
        while True:
            self.attempts += 1
            try:
                return self._once(arguments)
            except StepFailure as failure:
                pause = self._pause(failure, tried)
                if pause is None or self._stopping.wait(pause):
                    raise

    def _pause(self, failure: StepFailure, tried: dict[int, int]) -> float | None:
        """Seconds until it is tried again; None when it is not."""
        # The service's own faults are tried again though no policy says so.
        for index, policy in enumerate([*self._step.get("RetryPolicies", []), _BY_DEFAULT]):
            kinds = policy["ExceptionType"]
            if failure.kind in (kinds if isinstance(kinds, list) else [kinds]):
                count = tried[index] = tried.get(index, 0) + 1
                if count > policy.get("MaxAttempts", _MOST):
                    return None
                return float(policy.get("IntervalSeconds", 1) * policy.get("BackoffRate", 2.0) ** (count - 1))
        return None

    def _once(self, arguments: dict[str, Any]) -> dict[str, Any]:
        name = job_name(self._execution, self._step["Name"])
        request = {self._kind.name_member: name, **arguments} if self._kind.name_member else dict(arguments)
        if self._step["Type"] == "RegisterModel":
            self._group(request)
        answer = self._call(self._kind.create, request)
        self._made(next(str(value) for name, value in answer.items() if name.endswith("Arn")))
        named = (
            {self._kind.name_member: name}
            if self._kind.name_member
            else {"ModelPackageName": answer["ModelPackageArn"]}
        )
        return self._followed(named)

    def _group(self, request: dict[str, Any]) -> None:
        """A model package group is made when it is not there, as SageMaker does."""
        from botocore.exceptions import ClientError

        group = request.get("ModelPackageGroupName")
        if group:
            try:
                self._client.describe_model_package_group(ModelPackageGroupName=group)
            except ClientError:
                self._call("CreateModelPackageGroup", {"ModelPackageGroupName": group})

    def _followed(self, named: dict[str, str]) -> dict[str, Any]:
        pause, told = _POLL_SECONDS, False
        while True:
            found = plain(self._call(self._kind.describe, named))
            status = found.get(f"{self._kind.prefix}Status", "Completed") if self._kind.prefix else "Completed"
            if status in _ENDED:
                break
            if self._stopping.is_set() and not told:
                self._stop(named)
                told = True
            time.sleep(pause) if told else self._stopping.wait(pause)
            pause = min(1.5 * pause, _LONGEST_POLL)
        if status in _GOOD:
            return found
        if status == "Stopped":
            raise StepFailure("Step was stopped" if told else "The job was stopped", stopped=told)
        reason = str(found.get("FailureReason", "no reason given"))
        raise StepFailure(reason, _kind_of_reason(reason))

    def _stop(self, named: dict[str, str]) -> None:
        with contextlib.suppress(StepFailure):  # it has ended, or cannot be stopped: the next look tells
            self._call(self._kind.create.replace("Create", "Stop", 1), named)

    def _call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        from botocore import xform_name
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return dict(getattr(self._client, xform_name(operation))(**request))
        except ClientError as error:
            fields = error.response["Error"]
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            raise StepFailure(
                f"ClientError: {fields['Code']}: {fields['Message']}", _kind_of_code(fields["Code"], status)
            ) from error
        except (BotoCoreError, AttributeError) as error:
            raise StepFailure(f"ClientError: {error}") from error


def job_name(execution: str, step: str) -> str:
    """The name of a step's job, as SageMaker makes it."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", step).strip("-")
    start = f"pipelines-{execution}-"
    return f"{start}{words[: _NAME_LENGTH - len(start) - 11].strip('-')}-{secrets.token_hex(5)}"


def cache_key(step: dict[str, Any], arguments: dict[str, Any]) -> str:
    """What SageMaker's cache compares; empty for a step that is not cached."""
    kind: StepType = STEP_TYPES[step["Type"]]
    if not step.get("CacheConfig", {}).get("Enabled") or not kind.cache_key:
        return ""
    parts = [step["Name"], step["Type"], {name: arguments.get(name) for name in kind.cache_key}]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def plain(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer as JSON says it, without what only the protocol tells."""
    kept = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
    return dict(json.loads(json.dumps(kept, default=str)))


def _kind_of_code(code: str, status: int) -> str:
    if "Throttling" in code or status == 429:
        return "Step.THROTTLING"
    if "ResourceLimit" in code:
        return "SageMaker.RESOURCE_LIMIT"
    return "Step.SERVICE_FAULT" if status >= 500 else ""


def _kind_of_reason(reason: str) -> str:
    kinds = {
        "InternalServerError": "SageMaker.JOB_INTERNAL_ERROR",
        "CapacityError": "SageMaker.CAPACITY_ERROR",
        "ResourceLimitExceeded": "SageMaker.RESOURCE_LIMIT",
    }
    return next((kind for start, kind in kinds.items() if reason.startswith(start)), "")
