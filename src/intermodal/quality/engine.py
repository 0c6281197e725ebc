"""What an engine does for a suite: describe the data, answer analyzers, find failing rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from intermodal.quality.analyzers import Analyzer
from intermodal.quality.checks import Constraint
from intermodal.quality.metric import Metric


@dataclass(frozen=True)
class FailingRows:
    """The rows that fail one constraint.

    Attributes:
        count: How many there are.
        samples: The first few of them, column → value, with "file" and "row" to find them again.
    """

    count: int
    samples: tuple[dict[str, Any], ...] = field(default=(), hash=False)


class Engine(ABC):
    """Computes metrics of one data set."""

    @abstractmethod
    def columns(self) -> Mapping[str, str]:
        """Column name → type, named as Spark names it ("StringType"), in order."""

    @abstractmethod
    def measure(self, analyzers: Iterable[Analyzer]) -> dict[Analyzer, Metric]:
        """A metric for each analyzer, equal ones computed once; what cannot be computed fails alone."""

    @abstractmethod
    def fault(self, constraint: Constraint) -> str:
        """What is wrong with the SQL and the pattern of a constraint, as one line; "" for nothing."""

    @abstractmethod
    def failing_rows(self, constraints: Sequence[Constraint], samples: int) -> dict[Constraint, FailingRows]:
        """The rows that fail each constraint whose metric could be computed.

        Args:
            constraints: These constraints.
            samples: Rows to show for each, at most.

        Returns:
            Constraint → its failing rows; constraints that say nothing about a single row are absent.
        """
