"""Downsampling to equally many rows of each class."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def downsample(labels: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Keep as many rows of each class as the rarest one has: those of the lowest rank.

    Args:
        labels: Class of each row, shape (rows,).
        ranks: What decides who stays, shape (rows,): all different, and independent of class and order.

    Returns:
        bool, shape (rows,): True for rows that stay. Rows added later push out few of these, and change no order.
    """
    import numpy as np

    kept: np.ndarray = np.zeros(len(labels), bool)
    _, counts = np.unique(labels, return_counts=True)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        kept[rows[np.argsort(ranks[rows], kind="stable")[: counts.min()]]] = True
    return kept


def seeded_ranks(keys: np.ndarray, seed: int) -> np.ndarray:
    """Ranks that depend on a row's key and a seed alone, and not on the other rows.

    Args:
        keys: uint64, shape (rows,), evenly spread.
        seed: Another seed gives another, unrelated order.

    Returns:
        uint64, shape (rows,): different for different keys.
    """
    import numpy as np

    # SplitMix64's finalizer (Steele, Lea & Flood 2014) over the key plus a multiple of the golden gamma: a bijection.
    mixed = keys + np.uint64((seed * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) % (1 << 64))
    mixed = (mixed ^ mixed >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ mixed >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return mixed ^ mixed >> np.uint64(31)
