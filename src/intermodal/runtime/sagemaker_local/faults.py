"""What goes wrong on purpose: answers of the API, credentials and jobs. Chance is seeded.

A fault of the API waits for calls that fit, as often as it is told::

    {"fault": "throttle", "operation": "Create*", "times": 2}       ThrottlingException for the first two calls
    {"fault": "throttle", "rate": 0.2}                               for every fifth call, by chance
    {"fault": "error", "operation": "DescribeTrainingJob", "skip": 3, "times": 1}   500 InternalFailure
    {"fault": "delay", "service": "logs", "seconds": 1.5}            slow
    {"fault": "reset-before", "operation": "CreateProcessingJob", "times": 1}       the connection breaks, not done
    {"fault": "reset-after", "operation": "CreateProcessingJob", "times": 1}        done, but the connection breaks
    {"fault": "expired", "access_key": "AKIA…", "skip": 10}          ExpiredTokenException after ten calls
    {"fault": "limit", "operation": "CreateTrainingJob", "times": 1} ResourceLimitExceeded

A fault of a job waits for a job that fits::

    {"fault": "slow-start", "job": "*", "seconds": 5}    Starting for so long
    {"fault": "capacity", "job": "train-*", "times": 1}  Failed with CapacityError
    {"fault": "preempt", "job": "*", "seconds": 2, "times": 1}   spot capacity taken away after so long
    {"fault": "lost-logs", "job": "*", "times": 1}       no log stream; with seconds, lost so long after the first line
    {"fault": "internal", "job": "*", "times": 1}        SageMaker's own failure, which RetryStrategy repeats
"""

from __future__ import annotations

import fnmatch
import random
import threading
import time
from dataclasses import asdict, dataclass, fields
from typing import Any

from intermodal.runtime.sagemaker_local.operations import ApiError

API_FAULTS = ("throttle", "error", "delay", "reset-before", "reset-after", "expired", "limit")
JOB_FAULTS = ("slow-start", "capacity", "preempt", "lost-logs", "internal")
_ALWAYS = 1 << 30
_TYPES: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float)}


@dataclass
class Fault:
    """One fault that is waiting.

    Attributes:
        fault: What goes wrong.
        service: Glob over services' names in boto3.
        operation: Glob over operations; "*" also means plain requests of S3.
        access_key: Glob over access keys.
        job: Glob over names of jobs.
        times: How often.
        skip: How many calls that fit pass first.
        rate: Chance that a call that fits is met.
        seconds: How long, or after how long.
        since: When it was added.
    """

    fault: str
    service: str = "*"
    operation: str = "*"
    access_key: str = "*"
    job: str = "*"
    times: int = _ALWAYS
    skip: int = 0
    rate: float = 1.0
    seconds: float = 0.0
    since: float = 0.0


class Faults:
    """All faults that are waiting.

    Args:
        seed: Of chance.
    """

    def __init__(self, seed: int = 0) -> None:
        self._chance = random.Random(seed)  # noqa: S311  not for secrets
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, given: dict[str, Any]) -> None:
        """Add one.

        Raises:
            ApiError: ValidationException, it is none.
        """
        fault = _read(given)
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._faults.clear()

    def all(self) -> list[dict[str, Any]]:
        """Those that are left."""
        with self._lock:
            return [asdict(fault) for fault in self._faults]

    def of_call(self, service: str, operation: str, access_key: str) -> Fault | None:
        """The fault that a call meets, used up once; None for none."""
        with self._lock:
            for fault in self._faults:
                fits = fault.fault in API_FAULTS and _fits(fault, service, operation, access_key)
                if fits and self._met(fault):
                    return fault
        return None

    def of_job(self, kind: str, job: str) -> Fault | None:
        """The fault of a kind that a job meets, used up once; None for none."""
        with self._lock:
            for fault in self._faults:
                if fault.fault == kind and fnmatch.fnmatchcase(job, fault.job) and self._met(fault):
                    return fault
        return None

    def _met(self, fault: Fault) -> bool:
        if fault.skip > 0:
            fault.skip -= 1
            return False
        if fault.fault == "expired" and time.time() < fault.since + fault.seconds:
            return False
        if fault.rate < 1.0 and self._chance.random() >= fault.rate:
            return False
        fault.times -= 1
        if fault.times <= 0:
            self._faults.remove(fault)
        return True


def error_of(fault: Fault) -> ApiError | None:
    """The error that a fault answers; None for those that answer none."""
    if fault.fault == "throttle":
        return ApiError("ThrottlingException", "Rate exceeded")
    if fault.fault == "error":
        return ApiError("InternalFailure", "The request processing has failed because of an unknown error.", 500)
    if fault.fault == "expired":
        return ApiError("ExpiredTokenException", "The security token included in the request is expired")
    if fault.fault == "limit":
        return ApiError(
            "ResourceLimitExceeded",
            "The account-level service limit 'ml.m5.xlarge for training job usage' is 0 Instances, with current "
            "utilization of 0 Instances and a request delta of 1 Instances.",
        )
    return None


def _fits(fault: Fault, service: str, operation: str, access_key: str) -> bool:
    pairs = ((service, fault.service), (operation, fault.operation), (access_key, fault.access_key))
    return all(fnmatch.fnmatchcase(value, glob) for value, glob in pairs)


def _read(given: Any) -> Fault:
    if not isinstance(given, dict) or given.get("fault") not in (*API_FAULTS, *JOB_FAULTS):
        raise ApiError("ValidationException", f"fault must be one of {', '.join((*API_FAULTS, *JOB_FAULTS))}: {given}")
    types = {item.name: str(item.type) for item in fields(Fault)}
    for name, value in given.items():
        wanted = _TYPES[types.get(name, "str")]
        if name not in types or name == "since" or isinstance(value, bool) or not isinstance(value, wanted):
            raise ApiError("ValidationException", f"a fault has no {name}={value!r}; it has {', '.join(types)}")
    return Fault(**{**given, "since": time.time()})
