"""Rows of unequal length as two flat arrays: the values, and where each row starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Ragged:
    """Rows of unequal length, one after another.

    Attributes:
        values: int32, shape (sum of the rows' lengths,).
        offsets: int32, shape (rows + 1,); row i is `values[offsets[i]:offsets[i + 1]]`.
    """

    values: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Length of every row: int32, shape (rows,)."""
        import numpy as np

        return np.diff(self.offsets)

    def rows(self) -> list[list[int]]:
        """The rows as lists of integers."""
        values = self.values.tolist()
        bounds = self.offsets.tolist()
        return [values[start:end] for start, end in zip(bounds, bounds[1:], strict=False)]

    def first(self, limit: int) -> Ragged:
        """The rows cut to at most `limit` values each."""
        import numpy as np

        lengths = np.minimum(self.lengths, limit)
        return gather(self.values, self.offsets[:-1], lengths)


def from_lists(rows: list[list[int]]) -> Ragged:
    """Put lists of integers one after another."""
    import numpy as np

    lengths = np.fromiter(map(len, rows), np.int32, len(rows))
    values = np.fromiter((value for row in rows for value in row), np.int32, int(lengths.sum()))
    return Ragged(values, offsets_of(lengths))


def offsets_of(lengths: np.ndarray) -> np.ndarray:
    """Where rows of these lengths start and end: int32, shape (rows + 1,)."""
    import numpy as np

    offsets: np.ndarray = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def gather(values: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> Ragged:
    """Cut `values[start:start + length]` for every pair, and put the pieces one after another.

    Args:
        values: int32, the array to cut from.
        starts: Where each piece starts, shape (pieces,).
        lengths: How long each is, shape (pieces,); 0 is allowed.

    Returns:
        The pieces.
    """
    import numpy as np

    offsets = offsets_of(lengths)
    # Position k of the result reads from k + (start of its piece in `values` - start of its piece in the result).
    shift: np.ndarray = np.repeat((starts - offsets[:-1]).astype(np.int32, copy=False), lengths)
    shift += np.arange(offsets[-1], dtype=np.int32)
    return Ragged(values[shift], offsets)
