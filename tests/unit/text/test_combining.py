"""How the answers of several models become one."""

from __future__ import annotations

import numpy as np

from intermodal.text.combining import cross_fitted, fit_combination


def answers(labels: np.ndarray, quality: float, seed: int) -> np.ndarray:
    """Probabilities that lean to the truth the more, the higher the quality."""
    scores = np.random.default_rng(seed).normal(size=(len(labels), 5))
    distance = np.abs(np.arange(5)[None] - labels[:, None])
    raised = np.exp(scores - quality * distance)
    return raised / raised.sum(axis=1, keepdims=True)


def loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    return float(-np.log(probabilities[np.arange(len(labels)), labels]).mean())


def test_a_combination_is_better_than_either_part_on_unseen_rows() -> None:
    labels, unseen = np.arange(600) % 5, np.arange(1500) % 5
    learned = fit_combination([answers(labels, 0.8, 1), answers(labels, 0.8, 2)], labels)
    parts = [answers(unseen, 0.8, 3), answers(unseen, 0.8, 4)]
    whole = learned.apply(parts)
    np.testing.assert_allclose(whole.sum(axis=1), 1)
    assert loss(whole, unseen) < min(loss(part, unseen) for part in parts) - 0.05
    assert (whole.argmax(1) == unseen).mean() > max((part.argmax(1) == unseen).mean() for part in parts) + 0.02


def test_a_part_that_knows_nothing_does_little_harm() -> None:
    labels, unseen = np.arange(1500) % 5, np.arange(1500) % 5
    learned = fit_combination([answers(labels, 1.0, 1), answers(labels, 0.0, 2)], labels)
    knows, knows_nothing = answers(unseen, 1.0, 3), answers(unseen, 0.0, 4)
    assert loss(learned.apply([knows, knows_nothing]), unseen) < loss(knows, unseen) + 0.01
    assert loss((knows + knows_nothing) / 2, unseen) > loss(knows, unseen) + 0.1


def test_a_part_too_sure_of_itself_is_toned_down() -> None:
    labels = np.arange(600) % 5
    sure = answers(labels, 0.8, 1) ** 6
    sure /= sure.sum(axis=1, keepdims=True)
    assert loss(fit_combination([sure], labels).apply([sure]), labels) < loss(sure, labels) - 0.2


def test_few_rows_hardly_move_the_average() -> None:
    labels, unseen = np.array([0, 1, 2, 3, 4]), np.arange(1000) % 5
    parts = [answers(labels, 0.8, 1), answers(labels, 0.8, 2)]
    average = np.tile(np.eye(4) / 2, (2, 1))
    few = fit_combination(parts, labels)
    assert np.abs(few.weights - average).max() < 0.2
    none = fit_combination([part[:0] for part in parts], labels[:0])
    assert np.array_equal(none.weights, average)
    assert not none.bias.any()
    others = [answers(unseen, 0.8, 3), answers(unseen, 0.8, 4)]
    assert loss(few.apply(others), unseen) < loss(none.apply(others), unseen) + 0.02


def test_the_weights_are_those_that_scikit_learn_finds_when_the_pull_is_to_zero() -> None:
    from sklearn.linear_model import LogisticRegression

    from intermodal.text.combining import _fit

    labels = np.arange(300) % 5
    odds = np.log(answers(labels, 0.8, 1) + 1e-9)
    expected = LogisticRegression(C=0.1, fit_intercept=False, tol=1e-10).fit(odds, labels > 2).coef_[0]
    np.testing.assert_allclose(_fit(odds, labels > 2, np.zeros(5)), expected, atol=1e-3)


def test_cross_fitting_judges_every_row_by_weights_that_did_not_see_it() -> None:
    labels = np.arange(400) % 5
    noise = [answers(labels, 0.0, seed) for seed in range(12)]
    honest, fitted = cross_fitted(noise, labels, 1), fit_combination(noise, labels).apply(noise)
    assert loss(fitted, labels) < 1.55  # weights fitted on the rows they are judged by find a pattern in noise
    assert loss(honest, labels) > 1.6  # and there is none: ln 5 is 1.609
    assert np.array_equal(honest, cross_fitted(noise, labels, 1))
