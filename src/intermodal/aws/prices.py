"""Prices: a dated table of what an hour of an instance costs, which comes with the package or from the user's file.

A price that the table does not hold is not guessed: an amount that needs it is unknown, and says why.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from intermodal.errors import UsageError

KINDS = ("training", "processing", "transform", "hosting")
_HOURS_A_MONTH = 730  # as AWS counts a GB-month of a volume
_HOUR = 3600.0


@dataclass(frozen=True)
class PriceTable:
    """What things cost.

    Attributes:
        date: The day the prices were published by, ISO 8601.
        region: Region that they hold for.
        source: Where they come from.
        currency: Always USD.
        note: What they leave out.
        hour: Instance type → USD an hour.
        hour_of_kind: Kind of job → instance type → USD an hour, where that differs.
        volume_gb_month: USD for a GB of an instance's volume for a month.
    """

    date: str
    region: str
    source: str
    hour: dict[str, float]
    currency: str = "USD"
    note: str = ""
    hour_of_kind: dict[str, dict[str, float]] = field(default_factory=dict)
    volume_gb_month: float = 0.0

    def hourly(self, instance_type: str, kind: str) -> float | None:
        """USD an hour of one instance; None when the table does not hold it.

        Args:
            instance_type: Such as "ml.m5.xlarge".
            kind: One of `KINDS`.
        """
        return self.hour_of_kind.get(kind, {}).get(instance_type, self.hour.get(instance_type))

    def volume(self, gigabytes: float, seconds: float) -> float:
        """USD for a volume of that size for that long."""
        return self.volume_gb_month * gigabytes * seconds / _HOUR / _HOURS_A_MONTH

    def amount(self, instance_type: str, kind: str, instances: int, volume_gb: float, seconds: float) -> float | None:
        """USD for instances with their volumes; None when there is no price for the type.

        Args:
            instance_type: Such as "ml.m5.xlarge".
            kind: One of `KINDS`.
            instances: How many.
            volume_gb: Size of each one's volume.
            seconds: How long.
        """
        hourly = self.hourly(instance_type, kind)
        if hourly is None:
            return None
        return instances * (hourly * seconds / _HOUR + self.volume(volume_gb, seconds))

    def caveat(self, region: str) -> str:
        """What a reader of an amount must know: the prices' age, and that they are another region's."""
        elsewhere = f"; the run is in {region}" if region and region != self.region else ""
        return f"prices of {self.date} for {self.region}, {self.source}{elsewhere}"


def load_prices(path: str = "") -> PriceTable:
    """The table in force.

    Args:
        path: The user's file, `[sagemaker] prices`; the table of the package when empty.

    Raises:
        UsageError: The file is not there, or no such table.
    """
    try:
        text = Path(path).expanduser().read_text() if path else _packaged()
        return _read(json.loads(text))
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(
            "the price table cannot be used",
            seen=f"{path}: {error}",
            expected='JSON {"date": …, "region": …, "source": …, "hour": {"ml.m5.xlarge": 0.23, …}}',
            next_step="mend the file, or leave out [sagemaker] prices",
        ) from error


def _packaged() -> str:
    return (resources.files("intermodal.aws.price_list") / "prices.json").read_text()


def _read(given: Any) -> PriceTable:
    if not isinstance(given, dict):
        raise TypeError("no JSON object")
    table = PriceTable(**given)
    kinds = {"hour": table.hour, **table.hour_of_kind}
    unknown = set(table.hour_of_kind) - set(KINDS)
    if unknown:
        raise ValueError(f"hour_of_kind has {', '.join(sorted(unknown))}, known are {', '.join(KINDS)}")
    wrong = [f"{kind}.{name}" for kind, prices in kinds.items() for name, price in prices.items() if not _price(price)]
    if wrong or not _price(table.volume_gb_month):
        raise ValueError(f"no price: {', '.join(wrong) or 'volume_gb_month'}")
    return table


def _price(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")
