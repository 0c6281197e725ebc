"""Batches of rows of similar length, so that the rectangle attention needs holds little padding."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_JITTER = 4.0  # tokens: rows this close in length may change places, so that an epoch's batches are new ones


def training_batches(lengths: np.ndarray, size: int, seed: int) -> list[np.ndarray]:
    """Batches for one epoch, every row once, in random order.

    Args:
        lengths: Tokens of each row, shape (n,).
        size: Rows in a batch; the last of the longest may have fewer.
        seed: Decides which rows meet and in which order the batches come.

    Returns:
        Row numbers of each batch.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    order = np.argsort(lengths + random.random(len(lengths)) * _JITTER, kind="stable")
    groups = [order[start : start + size] for start in range(0, len(order), size)]
    return [groups[index] for index in random.permutation(len(groups))]


def reading_batches(lengths: np.ndarray, size: int = 64) -> list[np.ndarray]:
    """Batches that only read: every row once, shortest first.

    Args:
        lengths: Tokens of each row, shape (n,).
        size: Rows in a batch.
    """
    import numpy as np

    order = np.argsort(lengths, kind="stable")
    return [order[start : start + size] for start in range(0, len(order), size)]
