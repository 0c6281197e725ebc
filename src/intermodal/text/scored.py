"""A split with a model's answers, and the numbers that are made of counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

DIGITS = 6
_Z95 = 1.959963984540054  # two-sided 95 % quantile of the normal distribution


@dataclass(frozen=True)
class Scored:
    """A split with a model's answers.

    Attributes:
        rows: The split, columns review_id, text, product_category, label_ids and tokens.
        truth: True classes, shape (n,), int, 0..classes-1.
        probabilities: Predicted probabilities, shape (n, classes), rows sum to 1.
        labels: Class names, in the order of the columns.
    """

    rows: pa.Table
    truth: np.ndarray
    probabilities: np.ndarray
    labels: tuple[str, ...]

    @property
    def predicted(self) -> np.ndarray:
        """Predicted classes, shape (n,)."""
        import numpy as np

        return np.asarray(self.probabilities.argmax(axis=1))


def wilson(hits: int, rows: int) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson 1927, JASA 22:209), good for small counts and near 0 and 1 too.

    Args:
        hits: Rows counted.
        rows: Rows in all, at least 1.

    Returns:
        Lower and upper end.
    """
    share, z2 = hits / rows, _Z95**2
    centre = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    half = _Z95 / (1 + z2 / rows) * ((share * (1 - share) / rows + z2 / (4 * rows**2)) ** 0.5)
    return max(0.0, centre - half), min(1.0, centre + half)


def estimate(hits: int, rows: int) -> dict[str, float]:
    """A proportion with its 95 % interval: {"value", "low", "high"}."""
    low, high = wilson(hits, rows)
    return {"value": rounded(hits / rows), "low": rounded(low), "high": rounded(high)}


def rounded(value: Any) -> float:
    """A number to six digits, so that equal work gives equal bytes."""
    return round(float(value), DIGITS)
