"""The digest of a split: which reviews with which labels, whatever the tokenizer, the order and the files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable


def split_digest(review_ids: Iterable[str], texts: Iterable[str], label_ids: Iterable[int]) -> str:
    """sha256 over the sorted rows of a split.

    Args:
        review_ids: Review ids.
        texts: The texts, as the model sees them before tokenizing.
        label_ids: Classes, star rating less one.

    Returns:
        The digest, in hexadecimal.
    """
    # JSON keeps ("a", "bc") apart from ("ab", "c"), and text of any alphabet in one form.
    lines = sorted(json.dumps(list(row)) for row in zip(review_ids, texts, label_ids, strict=True))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
