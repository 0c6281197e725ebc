"""Learn how to combine the answers of several models, on rows that none of them was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from intermodal.text.ngrams import combine, exceeding_logits

if TYPE_CHECKING:
    import numpy as np

_STRENGTH = 0.3  # inverse regularisation: a few hundred rows decide a few dozen weights
_LEAST_ROWS = 20  # on either side of a question; with fewer there the models are averaged


@dataclass(frozen=True)
class Combination:
    """How `intermodal.text.ngrams.combine` weighs the parts.

    Attributes:
        weights: Shape (parts · (C - 1), C - 1), float64.
        bias: Shape (C - 1,), float64.
    """

    weights: np.ndarray
    bias: np.ndarray

    def apply(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        """Combined probabilities, shape (n, C), of each part's, shape (n, C)."""
        return combine(parts, self.weights, self.bias)


def fit_combination(parts: Sequence[np.ndarray], labels: np.ndarray) -> Combination:
    """Learn weights: one logistic regression for each question "more than class i?".

    It reads all parts' log odds of all questions, so that a part may be trusted on one question more than on another,
    and it calibrates: a part that is too sure of itself is toned down.

    Args:
        parts: Probabilities of each model, shape (n, C), for validation rows.
        labels: True classes of these rows, shape (n,).

    Returns:
        The weights. A question with too few rows on either side gets the mean of the parts' log odds.
    """
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    odds = np.concatenate([exceeding_logits(part) for part in parts], axis=1)
    questions = odds.shape[1] // len(parts)
    weights = np.tile(np.eye(questions) / len(parts), (len(parts), 1))
    bias = np.zeros(questions)
    for question in range(questions):
        exceeds = labels > question
        if min(exceeds.sum(), (~exceeds).sum()) >= _LEAST_ROWS:
            fitted = LogisticRegression(C=_STRENGTH, max_iter=1000).fit(odds, exceeds)
            weights[:, question], bias[question] = fitted.coef_[0], fitted.intercept_[0]
    return Combination(weights, bias)


def cross_fitted(parts: Sequence[np.ndarray], labels: np.ndarray, seed: int) -> np.ndarray:
    """What combinations say of rows that they were not fitted on: each half is judged by the other half's weights.

    Args:
        parts: As for `fit_combination`.
        labels: As for `fit_combination`.
        seed: Which rows go to which half.

    Returns:
        Probabilities, shape (n, C).
    """
    import numpy as np

    half = np.random.default_rng(seed).permutation(len(labels)) % 2 == 0
    found = np.zeros_like(parts[0])
    for judged in (half, ~half):
        learned = fit_combination([part[~judged] for part in parts], labels[~judged])
        found[judged] = learned.apply([part[judged] for part in parts])
    return found
