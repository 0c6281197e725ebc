"""From data to pixels: linear scales and ticks at round numbers."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

SMALLEST = 1e-9  # relative span below which values are one value, and would be told apart by noise only


@dataclass(frozen=True)
class Linear:
    """A linear map from a domain of data to a range of pixels.

    Attributes:
        low: Data value at `start`.
        high: Data value at `end`.
        start: Pixel of `low`.
        end: Pixel of `high`; smaller than `start` for a vertical axis.
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The pixel of a value; the middle when the domain is empty."""
        span = self.high - self.low
        share = (value - self.low) / span if span else 0.5
        return self.start + share * (self.end - self.start)


def nice_ticks(low: float, high: float, wanted: int = 4) -> list[float]:
    """Round numbers that cover a range.

    Args:
        low: Smallest value shown.
        high: Largest value shown.
        wanted: About how many steps.

    Returns:
        Ticks at multiples of 1, 2, 2.5 or 5 times a power of ten; the first is ≤ low and the last ≥ high.
    """
    if not (isfinite(low) and isfinite(high)):
        return [0.0, 1.0]
    if high - low <= SMALLEST * max(1.0, abs(low), abs(high)):
        pad = abs(low) * 0.1 if abs(low) > SMALLEST else 1.0
        low, high = low - pad, high + pad
    step = _nice_step((high - low) / max(1, wanted))
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def _nice_step(raw: float) -> float:
    power = 10.0 ** floor(log10(raw))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if raw <= factor * power * (1 + 1e-9))


def tick_text(value: float, ticks: list[float]) -> str:
    """A tick with just the decimals that tell it from its neighbour."""
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 1.0
    decimals = next((d for d in range(7) if abs(round(step, d) - step) < step * 1e-6), 6)
    return f"{value:,.{decimals}f}"


def finite(values: list[float]) -> list[float]:
    """The values that can be drawn."""
    return [value for value in values if value is not None and isfinite(value)]
