"""Texts to token ids, in batches: exactly the ids of Hugging Face's tokenizer, without its cost for a row.

`TextEncoder` adds the special tokens and truncates; the pieces between come from the fast path for BERT's uncased
WordPiece (`WordMemo`), or else from the Rust tokenizer itself (RoBERTa's BPE, cased models, SentencePiece).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from intermodal.errors import UsageError
from intermodal.text.arrow import strings
from intermodal.text.ragged import Ragged, from_lists, offsets_of
from intermodal.text.wordpiece import WordMemo, is_plain_wordpiece

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pyarrow as pa
    from tokenizers import Tokenizer

_PROBE = "a"


@dataclass(frozen=True)
class Encoded:
    """A batch of encoded texts.

    Attributes:
        ids: Token ids with special tokens, truncated, not padded.
        tokens: Length of each text before truncation, special tokens included: int32, shape (rows,).
    """

    ids: Ragged
    tokens: np.ndarray


class TextEncoder:
    """Encode batches of texts with one tokenizer.

    Args:
        tokenizer: As `intermodal.text.checkpoint.load_tokenizer` returns it: no padding, no truncation.
        fast: Whether BERT's uncased WordPiece may take the fast path; the ids are the same either way.

    Raises:
        UsageError: The tokenizer puts special tokens elsewhere than around the text.
    """

    def __init__(self, tokenizer: Tokenizer, *, fast: bool = True) -> None:
        self._tokenizer = tokenizer
        self._prefix, self._suffix = _around(tokenizer)
        self._memo = WordMemo(tokenizer) if fast and is_plain_wordpiece(tokenizer) else None

    @property
    def is_fast(self) -> bool:
        """Whether the fast path is in use."""
        return self._memo is not None

    @property
    def special_tokens(self) -> int:
        """How many special tokens surround a text."""
        return len(self._prefix) + len(self._suffix)

    def encode(self, texts: pa.Array | Sequence[str], max_length: int) -> Encoded:
        """Encode a batch.

        Args:
            texts: Strings without nulls, as a list or an Arrow array.
            max_length: Longest row in tokens, special tokens included.

        Returns:
            What `tokenizer(text, truncation=True, max_length=max_length)` gives for each, and the full lengths.

        Raises:
            UsageError: `max_length` leaves no room for a single piece.
        """
        room = max_length - self.special_tokens
        if room < 1:
            least = self.special_tokens + 1
            raise UsageError("max_seq_length is too small", seen=max_length, expected=f"at least {least}")
        pieces, totals = self._pieces(_as_array(texts), room)
        return Encoded(self._surround(pieces), totals + self.special_tokens)

    def _pieces(self, texts: pa.Array, room: int) -> tuple[Ragged, np.ndarray]:
        found = self._memo.pieces(texts, room) if self._memo else None
        if found is not None:
            return found
        batch = self._tokenizer.encode_batch_fast(texts.to_pylist(), add_special_tokens=False)
        whole = from_lists([item.ids for item in batch])
        return whole.first(room), whole.lengths

    def _surround(self, pieces: Ragged) -> Ragged:
        """Put the special tokens around each row."""
        import numpy as np

        before, after = len(self._prefix), len(self._suffix)
        offsets = offsets_of(pieces.lengths + before + after)
        values = np.empty(offsets[-1], np.int32)
        inside: np.ndarray = np.ones(len(values), bool)
        for position, token in enumerate(self._prefix):
            values[offsets[:-1] + position] = token
            inside[offsets[:-1] + position] = False
        for position, token in enumerate(self._suffix):
            values[offsets[1:] - after + position] = token
            inside[offsets[1:] - after + position] = False
        values[inside] = pieces.values
        return Ragged(values, offsets)


def _around(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """The special tokens before and after a text, found by encoding a letter with and without them."""
    bare = tokenizer.encode(_PROBE, add_special_tokens=False).ids
    whole = tokenizer.encode(_PROBE).ids
    for start in range(len(whole) - len(bare) + 1):
        if bare and whole[start : start + len(bare)] == bare:
            return whole[:start], whole[start + len(bare) :]
    raise UsageError(
        "this tokenizer cannot be used for classification",
        seen=f"{_PROBE!r} becomes {bare} alone and {whole} with special tokens",
        expected="special tokens before and after the text, as BERT, DistilBERT and RoBERTa have them",
    )


def _as_array(texts: pa.Array | Sequence[str]) -> pa.Array:
    import pyarrow as pa

    array = texts if isinstance(texts, pa.Array) else strings(texts)
    if array.null_count:
        array = array.fill_null("")
    return array if array.type == pa.string() else array.cast(pa.string())
