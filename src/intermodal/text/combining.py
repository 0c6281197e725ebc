"""Learn how to combine the answers of several models, on rows that none of them was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from intermodal.text.ngrams import combine, exceeding_logits

if TYPE_CHECKING:
    import numpy as np

_PULL = 10.0  # towards the average of the parts, in the unit of a row's log-likelihood: few rows move it little


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
    and it calibrates: a part that is too sure of itself is toned down. Weights are pulled towards the plain average of
    the parts, not towards zero, so that a small validation split does no harm.

    Args:
        parts: Probabilities of each model, shape (n, C), for validation rows.
        labels: True classes of these rows, shape (n,).

    Returns:
        The weights; with no rows, those of the average.
    """
    import numpy as np

    odds = np.concatenate([exceeding_logits(part) for part in parts], axis=1)
    questions = odds.shape[1] // len(parts)
    average = np.concatenate([np.tile(np.eye(questions) / len(parts), (len(parts), 1)), np.zeros((1, questions))])
    inputs = np.concatenate([odds, np.ones((len(odds), 1))], axis=1)
    found = [_fit(inputs, labels > question, average[:, question]) for question in range(questions)]
    return Combination(np.stack([item[:-1] for item in found], axis=1), np.array([item[-1] for item in found]))


def _fit(inputs: np.ndarray, exceeds: np.ndarray, average: np.ndarray) -> np.ndarray:
    """Logistic regression of `exceeds` on `inputs`, pulled towards the weights `average`: shape of `average`."""
    import numpy as np
    from scipy.optimize import minimize

    sign = np.where(exceeds, 1.0, -1.0)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        margin, moved = (inputs @ weights) * sign, weights - average
        slope = -sign / (1 + np.exp(np.minimum(margin, 500.0)))
        value = np.logaddexp(0, -margin).sum() + _PULL / 2 * (moved @ moved)
        return float(value), inputs.T @ slope + _PULL * moved

    return np.asarray(minimize(loss, average, jac=True, method="L-BFGS-B").x)


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
