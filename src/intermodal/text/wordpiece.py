"""BERT's uncased WordPiece at a fraction of the cost, with exactly the ids that Hugging Face's tokenizer gives.

Every distinct word is handed to the real tokenizer once and its pieces are remembered; a batch is then a table look-up
and a gather. A text that contains a special token's own spelling ("[MASK]") sends its whole batch to the real
tokenizer, since such a token is recognised across the cuts that this makes.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from intermodal.text.ragged import Ragged, from_lists, gather, offsets_of
from intermodal.text.words import Words, WordTable, cut, pack

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from tokenizers import Tokenizer

_MOST_WORDS = 200_000  # distinct words remembered before starting afresh: some 40 MB
_MOST_BYTES = 1 << 25


def is_plain_wordpiece(tokenizer: Tokenizer) -> bool:
    """Whether a tokenizer is BERT's uncased WordPiece in every part that matters here.

    Args:
        tokenizer: Any tokenizer.

    Returns:
        True when it normalises and cuts as BERT does, and its added tokens are spelled in brackets or contain other
        ASCII punctuation, so that no word between two punctuation marks can be one.
    """
    parts = json.loads(tokenizer.to_str())
    normalizer, cutter = parts["normalizer"] or {}, parts["pre_tokenizer"] or {}
    lowers = normalizer.get("type") == "BertNormalizer" and normalizer["clean_text"] and normalizer["lowercase"]
    added = all(_is_bracketed(token) for token in parts["added_tokens"])
    return bool(lowers and added and cutter.get("type") == "BertPreTokenizer" and parts["model"]["type"] == "WordPiece")


def _is_bracketed(token: dict[str, Any]) -> bool:
    content = token["content"]
    return content[0] == "[" and content[-1] == "]" and content.isascii() and not token["normalized"]


class WordMemo:
    """Pieces of texts, from the pieces of their words.

    Args:
        tokenizer: One that `is_plain_wordpiece` accepts, without padding and truncation.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._model = tokenizer.model
        # Lowered, as the words are: "[mask]" is sent to the real tokenizer for nothing, and gets the right ids there.
        spellings = sorted(token.content.lower() for token in tokenizer.get_added_tokens_decoder().values())
        self._special = re.compile("|".join(map(re.escape, spellings)).encode() or b"(?!)")
        self._forget()

    def pieces(self, texts: pa.Array, limit: int) -> tuple[Ragged, np.ndarray] | None:
        """The first pieces of each text, and how many it has in all.

        Args:
            texts: A `string` array without nulls.
            limit: Pieces wanted of each text.

        Returns:
            Ids without special tokens, at most `limit` a row, and the count before cutting (int32, shape (rows,));
            None when a text spells a special token, and the real tokenizer has to do this batch.
        """
        words = cut(texts)
        if self._special.search(words.data):
            return None
        return self._assemble(self._numbers_of(words), words.counts, limit)

    def _forget(self) -> None:
        import numpy as np

        self._numbers: dict[bytes, int] = {}
        self._bytes = 0
        self._table = WordTable()
        self._known = Ragged(np.zeros(0, np.int32), np.zeros(2, np.int32))  # number 0 is no word

    def _numbers_of(self, words: Words) -> np.ndarray:
        """Number of each word of a batch, learning those not met before: int32, shape (words,)."""
        import numpy as np

        if len(self._numbers) > _MOST_WORDS or self._bytes > _MOST_BYTES:
            self._forget()
        numbers = self._table.find(*pack(words.data, words.starts, words.lengths))
        unknown = np.flatnonzero(numbers == 0)
        spelled = words.spelled(unknown)
        self._learn([word for word in dict.fromkeys(spelled) if word not in self._numbers])
        numbers[unknown] = [self._numbers[word] for word in spelled]
        return numbers

    def _learn(self, words: list[bytes]) -> None:
        if not words:
            return
        import numpy as np

        first = len(self._numbers) + 1
        self._numbers.update(zip(words, range(first, first + len(words)), strict=True))
        self._bytes += sum(map(len, words))
        learned = from_lists([self._tokenize(word) for word in words])
        offsets = np.concatenate([self._known.offsets, learned.offsets[1:] + self._known.offsets[-1]])
        self._known = Ragged(np.concatenate([self._known.values, learned.values]), offsets)
        lengths = np.fromiter(map(len, words), np.int64, len(words))
        starts: np.ndarray = offsets_of(lengths)[:-1].astype(np.int64)
        self._table.add(*pack(b"".join(words) + bytes(16), starts, lengths))

    def _tokenize(self, word: bytes) -> list[int]:
        """The pieces of one word, from the real tokenizer."""
        if word.isalnum():  # ASCII letters and digits: nothing to normalise or to cut, so the model alone decides
            return [token.id for token in self._model.tokenize(word.decode())]
        ids: list[int] = self._tokenizer.encode(word.decode(), add_special_tokens=False).ids
        return ids

    def _assemble(self, numbers: np.ndarray, counts: np.ndarray, limit: int) -> tuple[Ragged, np.ndarray]:
        """Put the words' pieces together again, at most `limit` a row."""
        import numpy as np

        lengths = self._known.lengths[numbers]
        ends = offsets_of(lengths)
        bounds = ends[offsets_of(counts)]
        # Pieces of a word that still fit, given how many of its row came before it.
        room = np.repeat(bounds[:-1] + np.int32(limit), counts) - ends[:-1]
        kept = np.clip(room, 0, lengths)
        fits = kept > 0
        values = gather(self._known.values, self._known.offsets[numbers[fits]], kept[fits]).values
        totals = np.diff(bounds)
        return Ragged(values, offsets_of(np.minimum(totals, limit))), totals
