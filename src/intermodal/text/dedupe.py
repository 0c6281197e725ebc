"""Which rows are the first with their text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def first_occurrences(digests: np.ndarray) -> np.ndarray:
    """Mark the first row of every distinct digest.

    Args:
        digests: uint64, shape (rows, 2): the halves of `key_digest`.

    Returns:
        bool, shape (rows,): True for the first row with its digest, in the order given.
    """
    import numpy as np

    order = np.lexsort((digests[:, 1], digests[:, 0]))  # stable: equal digests stay in the order of the rows
    ordered = digests[order]
    first: np.ndarray = np.ones(len(digests), bool)
    first[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    marks: np.ndarray = np.zeros(len(digests), bool)
    marks[order[first]] = True
    return marks
