"""Caches and policies of steps: what SageMaker knows, and what is refused before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from intermodal.runtime.sagemaker.pipelines.policies import duration_seconds, policy_problems


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("P30D", 2_592_000), ("30d", 2_592_000), ("T16m", 960), ("PT1H", 3600), ("P4DT12H", 388_800), ("p1w", 604_800)],
)
def test_durations_are_iso_or_without_their_p(text: str, seconds: float) -> None:
    assert duration_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "P", "soon", "30", "PT", None, 30])
def test_anything_else_is_no_duration(text: Any) -> None:
    assert duration_seconds(text) is None


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ({"CacheConfig": {"Enabled": True, "ExpireAfter": "soon"}}, "no duration"),
        ({"CacheConfig": {"Enabled": "yes"}}, "true or false"),
        ({"CacheConfig": {"On": True}}, "has Enabled"),
        ({"RetryPolicies": [{"ExceptionType": ["Bad.LUCK"]}]}, "no exception type 'Bad.LUCK'"),
        ({"RetryPolicies": [{"ExceptionType": "Step.THROTTLING", "Tries": 3}]}, "unknown member Tries"),
        ({"RetryPolicies": [{"ExceptionType": "Step.THROTTLING", "MaxAttempts": 50}]}, "1 to 20"),
    ],
)
def test_what_sagemaker_does_not_know_is_named(step: dict[str, Any], expected: str) -> None:
    (problem,) = policy_problems(step)
    assert expected in problem


def test_what_our_own_steps_say_is_known() -> None:
    policies = [{"ExceptionType": ["Step.SERVICE_FAULT", "Step.THROTTLING"], "IntervalSeconds": 5, "BackoffRate": 2.0}]
    step = {"CacheConfig": {"Enabled": True, "ExpireAfter": "P30D"}, "RetryPolicies": policies}
    assert list(policy_problems(step)) == []
