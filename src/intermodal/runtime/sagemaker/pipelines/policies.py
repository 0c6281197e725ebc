"""What a step says of its cache and of being tried again, held against what SageMaker knows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_DURATION = re.compile(
    r"P?(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", re.IGNORECASE
)
_SECONDS = (31_536_000, 2_592_000, 604_800, 86_400, 3_600, 60, 1)
_EXCEPTIONS = (
    "Step.SERVICE_FAULT",
    "Step.THROTTLING",
    "SageMaker.JOB_INTERNAL_ERROR",
    "SageMaker.CAPACITY_ERROR",
    "SageMaker.RESOURCE_LIMIT",
)
_POLICY = {"ExceptionType", "IntervalSeconds", "BackoffRate", "MaxAttempts", "ExpireAfterMin"}
_MOST_ATTEMPTS = 20


def policy_problems(step: dict[str, Any]) -> Iterator[str]:
    """What is wrong with a step's CacheConfig and RetryPolicies."""
    cache = step.get("CacheConfig", {})
    if set(cache) - {"Enabled", "ExpireAfter"} or not isinstance(cache.get("Enabled", False), bool):
        yield "CacheConfig has Enabled, true or false, and ExpireAfter"
    if "ExpireAfter" in cache and duration_seconds(cache["ExpireAfter"]) is None:
        yield f"CacheConfig: ExpireAfter {cache['ExpireAfter']!r} is no duration"
    for policy in step.get("RetryPolicies", []):
        kinds = policy.get("ExceptionType")
        for kind in kinds if isinstance(kinds, list) else [kinds]:
            if kind not in _EXCEPTIONS:
                yield f"RetryPolicies: there is no exception type {kind!r}"
        for name in sorted(set(policy) - _POLICY):
            yield f"RetryPolicies: unknown member {name}"
        if not 1 <= policy.get("MaxAttempts", 1) <= _MOST_ATTEMPTS:
            yield f"RetryPolicies: MaxAttempts is {policy['MaxAttempts']}, 1 to {_MOST_ATTEMPTS} is expected"


def duration_seconds(text: Any) -> float | None:
    """Seconds of a duration: ISO 8601, or without its P as SageMaker also takes it; None for anything else."""
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if not text or found is None or not any(found.groups()):
        return None
    return float(sum(int(number or 0) * unit for number, unit in zip(found.groups(), _SECONDS, strict=True)))
