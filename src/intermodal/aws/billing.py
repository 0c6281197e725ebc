"""What a job was charged with, from what SageMaker says of it when it has ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from intermodal.aws.prices import PriceTable


@dataclass(frozen=True)
class Bill:
    """The charge of one job, without discounts and taxes.

    Attributes:
        job: Its name.
        kind: A kind of price; see `prices.KINDS`.
        instance_type: Such as "ml.m5.xlarge".
        instances: Number of instances.
        billed_seconds: Charged seconds, those of all instances added up.
        cost_usd: What they cost; None when there is no price for the type.
        saved_seconds: Seconds that spare capacity ran for without being charged, all instances added up.
        prices: The prices' date and region.
    """

    job: str
    kind: str
    instance_type: str
    instances: int
    billed_seconds: float
    cost_usd: float | None
    saved_seconds: float = 0.0
    prices: str = ""

    def to_json(self) -> dict[str, float | str]:
        """The bill as a task's record keeps it; without `cost_usd` where there is no price."""
        return {**sum_of([self]), "job": self.job, "kind": self.kind}


def billed(kind: str, description: dict[str, Any], prices: PriceTable) -> Bill:
    """What a job was charged with.

    Args:
        kind: "training", "processing" or "transform".
        description: What DescribeTrainingJob, DescribeProcessingJob or DescribeTransformJob answered.
        prices: What things cost.

    Returns:
        The bill; of a job that never got an instance, one over nothing.

    Raises:
        KeyError: There is no such kind.
    """
    reader = _READERS[kind]
    name, seconds, ran = reader(description)
    parts = list(_groups(description, kind))
    count = sum(instances for _, instances, _ in parts)
    costs = [prices.amount(type_, kind, instances, volume, seconds) for type_, instances, volume in parts]
    known = [item for item in costs if item is not None]
    return Bill(
        name,
        kind,
        ", ".join(dict.fromkeys(type_ for type_, _, _ in parts)),
        count,
        seconds * count,
        sum(known) if len(known) == len(costs) else None,
        max(ran - seconds, 0.0) * count,
        prices.caveat(_region(description)),
    )


def sum_of(bills: Sequence[Bill]) -> dict[str, float | str]:
    """The bills of a task's jobs as its record keeps them: what `TaskRecord.bill` holds.

    Args:
        bills: One for every job that the task needed, attempts and children included.

    Returns:
        Keys jobs, billed_seconds, instance_type, instances, saved_seconds, prices, and cost_usd where every
        price is known; empty when there are none.
    """
    if not bills:
        return {}
    costs = [item.cost_usd for item in bills if item.cost_usd is not None]
    made: dict[str, float | str] = {
        "jobs": float(len(bills)),
        "billed_seconds": sum(item.billed_seconds for item in bills),
        "saved_seconds": sum(item.saved_seconds for item in bills),
        "instance_type": ", ".join(dict.fromkeys(item.instance_type for item in bills)),
        "instances": float(max(item.instances for item in bills)),
        "prices": bills[0].prices,
    }
    return {**made, "cost_usd": sum(costs)} if len(costs) == len(bills) else made


def shared_bill(bill: dict[str, float | str], paid_by: str) -> dict[str, float | str]:
    """The bill of a job that a run did not start: it tells the seconds, and costs this run nothing.

    Args:
        bill: As a task's record keeps it.
        paid_by: The other run that is charged with it, in words; empty when this one is.

    Returns:
        The bill, with `paid_by` where another run is charged with it.
    """
    return {**bill, "cost_usd": 0.0, "paid_by": paid_by} if bill and paid_by else bill


def _training(job: dict[str, Any]) -> tuple[str, float, float]:
    ran = float(job.get("TrainingTimeInSeconds") or _between(job, "TrainingStartTime", "TrainingEndTime"))
    charged = job.get("BillableTimeInSeconds")
    return job["TrainingJobName"], ran if charged is None else float(charged), ran


def _processing(job: dict[str, Any]) -> tuple[str, float, float]:
    ran = _between(job, "ProcessingStartTime", "ProcessingEndTime")
    return job["ProcessingJobName"], ran, ran


def _transform(job: dict[str, Any]) -> tuple[str, float, float]:
    ran = _between(job, "TransformStartTime", "TransformEndTime")
    return job["TransformJobName"], ran, ran


def _between(job: dict[str, Any], start: str, end: str) -> float:
    first, last = job.get(start), job.get(end)
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        return 0.0  # it never ran
    return max((last - first).total_seconds(), 0.0)


def _groups(job: dict[str, Any], kind: str) -> Iterator[tuple[str, int, float]]:
    """(type, instances, GB of volume) of every group of like instances."""
    if kind == "processing":
        resources = job.get("ProcessingResources", {}).get("ClusterConfig", {})
    else:
        resources = job.get("TransformResources" if kind == "transform" else "ResourceConfig", {})
    for group in resources.get("InstanceGroups") or [resources]:
        if "InstanceType" in group:
            yield group["InstanceType"], group.get("InstanceCount", 1), resources.get("VolumeSizeInGB", 0)


def _region(job: dict[str, Any]) -> str:
    arn = next((str(value) for key, value in job.items() if key.endswith("JobArn")), "")
    return arn.split(":")[3] if arn.count(":") > 3 else ""


_READERS = {"training": _training, "processing": _processing, "transform": _transform}
