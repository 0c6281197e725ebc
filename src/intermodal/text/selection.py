"""Which reviews are used, and in which split: decided on digests alone, before any text is tokenised.

One pass over the bodies leaves 25 bytes a review; deduplication, split and balance are then a matter of numbers. So
memory grows with the number of reviews, by some 200 bytes each in all (measured on a million), not with their length.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from intermodal.core.events import log_progress
from intermodal.errors import DataRejected
from intermodal.text.arrow import to_numpy
from intermodal.text.balance import downsample, seeded_ranks
from intermodal.text.dedupe import first_occurrences
from intermodal.text.normalise import compare_key, key_digest, readable, split_key
from intermodal.text.split import SPLITS, TRAIN, Shares, Split, assign, check_filled, positions

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from intermodal.text.review_files import ReviewFiles

LABELS = ("1", "2", "3", "4", "5")
UNUSED = -1


@dataclass(frozen=True)
class Survey:
    """What decides a review's fate, for each review.

    Attributes:
        digests: Digest of the comparison key: uint64, shape (rows, 2).
        groups: Digest of the split key: uint64, shape (rows,).
        labels: Star rating less one: int8, shape (rows,).
        texts: Whether there is any text: bool, shape (rows,).
    """

    digests: np.ndarray
    groups: np.ndarray
    labels: np.ndarray
    texts: np.ndarray


@dataclass(frozen=True)
class Selection:
    """Where each review goes.

    Attributes:
        destinations: Index into `SPLITS`, or -1 for a review that is not used: int8, shape (rows,).
        counts: "rows_in", "rows_without_text", "rows_duplicate", "rows_deduplicated", "rows_balanced_away" and
            "rows_train", "rows_validation", "rows_test".
        test_shares: Star rating → share of its texts that are in the test part before balancing.
    """

    destinations: np.ndarray
    counts: dict[str, int]
    test_shares: dict[str, float]


def survey(reviews: ReviewFiles) -> Survey:
    """Read every review once and keep what deduplicating and splitting need.

    Raises:
        DataRejected: A rating is missing or not in 1..5.
    """
    import numpy as np

    parts: list[tuple[np.ndarray, ...]] = []
    done = 0
    for batch in reviews.batches(("star_rating", "review_body")):
        keys = [compare_key(readable(body)) for body in batch.column("review_body").to_pylist()]
        digests = np.frombuffer(b"".join(map(key_digest, keys)), "<u8").reshape(-1, 2)
        groups = np.frombuffer(b"".join([key_digest(split_key(key)) for key in keys]), "<u8")[::2].copy()
        texts = np.fromiter(map(bool, keys), bool, len(keys))
        parts.append((digests, groups, _labels(batch.column("star_rating"), done), texts))
        done += len(keys)
        log_progress(done, reviews.rows, "reviews", "comparing texts")
    return Survey(*map(np.concatenate, zip(*parts, strict=True)))


def select(found: Survey, shares: Shares, *, balance: bool, seed: int) -> Selection:
    """Deduplicate, split and balance.

    Args:
        found: What `survey` returned.
        shares: How much to hold out.
        balance: Whether every split gets equally many reviews of each rating that occurs.
        seed: Which reviews of the more frequent ratings are trained on. The validation and test reviews do not depend
            on it, so that models trained with different seeds are tested on the same reviews.

    Returns:
        Where each review goes.

    Raises:
        DataRejected: Too few texts are left to split.
    """
    import numpy as np

    written = np.flatnonzero(found.texts)
    if not len(written):
        raise DataRejected("no review has a text", seen=f"{len(found.texts)} reviews with an empty review_body")
    unique = written[first_occurrences(found.digests[written])]
    labels = found.labels[unique]
    # Without balancing, a wider test part of the rarer ratings would only distort their proportions.
    held_out = shares if balance else replace(shares, min_test_rows=0)
    split = assign(positions(found.groups[unique]), labels, held_out)
    check_filled(split.codes, labels, every_class=balance)
    used = _balanced(split.codes, labels, found.digests[unique, 1], seed) if balance else np.ones(len(unique), bool)
    destinations: np.ndarray = np.full(len(found.texts), UNUSED, np.int8)
    destinations[unique[used]] = split.codes[used]
    counts = _counts(len(found.texts), len(written), len(unique), destinations)
    return Selection(destinations, counts, _shares_by_rating(split))


def _balanced(codes: np.ndarray, labels: np.ndarray, keys: np.ndarray, seed: int) -> np.ndarray:
    import numpy as np

    used: np.ndarray = np.zeros(len(codes), bool)
    for code in range(len(SPLITS)):
        rows = np.flatnonzero(codes == code)
        ranks = seeded_ranks(keys[rows], seed) if code == TRAIN else keys[rows]
        used[rows[downsample(labels[rows], ranks)]] = True
    return used


def _labels(ratings: pa.Array, before: int) -> np.ndarray:
    """Classes from star ratings: int8, shape (rows,)."""
    import numpy as np

    values = to_numpy(ratings)
    outside = (values < 1) | (values > len(LABELS))
    if ratings.null_count:
        outside |= np.array(ratings.is_null().to_pylist())
    wrong = np.flatnonzero(outside)
    if len(wrong):
        row = int(wrong[0])
        raise DataRejected(
            f"star_rating is not in 1..{len(LABELS)}",
            seen=f"{ratings[row].as_py()} in row {before + row + 1}",
            expected="a whole number from 1 to 5 in every row",
            next_step="run the step validate before, and featurize its clean output",
        )
    return (values - 1).astype(np.int8)


def _counts(rows: int, written: int, unique: int, destinations: np.ndarray) -> dict[str, int]:
    counts = {"rows_in": rows, "rows_without_text": rows - written, "rows_duplicate": written - unique}
    counts["rows_deduplicated"] = unique
    counts["rows_balanced_away"] = unique - int((destinations != UNUSED).sum())
    return counts | {f"rows_{name}": int((destinations == code).sum()) for code, name in enumerate(SPLITS)}


def _shares_by_rating(split: Split) -> dict[str, float]:
    return {LABELS[label]: share for label, share in sorted(split.test_shares.items())}
