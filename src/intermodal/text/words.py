"""Cut a batch of texts into words and punctuation, and recognise each, column-wise.

BERT's tokenizer treats the words of a text one by one: nothing of its work crosses an ASCII space or an ASCII
punctuation mark. So a text can be cut there, on its UTF-8 bytes, and each piece looked up among those already met.
A piece of up to 15 bytes is packed, with its length, into two 64-bit integers: the key is the piece itself and not a
hash of it, so two different pieces can never be taken for one another.
"""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

PACKED_BYTES = 15
_UPPER = bytes(range(65, 91))
_LOWERED = bytes.maketrans(_UPPER, _UPPER.lower())
_SPACE, _WORD, _MARK = 0, 1, 2
_KINDS = bytes(
    _SPACE if code in b" \t\n\r" else _MARK if chr(code) in string.punctuation else _WORD for code in range(256)
)


@dataclass(frozen=True)
class Words:
    """The words and punctuation marks of a batch, in order.

    Attributes:
        data: The batch's bytes with A–Z lowered, rows one after another, 16 zero bytes at the end.
        starts: Where each word starts in `data`: int64, shape (words,).
        lengths: How many bytes it has: int64, shape (words,).
        counts: How many words each row has: int64, shape (rows,).
    """

    data: bytes
    starts: np.ndarray
    lengths: np.ndarray
    counts: np.ndarray

    def spelled(self, indexes: np.ndarray) -> list[bytes]:
        """The bytes of some of the words."""
        starts = self.starts[indexes].tolist()
        ends = (self.starts[indexes] + self.lengths[indexes]).tolist()
        return [self.data[start:end] for start, end in zip(starts, ends, strict=True)]


def pack(data: bytes, starts: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pack words into two integers each: bytes 0–7, and bytes 8–14 with the length on top.

    Args:
        data: Bytes, with at least 16 after the last word's start.
        starts: Where each word starts.
        lengths: How many bytes each has, int64.

    Returns:
        Two arrays of uint64, shape (words,). The second is 0 for words of more than 15 bytes, and for no other.
    """
    import numpy as np

    # windows[i] is the eight bytes from i on, read as one little-endian integer; no copy is made.
    windows = np.ndarray(len(data) - 7, "<u8", data, strides=(1,))
    masks = np.array([(1 << 8 * count) - 1 for count in range(9)], np.uint64)
    low = windows.take(starts) & masks.take(np.minimum(lengths, 8))
    high = windows.take(starts + 8) & masks.take(np.clip(lengths - 8, 0, 7))
    high |= lengths.view(np.uint64) << np.uint64(56)
    return low, high * (lengths <= PACKED_BYTES)


def cut(texts: pa.Array) -> Words:
    """Cut texts at ASCII white space and around ASCII punctuation.

    Args:
        texts: A `string` array without nulls, in any alphabet; other characters than ASCII count as part of a word.

    Returns:
        Words and single punctuation marks; no word crosses from one text to the next.
    """
    import numpy as np

    raw, bounds = _buffers(texts)
    kinds = np.frombuffer(raw.translate(_KINDS), np.uint8)
    word, mark = kinds == _WORD, kinds == _MARK
    begins, finishes = word.copy(), word.copy()
    begins[1:] &= ~word[:-1]
    finishes[:-1] &= ~word[1:]
    filled = np.flatnonzero(np.diff(bounds))
    begins[bounds[filled]] = word[bounds[filled]]
    finishes[bounds[filled + 1] - 1] = word[bounds[filled + 1] - 1]
    starts = np.flatnonzero(begins | mark)
    lengths = np.flatnonzero(finishes | mark) - starts + 1
    counts = np.diff(np.searchsorted(starts, bounds))
    return Words(raw.translate(_LOWERED) + bytes(16), starts, lengths, counts)


def _buffers(texts: pa.Array) -> tuple[bytes, np.ndarray]:
    """The bytes of a string array, and where its rows start and end in them."""
    import numpy as np

    _, offsets, data = texts.buffers()
    if not len(texts) or data is None:
        return b"", np.zeros(len(texts) + 1, np.int32)
    bounds = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return data.slice(int(bounds[0]), int(bounds[-1] - bounds[0])).to_pybytes(), bounds - bounds[0]


class WordTable:
    """Numbers of packed words, looked up for a whole batch at once.

    Words are numbered in the order in which they are added. Each has two slots where its number may stand; one that
    finds both taken is simply not findable here, and the caller looks it up elsewhere: the table is a cache. What a
    slot names is compared with the word in full, so an answer is never wrong.
    """

    def __init__(self, bits: int = 18) -> None:
        import numpy as np

        self._shift = np.uint64(64 - bits)
        self._slots: np.ndarray = np.zeros(1 << bits, np.int32)
        # Number 0 stands for "empty slot"; its key equals no word's, since a word's length stands in the top byte.
        self._low: np.ndarray = np.zeros(1, np.uint64)
        self._high: np.ndarray = np.zeros(1, np.uint64)

    def find(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Number of each word, or 0 for one not found: int32, shape (words,).

        Args:
            low: First half of the keys.
            high: Second half.
        """
        import numpy as np

        numbers = self._probe(low, high, 0)
        rest = np.flatnonzero(numbers == 0)
        numbers[rest] = self._probe(low.take(rest), high.take(rest), 1)
        return numbers

    def _probe(self, low: np.ndarray, high: np.ndarray, choice: int) -> np.ndarray:
        numbers: np.ndarray = self._slots.take(self._places(low, high, choice))
        numbers *= (self._low.take(numbers) == low) & (self._high.take(numbers) == high)
        return numbers

    def add(self, low: np.ndarray, high: np.ndarray) -> None:
        """Add words, all different and none added before; the first one ever added gets number 1.

        Args:
            low: First half of the keys.
            high: Second half; 0 for a word that takes a number but shall not be found.
        """
        import numpy as np

        numbers: np.ndarray = np.arange(len(self._low), len(self._low) + len(low), dtype=np.int32)[high > 0]
        self._low, self._high = np.append(self._low, low), np.append(self._high, high)
        for choice in (0, 1):
            places = self._places(self._low[numbers], self._high[numbers], choice)
            _, first = np.unique(places, return_index=True)
            first = first[self._slots[places[first]] == 0]
            self._slots[places[first]] = numbers[first]
            numbers = np.delete(numbers, first)

    def _places(self, low: np.ndarray, high: np.ndarray, choice: int) -> np.ndarray:
        import numpy as np

        # Multiplication by odd constants spreads the bytes; the top bits of the product are the best mixed.
        mixed = (low ^ high * np.uint64(0xC2B2AE3D27D4EB4F)) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
        mixed *= np.uint64(0xBF58476D1CE4E5B9 if choice == 0 else 0x94D049BB133111EB)
        return (mixed >> self._shift).view(np.int64)
