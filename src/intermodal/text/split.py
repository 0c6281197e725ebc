"""A leak-free, stratified split by what the texts say.

A text's digest is a number in [0, 1) that depends on the text alone: the lowest part is the test split, the highest
the validation split, the rest is trained on. So a text lands in the same split in every run, with every seed, whatever
rows stand beside it.

Only how wide the test part is may depend on the data. After balancing, the rarest class decides how many rows of each
are tested on, and 5 % of a class of some thousands are too few to tell two models apart. So where no more than twice
the share gives `min_test_rows` rows of every class, each class is given as much as that takes, in steps of one percent
(5,000 rows of the rarest suffice for 500). Where rows are added, such a part narrows step by step, and texts move from
test to train; `min_test_rows=0` makes a split that nothing moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from intermodal.errors import DataRejected, UsageError

if TYPE_CHECKING:
    import numpy as np

SPLITS = ("train", "validation", "test")
TRAIN, VALIDATION, TEST = range(3)
_STEP = 0.01
_WIDEST = 1 / 3


@dataclass(frozen=True)
class Shares:
    """How much is held out.

    Attributes:
        validation: Share of each class for validation.
        test: Share of each class for the test.
        min_test_rows: Test rows wanted of each class; used if at most twice the share gives them in every class.
    """

    validation: float = 0.05
    test: float = 0.05
    min_test_rows: int = 500

    def __post_init__(self) -> None:
        for name, share in (("validation_share", self.validation), ("test_share", self.test)):
            if not 0 < share <= 0.25:
                raise UsageError(f"{name} is out of range", seen=share, expected="above 0, at most 0.25")
        if self.min_test_rows < 0:
            raise UsageError("min_test_rows is negative", seen=self.min_test_rows, expected="0 or more")


@dataclass(frozen=True)
class Split:
    """Where each row goes.

    Attributes:
        codes: Index into `SPLITS` of each row: int8, shape (rows,).
        test_shares: Class → the share that its test split was given.
    """

    codes: np.ndarray
    test_shares: dict[int, float]


def positions(digests: np.ndarray) -> np.ndarray:
    """The place of digests in [0, 1): float64, shape (rows,); from uint64, shape (rows,)."""
    import numpy as np

    return (digests >> np.uint64(11)) * 2.0**-53


def assign(places: np.ndarray, labels: np.ndarray, shares: Shares) -> Split:
    """Assign every row to a split.

    Args:
        places: What `positions` returned, shape (rows,).
        labels: Class of each row, shape (rows,).
        shares: How much to hold out.

    Returns:
        The split of each row. Each class with three rows or more has at least one in each split, if its texts allow.
    """
    import numpy as np

    codes: np.ndarray = np.full(len(places), TRAIN, np.int8)
    by_label = {int(label): np.flatnonzero(labels == label) for label in np.unique(labels)}
    tests = _test_shares({label: places[rows] for label, rows in by_label.items()}, shares)
    for label, rows in by_label.items():
        codes[rows[places[rows] < tests[label]]] = TEST
        from_top = 1 - places[rows]
        high = _widened(from_top, shares.validation, 1, _WIDEST) or shares.validation
        codes[rows[from_top < high]] = VALIDATION
    return Split(codes, tests)


def check_filled(codes: np.ndarray, labels: np.ndarray, *, every_class: bool) -> None:
    """Refuse a split that lacks rows.

    Args:
        codes: Index into `SPLITS` of each row.
        labels: Class of each row.
        every_class: Whether each class that occurs has to be in each split.

    Raises:
        DataRejected: A split is empty or, with `every_class`, lacks a class.
    """
    import numpy as np

    for code, name in enumerate(SPLITS):
        for label in np.unique(labels) if every_class else [None]:
            if not np.any((codes == code) & ((labels == label) if label is not None else True)):
                raise _too_few(name, labels, label)


def _test_shares(places: dict[int, np.ndarray], shares: Shares) -> dict[int, float]:
    """Class → share for the test: what `min_test_rows` takes if every class can give it, the plain share otherwise."""
    wanted = {key: _widened(mine, shares.test, shares.min_test_rows, 2 * shares.test) for key, mine in places.items()}
    reached = {key: share for key, share in wanted.items() if share is not None}
    if len(reached) == len(places):
        return reached
    return {key: _widened(mine, shares.test, 1, _WIDEST) or shares.test for key, mine in places.items()}


def _widened(places: np.ndarray, share: float, rows: int, limit: float) -> float | None:
    """The first of share, share + 1 %, … that holds `rows` rows; None if there is none up to the limit."""
    steps = max(0, round((limit - share) / _STEP))
    widths = [round(share + step * _STEP, 6) for step in range(steps + 1)]
    return next((width for width in widths if (places < width).sum() >= rows), None)


def _too_few(split: str, labels: np.ndarray, label: int | None) -> DataRejected:
    import numpy as np

    found = {int(key) + 1: int(count) for key, count in zip(*np.unique(labels, return_counts=True), strict=True)}
    what = f" of rating {int(label) + 1}" if label is not None else ""
    return DataRejected(
        f"there are too few reviews{what} for a {split} split",
        seen=f"different texts by rating: {found}",
        expected="at least some 20 of each rating",
        next_step="give more data, larger test_share and validation_share, or balance=false if a rating is rare",
    )
