"""Boosted decision trees over a projection of TF-IDF features, in NumPy alone.

This file stands alone but for `ngrams.py`: a copy of both lies in every model with such a part, beside `predictor.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from intermodal.text.ngrams import LinearModel

TREES_FILE = "trees.npz"


@dataclass(frozen=True)
class Forest:
    """Trees, their nodes end to end; N nodes, T trees, C classes.

    Attributes:
        feature: Feature that a node asks for, -1 for a leaf, int32, shape (N,).
        threshold: Values up to it go left, float64, shape (N,).
        left: The node at its left, int32, shape (N,).
        right: The node at its right, int32, shape (N,).
        value: What a leaf adds, float64, shape (N,).
        roots: First node of each tree, int32, shape (T,).
        classes: Class that each tree speaks of, int32, shape (T,).
        start: Score of each class before any tree, float64, shape (C,).
    """

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray
    roots: np.ndarray
    classes: np.ndarray
    start: np.ndarray

    def scores(self, inputs: np.ndarray) -> np.ndarray:
        """Scores of the classes: (n, features) → (n, C)."""
        found = np.tile(self.start, (len(inputs), 1))
        rows = np.arange(len(inputs))
        for root, label in zip(self.roots.tolist(), self.classes.tolist(), strict=True):
            nodes = np.full(len(inputs), root)
            while True:
                asked = self.feature[nodes]
                inner = asked >= 0
                if not inner.any():
                    break
                goes_left = inputs[rows, np.maximum(asked, 0)] <= self.threshold[nodes]
                nodes = np.where(inner, np.where(goes_left, self.left[nodes], self.right[nodes]), nodes)
            found[:, label] += self.value[nodes]
        return found


@dataclass(frozen=True)
class TreeModel:
    """TF-IDF, a projection to few dimensions, and trees.

    Attributes:
        base: Vocabulary and weights of the terms; its weights are the projection, shape (V, k).
        forest: The trees, over the k dimensions.
    """

    base: LinearModel
    forest: Forest

    def predict_proba(self, texts: Sequence[str], tfidf: Any) -> np.ndarray:
        """Probabilities, shape (len(texts), C), float64; rows sum to 1.

        Args:
            texts: Texts.
            tfidf: `ngrams.tfidf`, which lies beside this file or in the package.
        """
        inputs = tfidf(self.base.vocabulary.count(texts), self.base.idf).times(self.base.weights)
        scores = self.forest.scores(inputs)
        raised = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))

    def save(self, directory: Path) -> None:
        """Write `vocabulary.json`, `linear.npz` (the projection) and `trees.npz`; plain arrays, no pickle."""
        self.base.save(directory)
        np.savez(directory / TREES_FILE, **{item.name: getattr(self.forest, item.name) for item in fields(Forest)})


def load_forest(directory: Path) -> Forest:
    """Read the trees that `TreeModel.save` wrote."""
    with np.load(directory / TREES_FILE, allow_pickle=False) as arrays:
        return Forest(**{item.name: arrays[item.name] for item in fields(Forest)})


class Part:
    """The part of a model's `predictor.py`: texts to probabilities, float64."""

    def __init__(self, root: Path, facts: dict[str, Any], owner: Any) -> None:
        self._tfidf = owner._ngrams.tfidf
        self._model = TreeModel(owner._ngrams.LinearModel.load(root), load_forest(root))

    def __call__(self, texts: list[str]) -> np.ndarray:
        """Probabilities of the classes, shape (len(texts), C)."""
        return self._model.predict_proba(texts, self._tfidf)
