"""Scores by class, by confidence and by threshold, from scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from intermodal.text.scored import Scored, rounded

if TYPE_CHECKING:
    import numpy as np

_ROC_POINTS = 51


def kappa(truth: np.ndarray, predicted: np.ndarray, classes: int) -> float | None:
    """Cohen's kappa with quadratic weights; None when all rows and all answers are of one class."""
    from sklearn.metrics import cohen_kappa_score

    if len(set(truth.tolist()) | set(predicted.tolist())) < 2:
        return None
    return rounded(cohen_kappa_score(truth, predicted, labels=range(classes), weights="quadratic"))


def confusion(scored: Scored) -> list[list[int]]:
    """Counts of shape (classes, classes): row = true class, column = predicted class."""
    from sklearn.metrics import confusion_matrix

    matrix = confusion_matrix(scored.truth, scored.predicted, labels=range(len(scored.labels)))
    return [[int(cell) for cell in row] for row in matrix]


def per_class(scored: Scored) -> list[dict[str, Any]]:
    """Precision, recall, F1 and support of each class, in the order of the labels."""
    from sklearn.metrics import precision_recall_fscore_support

    classes = range(len(scored.labels))
    columns = precision_recall_fscore_support(scored.truth, scored.predicted, labels=classes, zero_division=0)
    return [
        {"label": label, "precision": rounded(p), "recall": rounded(r), "f1": rounded(f), "support": int(n)}
        for label, p, r, f, n in zip(scored.labels, *columns, strict=True)
    ]


def calibration_bins(scored: Scored, bins: int) -> list[dict[str, Any]]:
    """Rows of similar confidence (Guo et al. 2017, arXiv:1706.04599, section 2), empty bins left out.

    Args:
        scored: The split with a model's answers.
        bins: How many bins of equal width between 0 and 1.

    Returns:
        {"confidence": mean, "accuracy", "count"} by rising confidence.
    """
    import numpy as np

    confidence = scored.probabilities.max(axis=1)
    right = scored.predicted == scored.truth
    number = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        {
            "confidence": rounded(confidence[number == index].mean()),
            "accuracy": rounded(right[number == index].mean()),
            "count": int((number == index).sum()),
        }
        for index in sorted(set(number.tolist()))
    ]


def roc_curves(scored: Scored) -> list[dict[str, Any]]:
    """One-vs-rest ROC curve of each class.

    Returns:
        {"label", "auc", "points": [[false positive rate, true positive rate], …]}, thinned to 51 points; auc is None
        for a class with no positives or no negatives.
    """
    import numpy as np
    from sklearn.metrics import roc_auc_score, roc_curve

    curves: list[dict[str, Any]] = []
    for index, label in enumerate(scored.labels):
        positive, values = scored.truth == index, scored.probabilities[:, index]
        if not positive.any() or positive.all():
            curves.append({"label": label, "auc": None, "points": []})
            continue
        false, true, _ = roc_curve(positive, values)
        kept = np.unique(np.linspace(0, len(false) - 1, _ROC_POINTS).round().astype(int))
        points = [[rounded(false[at]), rounded(true[at])] for at in kept]
        curves.append({"label": label, "auc": rounded(roc_auc_score(positive, values)), "points": points})
    return curves
