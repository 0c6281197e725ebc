"""Whether new reviews still look like those that a model was trained on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from intermodal.errors import UsageError

STABLE, DRIFTED, NO_REFERENCE = "stable", "drifted", "no reference"
_CERTAIN = 0.999  # quantile of what chance alone gives
_SMOOTHING = 0.5  # added to every cell (Jeffreys): a new category must not make the index infinite


@dataclass(frozen=True)
class Limits:
    """From where on a difference counts.

    Attributes:
        psi: Population stability index of rating, length and category. Below 0.10 nothing has changed, from 0.25 on
            the population has shifted (Siddiqi 2006, "Credit Risk Scorecards", Wiley, chapter 8).
        words: Jensen-Shannon distance of the vocabulary, 0 to 1, with logarithms to base 2 (Lin 1991, IEEE
            Transactions on Information Theory 37:145). 0.1 is what monitoring tools commonly start from.
    """

    psi: float = 0.25
    words: float = 0.1

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not value > 0:  # NaN is refused too
                raise UsageError(f"the threshold of {name} must be positive", seen=value, expected="such as 0.25")


@dataclass(frozen=True)
class Shift:
    """How one property has moved.

    Attributes:
        name: "rating", "length", "category" or "words".
        measure: "PSI" or "JS distance".
        value: The measure.
        threshold: From where on it counts.
        chance: What it stays below in 999 of 1,000 cases where nothing has changed.
        drifted: Whether it is above both.
    """

    name: str
    measure: str
    value: float
    threshold: float
    chance: float
    drifted: bool

    def to_json(self) -> dict[str, Any]:
        """The shift as plain values."""
        return asdict(self)


def compare(reference: Mapping[str, Any], current: Mapping[str, Any], limits: Limits) -> list[Shift]:
    """Compare two descriptions.

    A small sample differs from the reference by chance alone: both measures are then, up to a factor, distributed as
    chi-square with one degree of freedom less than cells (Yurdakul 2018, "Statistical properties of the population
    stability index", Western Michigan University). A shift counts only where chance does not explain it.

    Args:
        reference: What `describe_reviews` said of the training data.
        current: The same of the new data, for the reference's words.
        limits: From where on a difference counts.

    Returns:
        One shift a property.
    """
    indexed = ("rating", "length", "category")
    found = [_shift(name, "PSI", _psi, reference[name], current[name], limits.psi) for name in indexed]
    return [*found, _shift("words", "JS distance", _distance, reference["words"], current["words"], limits.words)]


def _shift(
    name: str, measure: str, compute: Any, reference: Mapping[str, int], current: Mapping[str, int], threshold: float
) -> Shift:
    cells = list(dict.fromkeys([*reference, *current]))
    value, chance = compute([(reference.get(cell, 0), current.get(cell, 0)) for cell in cells])
    return Shift(name, measure, round(value, 6), threshold, round(chance, 6), value > max(threshold, chance))


def _psi(counts: list[tuple[int, int]]) -> tuple[float, float]:
    """Population stability index: the sum of (q - p) · ln(q / p); and what chance gives."""
    value = sum((q - p) * math.log(q / p) for p, q in _shares(counts))
    return value, _noise(counts)


def _distance(counts: list[tuple[int, int]]) -> tuple[float, float]:
    """Jensen-Shannon distance: the root of the divergence, in bits; and what chance gives."""
    divergence = 0.0
    for p, q in _shares(counts):
        middle = (p + q) / 2
        divergence += (p * math.log2(p / middle) + q * math.log2(q / middle)) / 2
    return math.sqrt(max(0.0, divergence)), math.sqrt(_noise(counts) / (8 * math.log(2)))


def _shares(counts: list[tuple[int, int]]) -> list[tuple[float, float]]:
    first, second = (sum(pair[side] for pair in counts) + _SMOOTHING * len(counts) for side in (0, 1))
    return [((a + _SMOOTHING) / first, (b + _SMOOTHING) / second) for a, b in counts]


def _noise(counts: list[tuple[int, int]]) -> float:
    from scipy.stats import chi2

    first, second = (max(1, sum(pair[side] for pair in counts)) for side in (0, 1))
    return float(chi2.ppf(_CERTAIN, max(1, len(counts) - 1)) * (1 / first + 1 / second))


def verdict_of(shifts: list[dict[str, Any]]) -> tuple[str, str]:
    """The verdict in a word that a pipeline's condition can read, and in a sentence.

    Args:
        shifts: `Shift.to_json` of each property; empty when there was no reference.
    """
    if not shifts:
        return NO_REFERENCE, "There is no champion that says what it was trained on: everything is new."
    moved = [item["name"] for item in shifts if item["drifted"]]
    if not moved:
        return STABLE, "No drift: the new reviews look like those that the champion was trained on."
    return DRIFTED, f"Drift: {', '.join(moved)} moved away from what the champion was trained on."
