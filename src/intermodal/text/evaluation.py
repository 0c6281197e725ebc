"""What a rating classifier is worth on a split: scores with intervals, slices, calibration.

Everything is a pure function of the true classes and the predicted probabilities, so candidates of any kind are
judged alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from intermodal.errors import ArtifactCorrupt, DataRejected
from intermodal.text.class_scores import calibration_bins, confusion, kappa, per_class, roc_curves
from intermodal.text.scored import Scored, estimate, rounded
from intermodal.text.slices import by_category, by_length

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_BATCH = 512  # texts between two signs of progress


def score(
    rows: pa.Table,
    labels: Sequence[str],
    predict: Callable[[list[str]], np.ndarray],
    progress: Callable[[int, int], None],
) -> Scored:
    """Let a model answer every text of a split.

    Args:
        rows: The split, see `Scored.rows`.
        labels: Class names, in the order of the model's probabilities.
        predict: Texts to probabilities, shape (n, classes).
        progress: Called with (done, total).

    Returns:
        The split with the answers.

    Raises:
        DataRejected: The split is empty, or has classes that the model does not know.
        ArtifactCorrupt: The model's answers are no probabilities of these classes.
    """
    import numpy as np

    truth = rows.column("label_ids").to_numpy().astype(np.int64)
    if not len(truth):
        raise DataRejected("the split has no rows", seen=0, expected="at least one review")
    if truth.min() < 0 or truth.max() >= len(labels):
        raise DataRejected(
            "the split has classes that the model does not know", seen=sorted(set(truth.tolist())), expected=labels
        )
    texts = rows.column("text").to_pylist()
    pieces = []
    for start in range(0, len(texts), _BATCH):
        pieces.append(np.asarray(predict(texts[start : start + _BATCH])))
        progress(min(start + _BATCH, len(texts)), len(texts))
    probabilities = np.concatenate(pieces)
    _check_probabilities(probabilities, (len(texts), len(labels)))
    return Scored(rows, truth, probabilities, tuple(labels))


def evaluate_scored(scored: Scored, bins: int = 15) -> dict[str, Any]:
    """Every figure of an evaluation.

    Args:
        scored: The split with a model's answers.
        bins: Bins of confidence for the calibration.

    Returns:
        JSON-serialisable: `rows`, `labels`, `accuracy` and `within_one` ({"value", "low", "high"}), `macro_f1`, `mae`
        (stars), `qwk`, `ece`, `log_loss`, `macro_auc`, `per_class`, `confusion` (row = true class), `calibration`,
        `roc`, and `slices` ("by_length", "by_category").
    """
    import numpy as np

    truth, predicted = scored.truth, scored.predicted
    off = np.abs(truth - predicted)
    calibration = calibration_bins(scored, bins)
    roc = roc_curves(scored)
    areas = [curve["auc"] for curve in roc if curve["auc"] is not None]
    return {
        "rows": len(truth),
        "labels": list(scored.labels),
        "accuracy": estimate(int((off == 0).sum()), len(truth)),
        "within_one": estimate(int((off <= 1).sum()), len(truth)),
        "macro_f1": rounded(np.mean([row["f1"] for row in per_class(scored)])),
        "mae": rounded(off.mean()),
        "qwk": kappa(truth, predicted, len(scored.labels)),
        "ece": rounded(
            sum(row["count"] * abs(row["accuracy"] - row["confidence"]) for row in calibration) / len(truth)
        ),
        "log_loss": rounded(-np.log(np.clip(_of_truth(scored), 1e-12, 1)).mean()),
        "macro_auc": rounded(np.mean(areas)) if areas else None,
        "per_class": per_class(scored),
        "confusion": confusion(scored),
        "calibration": calibration,
        "roc": roc,
        "slices": {"by_length": by_length(scored), "by_category": by_category(scored)},
    }


def headline(found: Mapping[str, Any]) -> dict[str, float]:
    """The scores that stand for an evaluation, as flat metrics.

    Args:
        found: What `evaluate_scored` returned.
    """
    names = ("macro_f1", "mae", "qwk", "ece", "log_loss", "macro_auc")
    ends = {"accuracy": "value", "accuracy_low": "low", "accuracy_high": "high"}
    values = {name: found["accuracy"][end] for name, end in ends.items()}
    values |= {"within_one": found["within_one"]["value"], "rows": found["rows"]}
    return values | {name: found[name] for name in names if found[name] is not None}


def _check_probabilities(probabilities: np.ndarray, shape: tuple[int, int]) -> None:
    import numpy as np

    if probabilities.shape != shape:
        raise ArtifactCorrupt("the model's answers have the wrong shape", seen=probabilities.shape, expected=shape)
    sums = probabilities.sum(axis=1, dtype=np.float64)
    if not np.isfinite(probabilities).all() or np.abs(sums - 1).max() > 1e-3 or probabilities.min() < 0:
        seen = f"row sums from {sums.min():.4f} to {sums.max():.4f}"
        raise ArtifactCorrupt("the model's answers are no probabilities", seen=seen, expected="rows that sum to 1")


def _of_truth(scored: Scored) -> np.ndarray:
    """Probability given to the true class, shape (n,)."""
    import numpy as np

    return np.asarray(scored.probabilities[np.arange(len(scored.truth)), scored.truth], dtype=np.float64)
