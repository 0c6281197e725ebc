"""How long the texts are in tokens, and how many tokens to keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from intermodal.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

CHOICES = (32, 64, 128, 256, 512)
COVERED = 0.95
_UNLIMITED = 1 << 20
# These count positions from the padding id on, so that two of the positions in their configuration are never used.
_OFFSET_POSITIONS = ("roberta", "camembert", "xlm-roberta", "xlm-roberta-xl", "roberta-prelayernorm", "longformer")


@dataclass
class LengthDistribution:
    """A histogram of lengths in tokens, filled batch by batch.

    Attributes:
        counts: `counts[n]` texts have n tokens; the last entry counts all that are longer.
    """

    counts: np.ndarray

    @classmethod
    def empty(cls, longest: int = CHOICES[-1]) -> LengthDistribution:
        """A distribution without texts that tells lengths up to `longest` apart."""
        import numpy as np

        return cls(np.zeros(longest + 2, np.int64))

    def add(self, tokens: np.ndarray) -> None:
        """Count texts with these lengths in tokens, shape (rows,)."""
        import numpy as np

        last = len(self.counts) - 1
        self.counts += np.bincount(np.minimum(tokens, last), minlength=last + 1)

    def covered(self, length: int) -> float:
        """Share of texts that have at most `length` tokens; 1 without texts."""
        total = int(self.counts.sum())
        return int(self.counts[: length + 1].sum()) / total if total else 1.0

    def quantile(self, share: float) -> int:
        """The smallest length that covers this share of the texts; one above the longest told apart if none does."""
        import numpy as np

        return int(np.searchsorted(np.cumsum(self.counts), share * self.counts.sum()))

    def choose(self, limit: int) -> int:
        """The smallest of 32, 64, 128, 256, 512 that covers 95 % of the texts.

        Args:
            limit: Longest sequence that the model takes.

        Returns:
            That length, or the longest one up to the limit when none covers so many.
        """
        allowed = [choice for choice in CHOICES if choice <= limit] or [limit]
        return next((choice for choice in allowed if self.covered(choice) >= COVERED), allowed[-1])


def longest_sequence(config: dict[str, Any]) -> int:
    """How many tokens a model takes.

    Args:
        config: The checkpoint's `config.json`.

    Returns:
        Its positions, less those that RoBERTa and its kin leave unused; practically no limit if it names none.
    """
    positions = int(config.get("max_position_embeddings") or config.get("n_positions") or _UNLIMITED)
    offset = int(config.get("pad_token_id") or 0) + 1 if config.get("model_type") in _OFFSET_POSITIONS else 0
    return positions - offset


def check_length(length: int, least: int, limit: int) -> None:
    """Refuse a `max_seq_length` that the model or its tokenizer cannot have.

    Args:
        length: The length asked for; 0 lets the data choose.
        least: The special tokens and one more.
        limit: What `longest_sequence` returned.

    Raises:
        UsageError: The length is negative, too small or too large.
    """
    if length != 0 and not least <= length <= limit:
        raise UsageError(
            "max_seq_length is out of range for this checkpoint",
            seen=length,
            expected=f"{least} to {limit}, or 0 to choose from the lengths of the texts",
            next_step="give one of 32, 64, 128, 256, 512: 64 suits reviews",
        )
