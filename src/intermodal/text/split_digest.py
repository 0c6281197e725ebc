"""The digest of a split: which reviews with which labels, whatever the tokenizer, the order and the files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable


class SplitDigest:
    """The digest of a split that is too large to be held: 32 bytes a row are kept."""

    def __init__(self) -> None:
        self._rows: list[bytes] = []

    def add(self, review_ids: Iterable[str], texts: Iterable[str], label_ids: Iterable[int]) -> None:
        """Add rows; their order does not matter.

        Args:
            review_ids: Review ids.
            texts: The texts, as the model sees them before tokenizing.
            label_ids: Classes, star rating less one.
        """
        for row in zip(review_ids, texts, label_ids, strict=True):
            # JSON keeps ("a", "bc") apart from ("ab", "c"), and text of any alphabet in one form.
            self._rows.append(hashlib.sha256(json.dumps(row).encode()).digest())

    def hexdigest(self) -> str:
        """sha256 over the sorted sha256 of every row added so far, in hexadecimal."""
        return hashlib.sha256(b"".join(sorted(self._rows))).hexdigest()


def split_digest(review_ids: Iterable[str], texts: Iterable[str], label_ids: Iterable[int]) -> str:
    """sha256 over the sorted rows of a split.

    Args:
        review_ids: Review ids.
        texts: The texts, as the model sees them before tokenizing.
        label_ids: Classes, star rating less one.

    Returns:
        The digest, in hexadecimal.
    """
    digest = SplitDigest()
    digest.add(review_ids, texts, label_ids)
    return digest.hexdigest()
