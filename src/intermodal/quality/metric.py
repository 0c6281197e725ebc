"""What an engine answers for one analyzer: a value, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from intermodal.quality.analyzers import Analyzer, Problem
from intermodal.quality.wording import json_number

EMPTY_STATE = "EmptyStateException"
FAILED_CALCULATION = "MetricCalculationRuntimeException"


@dataclass(frozen=True)
class Bin:
    """One value of a distribution.

    Attributes:
        value: The value, as text.
        absolute: Rows that have it.
        ratio: Share of all rows counted; NaN if there are none.
    """

    value: str
    absolute: int
    ratio: float


@dataclass(frozen=True)
class Distribution:
    """How often values occur.

    Attributes:
        bins: The values listed, most frequent first.
        number_of_bins: Distinct values in all.
        tail_count: Rows whose value is not listed.
    """

    bins: tuple[Bin, ...]
    number_of_bins: int
    tail_count: int = 0

    def find(self, value: str) -> Bin | None:
        """The bin of a value, if it is listed."""
        return next((item for item in self.bins if item.value == value), None)

    def to_json(self) -> dict[str, Any]:
        """As Deequ's record: value → absolute and ratio."""
        values = {item.value: {"absolute": item.absolute, "ratio": json_number(item.ratio)} for item in self.bins}
        return {"number_of_bins": self.number_of_bins, "tail_count": self.tail_count, "values": values}


@dataclass(frozen=True)
class Metric:
    """The value of an analyzer on a data set, or the reason why it has none.

    Attributes:
        analyzer: What was asked.
        value: The answer; None exactly if there is a problem.
        problem: Why there is no answer.
    """

    analyzer: Analyzer
    value: float | Distribution | None = None
    problem: Problem | None = None

    @property
    def success(self) -> bool:
        """Whether there is a value."""
        return self.problem is None

    @property
    def empty(self) -> bool:
        """Whether the value is missing because no row had anything to say."""
        return self.problem is not None and self.problem.kind == EMPTY_STATE

    def to_json(self) -> dict[str, Any]:
        """As Deequ's record: entity, instance, name, and a value or an error."""
        head = {"entity": self.analyzer.entity, "instance": self.analyzer.subject, "name": self.analyzer.name}
        if self.problem is not None:
            error = {"error_class": self.problem.kind, "error_message": self.problem.message}
            return {**head, "success": False, **error}
        value = self.value.to_json() if isinstance(self.value, Distribution) else json_number(self.value)
        return {**head, "success": True, "value": value}


def empty_state(analyzer: Analyzer) -> Metric:
    """The metric of an analyzer that found nothing to work on, with Deequ's message."""
    text = f"Empty state for analyzer {analyzer}, all input values were NULL."
    return Metric(analyzer, problem=Problem(EMPTY_STATE, text))
