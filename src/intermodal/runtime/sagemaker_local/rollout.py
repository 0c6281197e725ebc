"""How an update shifts traffic from one fleet to the next: at once, by canary, or step by step, alarms watched."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

from intermodal.runtime.sagemaker_local.service import Service

_LOOK = 0.2  # seconds between two looks at the alarms


@dataclass(frozen=True)
class Shift:
    """One shift of traffic.

    Attributes:
        percent: Share of the traffic that the new fleet then has.
        seconds: How long it is baked: alarms are watched.
    """

    percent: float
    seconds: float


def shifts_of(deployment: dict[str, Any] | None) -> list[Shift]:
    """The shifts that a DeploymentConfig asks for; the last one gives the new fleet everything.

    Args:
        deployment: The DeploymentConfig; None shifts all at once.
    """
    policy = (deployment or {}).get("BlueGreenUpdatePolicy")
    rolling = (deployment or {}).get("RollingUpdatePolicy")
    if rolling:
        return _steps(_percent(rolling["MaximumBatchSize"]), rolling["WaitIntervalInSeconds"])
    if not policy:
        return [Shift(100.0, 0.0)]
    routing, last = policy["TrafficRoutingConfiguration"], float(policy.get("TerminationWaitInSeconds", 0))
    wait = float(routing["WaitIntervalInSeconds"])
    if routing["Type"] == "CANARY":
        return [Shift(_percent(routing["CanarySize"]), wait), Shift(100.0, last)]
    if routing["Type"] == "LINEAR":
        return [*_steps(_percent(routing["LinearStepSize"]), wait)[:-1], Shift(100.0, last)]
    return [Shift(100.0, last)]


def alarms_of(deployment: dict[str, Any] | None) -> list[str]:
    """Names of the alarms that bring the old fleet back."""
    found = ((deployment or {}).get("AutoRollbackConfiguration") or {}).get("Alarms", [])
    return [item["AlarmName"] for item in found if item.get("AlarmName")]


def ringing(service: Service, names: list[str], seconds: float, given_up: threading.Event) -> str:
    """Watch alarms for a while.

    Args:
        service: The service.
        names: Their names.
        seconds: How long; at least one look is taken.
        given_up: Set when nobody waits any more.

    Returns:
        The alarm that rang; empty when none did.
    """
    until = time.monotonic() + seconds
    while True:
        if names:
            answer = service.client("cloudwatch").describe_alarms(AlarmNames=names, StateValue="ALARM")
            if found := answer.get("MetricAlarms"):
                return str(found[0]["AlarmName"])
        left = until - time.monotonic()
        if left <= 0 or given_up.wait(min(_LOOK, left)):
            return ""


def _steps(percent: float, wait: float) -> list[Shift]:
    count = max(1, -(-100 // max(1, int(percent))))
    return [Shift(min(100.0, percent * (number + 1)), wait) for number in range(count)]


def _percent(size: dict[str, Any]) -> float:
    """A size as a share of the capacity; one container stands for all instances, so a count of them is one tenth."""
    return float(size["Value"]) if size["Type"] == "CAPACITY_PERCENT" else 10.0
