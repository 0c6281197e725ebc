"""What a run will cost, from its requests alone: an estimate for every task, and a ceiling that it cannot exceed.

A request says which instances a job gets and when SageMaker stops it at the latest; how long it will really
take is known from earlier runs, or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from intermodal.aws.charges import UNPRICED, Charge, charges_of
from intermodal.aws.prices import PriceTable
from intermodal.aws.request import Request
from intermodal.errors import UsageError

UNKNOWN_TIME = "no earlier run is known: the longest it may take"


@dataclass(frozen=True)
class Remembered:
    """How long a task took before.

    Attributes:
        seconds: Wall seconds; 0 when only `instance_seconds` is known.
        basis: Where that is known from, in words.
        instance_seconds: Charged seconds, those of all instances added up; 0 when not known.
    """

    seconds: float
    basis: str
    instance_seconds: float = 0.0


@dataclass(frozen=True)
class TaskEstimate:
    """What one task will cost.

    Attributes:
        task: Its name.
        instances: Such as "2 × ml.m5.xlarge"; empty when it is charged for no instance.
        seconds: Wall seconds that are expected.
        basis: Why so.
        usd: Expected cost; None when it is not known.
        ceiling_usd: What it cannot exceed; None when nothing limits it, or the price is not known.
        usd_an_hour: What it goes on to cost afterwards, until somebody deletes it: endpoints.
        note: What is not counted, or not known.
    """

    task: str
    instances: str = ""
    seconds: float = 0.0
    basis: str = ""
    usd: float | None = 0.0
    ceiling_usd: float | None = 0.0
    usd_an_hour: float = 0.0
    note: str = ""


@dataclass(frozen=True)
class RunEstimate:
    """What a run will cost.

    Attributes:
        tasks: In the order of the run.
        caveat: The prices' date and region.
    """

    tasks: tuple[TaskEstimate, ...]
    caveat: str = ""

    @property
    def usd(self) -> float | None:
        """Expected cost of all tasks; None when that of one is not known."""
        return _total([item.usd for item in self.tasks])

    @property
    def ceiling_usd(self) -> float | None:
        """What all tasks together cannot exceed; None when nothing limits one of them."""
        return _total([item.ceiling_usd for item in self.tasks])

    def to_json(self) -> dict[str, Any]:
        """The estimate as `intermodal plan --json` prints it."""
        tasks = [asdict(item) for item in self.tasks]
        return {"usd": self.usd, "ceiling_usd": self.ceiling_usd, "prices": self.caveat, "tasks": tasks}


def estimate(
    requests: Sequence[Request],
    prices: PriceTable,
    known: Mapping[str, Remembered] | None = None,
    region: str = "",
) -> RunEstimate:
    """Estimate a run.

    Args:
        requests: Everything it would send, of the tasks that would run.
        prices: What things cost.
        known: Task → how long it took before.
        region: Where it runs.
    """
    tasks = dict.fromkeys(item.task for item in requests)
    found = [_task(task, [item for item in requests if item.task == task], prices, known or {}) for task in tasks]
    return RunEstimate(tuple(found), prices.caveat(region))


def require_affordable(estimated: RunEstimate, limit: float) -> None:
    """Refuse a run whose estimate is over the limit, or not known; before anything is submitted.

    Args:
        estimated: What the run will cost.
        limit: USD; 0 for no limit.

    Raises:
        UsageError: It would cost more, or nobody can say.
    """
    if not limit:
        return
    total = estimated.usd
    unknown = [item for item in estimated.tasks if item.usd is None]
    if total is None:
        raise UsageError(
            "nobody can say whether this run stays within its limit of cost",
            seen="; ".join(f"{item.task}: {item.note}" for item in unknown),
            expected=f"a price for all of it, at most {dollars(limit)}",
            next_step='name a file with the prices: [sagemaker] prices = "prices.json"; or leave out --max-cost',
        )
    if total > limit:
        dearest = sorted(estimated.tasks, key=lambda item: -(item.usd or 0.0))[:3]
        raise UsageError(
            "this run would cost more than it may",
            seen=f"{dollars(total)}: " + ", ".join(f"{item.task} {dollars(item.usd)}" for item in dearest),
            expected=f"at most {dollars(limit)} ({estimated.caveat})",
            next_step="smaller instances or max_runtime under [sagemaker.steps.STEP], or a higher --max-cost",
        )


def dollars(amount: float | None) -> str:
    """An amount as people read it; four digits where it is small."""
    if amount is None:
        return "not known"
    return f"${amount:,.2f}" if amount >= 1 or amount == 0 else f"${amount:.4f}"


def _task(task: str, requests: list[Request], prices: PriceTable, known: Mapping[str, Remembered]) -> TaskEstimate:
    charges = [charge for item in requests for charge in charges_of(item)]
    unpriced = [f"{item.operation}: {UNPRICED[item.operation]}" for item in requests if item.operation in UNPRICED]
    if unpriced:
        return TaskEstimate(task, usd=None, ceiling_usd=None, note="; ".join(unpriced))
    before = known.get(task)
    parts = [_part(charge, prices, before) for charge in charges]
    missing = sorted({item.instance_type for item in charges if prices.hourly(item.instance_type, item.kind) is None})
    note = f"no price for {', '.join(missing)} in the table of {prices.date}" if missing else ""
    endless = [item for item in charges if item.ceiling is None]
    hosted = _total([prices.amount(c.instance_type, c.kind, c.instances, c.volume_gb, 3600.0) for c in endless]) or 0.0
    unknown_time = bool(endless) and before is None and not _hosting(endless)
    return TaskEstimate(
        task,
        ", ".join(dict.fromkeys(f"{item.instances} × {item.instance_type}" for item in charges)),
        before.seconds if before else max((item.ceiling or 0.0 for item in charges), default=0.0),
        (before.basis if before else UNKNOWN_TIME) if charges else "",
        _total([usd for usd, _ in parts]),
        _total([ceiling for _, ceiling in parts]),
        hosted if _hosting(endless) else 0.0,
        note or ("nothing says how long it will take" if unknown_time else ""),
    )


def _part(charge: Charge, prices: PriceTable, before: Remembered | None) -> tuple[float | None, float | None]:
    """(expected, ceiling) of one charge; an endpoint's hours begin when the run has ended."""

    def amount(seconds: float) -> float | None:
        return prices.amount(charge.instance_type, charge.kind, charge.instances, charge.volume_gb, seconds)

    if charge.kind == "hosting":
        return amount(0.0), amount(0.0)
    ceiling = None if charge.ceiling is None else amount(charge.ceiling)
    if before is None:
        return ceiling, ceiling
    seconds = before.instance_seconds / charge.instances if before.instance_seconds else before.seconds
    expected = amount(seconds if charge.ceiling is None else min(seconds, charge.ceiling))
    return expected, ceiling


def _hosting(charges: list[Charge]) -> bool:
    return any(item.kind == "hosting" for item in charges)


def _total(amounts: Sequence[float | None]) -> float | None:
    known = [item for item in amounts if item is not None]
    return sum(known) if len(known) == len(amounts) else None
