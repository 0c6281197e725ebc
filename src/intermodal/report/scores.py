"""What `evaluate` says of one candidate: scores, intervals, slices, calibration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from intermodal.report.codec import aka


@dataclass(frozen=True)
class Estimate:
    """A score with its 95 % interval.

    Attributes:
        value: The score.
        low: Lower end.
        high: Upper end.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class ClassScore:
    """Scores of one class: precision, recall and F1 in 0..1, support in rows."""

    label: str = ""
    precision: float | None = None
    recall: float | None = None
    f1: float | None = aka("f1_score", "f1-score", default=None)
    support: int | None = None


@dataclass(frozen=True)
class Slice:
    """Accuracy on a part of the test set, with its 95 % interval.

    Attributes:
        name: The part.
        rows: Its rows.
        accuracy: Accuracy on it.
        low: Lower end of the interval.
        high: Upper end of the interval.
    """

    name: str = ""
    rows: int | None = None
    accuracy: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class CalibrationBin:
    """Rows of similar confidence: their mean confidence, how many were right, how many there are."""

    confidence: float | None = None
    accuracy: float | None = None
    count: int = aka("rows", default=0)


@dataclass(frozen=True)
class RocCurve:
    """One class against the rest: its (false positive rate, true positive rate) points and the area below."""

    label: str = ""
    auc: float | None = None
    points: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Evaluation:
    """One candidate on the test split.

    Attributes:
        name: Name of the candidate.
        kind: Kind of model, as `model.json` says.
        accuracy: Accuracy with its interval.
        within_one: Share of predictions at most one star off.
        macro_f1: Unweighted mean of the classes' F1.
        mae: Mean absolute error, in stars.
        qwk: Cohen's kappa with quadratic weights.
        ece: Expected calibration error.
        macro_auc: Unweighted mean of the classes' areas under the ROC curve.
        labels: Class names, in the order of the matrix; taken from `per_class` when empty.
        per_class: Scores of each class.
        confusion: Counts of shape (classes, classes): row = true class.
        calibration: Bins by rising confidence.
        roc: One curve a class.
        slices: Group ("by_length", "by_category") to its parts.
        rows: Rows of the test split.
        test_digest: Digest of the test split: candidates compare only when it is the same.
        model_digest: Digest of the model.
        worst_errors: Rows the model was most sure of and wrong about: text, label, predicted, confidence.
    """

    name: str = aka("candidate", "task", default="")
    kind: str = aka("model_kind", default="")
    accuracy: Estimate = field(default_factory=Estimate)
    within_one: Estimate = field(default_factory=Estimate)
    macro_f1: float | None = None
    mae: float | None = None
    qwk: float | None = None
    ece: float | None = None
    macro_auc: float | None = None
    labels: tuple[str, ...] = ()
    per_class: tuple[ClassScore, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = aka("confusion_matrix", "matrix", default=())
    calibration: tuple[CalibrationBin, ...] = aka("calibration_bins", "bins", default=())
    roc: tuple[RocCurve, ...] = ()
    slices: dict[str, tuple[Slice, ...]] = field(default_factory=dict)
    rows: int | None = None
    test_digest: str = ""
    model_digest: str = ""
    worst_errors: tuple[dict[str, Any], ...] = ()

    @property
    def is_baseline(self) -> bool:
        """Whether this is what the others are compared with."""
        return "baseline" in f"{self.name} {self.kind}".lower()

    def class_names(self) -> list[str]:
        """Class names, in the order of the matrix."""
        named = list(self.labels) or [score.label for score in self.per_class]
        return named or [str(index + 1) for index in range(len(self.confusion))]
