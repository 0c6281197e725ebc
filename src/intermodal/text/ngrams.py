"""TF-IDF of words and pairs of words with a linear model on top, in NumPy alone.

Words are numbered by a dictionary; a pair is one 64-bit number made of two word numbers, looked up by bisection. So
counting is a matter of sorting numbers, and a vocabulary of 150,000 terms is a few megabytes without a pickle.

This file stands alone: a copy of it lies in every trained model beside `predictor.py`, so that a model is answered
by the very code that trained it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

BLOCK = 20_000  # texts counted at a time: bounds the memory that sorting takes
VOCABULARY_FILE, ARRAYS_FILE = "vocabulary.json", "linear.npz"


@dataclass(frozen=True)
class Sparse:
    """A sparse matrix in compressed rows, the layout that SciPy calls CSR.

    Attributes:
        data: Values, float64, shape (n,).
        indices: Column of each value, ascending within a row, int64, shape (n,).
        indptr: Where each row starts, and where the last ends, int64, shape (rows + 1,).
    """

    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.indptr) - 1

    @property
    def owners(self) -> np.ndarray:
        """Row of each value, shape (n,)."""
        return np.asarray(np.repeat(np.arange(self.rows), np.diff(self.indptr)))

    def times(self, dense: np.ndarray) -> np.ndarray:
        """This matrix times a dense one of shape (columns, k): float64, shape (rows, k)."""
        parts = [np.bincount(self.owners, self.data * column[self.indices], self.rows) for column in dense.T]
        return np.stack(parts, axis=1)


@dataclass(frozen=True)
class Vocabulary:
    """The words and pairs of words that count as features; words come first.

    Attributes:
        pattern: Regular expression of a word, applied to lower-cased text.
        words: The words, sorted.
        pairs: First word's number times the number of words, plus the second's; sorted, int64.
    """

    pattern: str
    words: tuple[str, ...]
    pairs: np.ndarray

    def __len__(self) -> int:
        return len(self.words) + len(self.pairs)

    def count(self, texts: Sequence[str]) -> Sparse:
        """How often each feature occurs in each text."""
        numbers = {word: number for number, word in enumerate(self.words)}
        words, owners = number_words(texts, self.pattern, numbers)
        return self.count_numbers(words, owners, len(texts))

    def count_numbers(self, words: np.ndarray, owners: np.ndarray, texts: int) -> Sparse:
        """As `count`, for texts whose words are numbered already.

        Args:
            words: Number of each word, -1 for unknown ones, shape (n,).
            owners: The text that each stands in, ascending, shape (n,).
            texts: Number of texts.
        """
        blocks = []
        for first in range(0, max(texts, 1), BLOCK):
            last = min(first + BLOCK, texts)
            mine = between(owners, first, last)
            blocks.append(self._count_block(words[mine], owners[mine] - first, last - first))
        return stack(blocks)

    def _count_block(self, words: np.ndarray, owners: np.ndarray, texts: int) -> Sparse:
        pairs, pair_owners = pair_up(words, owners, len(self.words))
        known = words >= 0
        place = np.asarray(np.searchsorted(self.pairs, pairs))
        found: np.ndarray = np.zeros(len(pairs), bool)
        inside = place < len(self.pairs)
        found[inside] = self.pairs[place[inside]] == pairs[inside]
        columns = np.concatenate([words[known], place[found] + len(self.words)])
        return tally(np.concatenate([owners[known], pair_owners[found]]), columns, texts, len(self))


def number_words(
    texts: Sequence[str], pattern: str, numbers: dict[str, int], learn: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """The words of all texts end to end, as numbers.

    Args:
        texts: Texts.
        pattern: Regular expression of a word, applied to lower-cased text.
        numbers: Number of each known word.
        learn: Whether words not met before are given the next numbers, instead of -1.

    Returns:
        Number of each word and the text that it stands in: int64, shape (n,) both.
    """
    find = re.compile(pattern).findall

    def number(word: str) -> int:
        return numbers.setdefault(word, len(numbers)) if learn else numbers.get(word, -1)

    rows = [[number(word) for word in find(text.lower())] for text in texts]
    sizes = np.fromiter(map(len, rows), np.int64, len(rows))
    words = np.fromiter((item for row in rows for item in row), np.int64, int(sizes.sum()))
    return words, np.repeat(np.arange(len(rows)), sizes)


def between(owners: np.ndarray, first: int, last: int) -> slice:
    """Where the values of the rows first … last - 1 stand, given the ascending row of each value."""
    return slice(int(np.searchsorted(owners, first)), int(np.searchsorted(owners, last)))


def pair_up(words: np.ndarray, owners: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Neighbouring words of the same text as one number each, and the text they stand in.

    Args:
        words: Numbers of words below `size`; a pair with a -1 in it is left out.
        owners: The text each stands in, ascending.
        size: Number of known words.
    """
    near = (owners[1:] == owners[:-1]) & (words[1:] >= 0) & (words[:-1] >= 0)
    return words[:-1][near] * size + words[1:][near], owners[1:][near]


def stack(blocks: Sequence[Sparse]) -> Sparse:
    """Matrices of equal width, one below the other."""
    before = np.cumsum([0, *(len(block.data) for block in blocks)])
    starts = [block.indptr[:-1] + start for block, start in zip(blocks, before, strict=False)]
    return Sparse(
        np.concatenate([block.data for block in blocks]),
        np.concatenate([block.indices for block in blocks]),
        np.concatenate([*starts, before[-1:]]),
    )


def tally(rows: np.ndarray, columns: np.ndarray, height: int, width: int) -> Sparse:
    """Count how often each (row, column) occurs."""
    cells, counts = np.unique(rows * max(width, 1) + columns, return_counts=True)
    starts = np.asarray(np.searchsorted(cells, np.arange(height + 1) * max(width, 1)))
    return Sparse(counts.astype(np.float64), cells % max(width, 1), starts)


@dataclass(frozen=True)
class LinearModel:
    """Linear scores of TF-IDF features, turned into probabilities.

    Attributes:
        vocabulary: The features, V of them.
        idf: Inverse document frequency of each, shape (V,).
        weights: Shape (V, k): k = C for "softmax"; k = C - 1 for "ordinal", one question "more than class i?" each.
        bias: Shape (k,).
        link: "softmax" or "ordinal".
    """

    vocabulary: Vocabulary
    idf: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    link: str

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Probabilities, shape (len(texts), C), float64; rows sum to 1."""
        scores = tfidf(self.vocabulary.count(texts), self.idf).times(self.weights) + self.bias
        if self.link == "ordinal":
            return from_exceeding(1 / (1 + np.exp(-scores)))
        raised = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))

    def save(self, directory: Path) -> None:
        """Write `vocabulary.json` and `linear.npz` (plain arrays, no pickle)."""
        facts = {"pattern": self.vocabulary.pattern, "words": self.vocabulary.words, "link": self.link}
        text = json.dumps(facts, ensure_ascii=False, indent=0)
        (directory / VOCABULARY_FILE).write_text(text + "\n", encoding="utf-8")
        np.savez(
            directory / ARRAYS_FILE,
            pairs=self.vocabulary.pairs,
            idf=self.idf,
            weights=self.weights,
            bias=self.bias,
        )

    @classmethod
    def load(cls, directory: Path) -> LinearModel:
        """Read what `save` wrote."""
        facts: dict[str, Any] = json.loads((directory / VOCABULARY_FILE).read_text(encoding="utf-8"))
        with np.load(directory / ARRAYS_FILE, allow_pickle=False) as arrays:
            vocabulary = Vocabulary(facts["pattern"], tuple(facts["words"]), arrays["pairs"])
            return cls(vocabulary, arrays["idf"], arrays["weights"], arrays["bias"], facts["link"])


def tfidf(counts: Sparse, idf: np.ndarray) -> Sparse:
    """Weigh counts: (1 + ln count) · idf, each row then scaled to length 1, as scikit-learn's sublinear TF-IDF."""
    values = (1 + np.log(counts.data)) * idf[counts.indices]
    lengths = np.sqrt(np.bincount(counts.owners, values**2, counts.rows))
    return Sparse(values / lengths[counts.owners], counts.indices, counts.indptr)


FLOOR = 1e-3  # least probability of a class: differences of independent answers may be negative


def from_exceeding(exceeding: np.ndarray) -> np.ndarray:
    """Probabilities of C ordered classes from those of "more than class i", i = 0 … C - 2.

    Frank and Hall 2001, "A simple approach to ordinal classification", ECML.

    Args:
        exceeding: Shape (n, C - 1).

    Returns:
        Shape (n, C); rows sum to 1.
    """
    ends = np.ones((len(exceeding), 1))
    steps = np.concatenate([ends, exceeding, 0 * ends], axis=1)
    classes = np.maximum(steps[:, :-1] - steps[:, 1:], FLOOR)
    return np.asarray(classes / classes.sum(axis=1, keepdims=True))


def exceeding_logits(probabilities: np.ndarray) -> np.ndarray:
    """The log odds of "more than class i" in probabilities of ordered classes: (n, C) → (n, C - 1)."""
    above = probabilities[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
    share = np.clip(above, FLOOR, 1 - FLOOR)
    return np.asarray(np.log(share) - np.log1p(-share))


def combine(parts: Sequence[np.ndarray], weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Combine the probabilities of several models: weighted log odds of "more than class i", back to classes.

    Args:
        parts: Probabilities of each model, shape (n, C).
        weights: Shape (len(parts) · (C - 1), C - 1).
        bias: Shape (C - 1,).

    Returns:
        Probabilities, shape (n, C).
    """
    odds = np.concatenate([exceeding_logits(part) for part in parts], axis=1)
    return from_exceeding(1 / (1 + np.exp(-(odds @ weights + bias))))
