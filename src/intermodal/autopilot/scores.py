"""What candidates are compared by, on validation rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from intermodal.errors import UsageError
from intermodal.text.curves import validation_scores

if TYPE_CHECKING:
    import numpy as np

# Metric → whether more is better. SageMaker knows all but the last two.
METRICS = {
    "accuracy": True,
    "balanced_accuracy": True,
    "macro_f1": True,
    "macro_precision": True,
    "macro_recall": True,
    "qwk": True,
    "log_loss": False,
}


def check_metric(name: str) -> None:
    """Refuse a metric that is not known.

    Raises:
        UsageError: It is not.
    """
    if name not in METRICS:
        raise UsageError("Autopilot does not know this metric", seen=name, expected=", ".join(METRICS))


def is_better(name: str, one: float | None, other: float | None) -> bool:
    """Whether one score is better than another; one that is not known is worse than all."""
    if one is None or other is None:
        return one is not None
    return one > other if METRICS[name] else one < other


def candidate_scores(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Every metric of `METRICS` that is defined.

    Args:
        probabilities: Shape (n, C); rows sum to 1.
        labels: True classes, shape (n,).
    """
    import numpy as np

    found = validation_scores(probabilities, labels)
    predicted = probabilities.argmax(axis=1)
    rows = []
    for label in np.unique(labels):
        hits = float(((predicted == label) & (labels == label)).sum())
        recall, precision = hits / (labels == label).sum(), hits / max(1, (predicted == label).sum())
        rows.append((recall, precision, 2 * recall * precision / (recall + precision) if hits else 0.0))
    recall, precision, f1 = (float(np.mean(column)) for column in zip(*rows, strict=True))
    made = {"accuracy": found["accuracy"], "balanced_accuracy": recall, "macro_f1": f1}
    made |= {"macro_precision": precision, "macro_recall": recall, "log_loss": found["loss"]}
    return made | ({"qwk": found["qwk"]} if "qwk" in found else {})
