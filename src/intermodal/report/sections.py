"""What the artifacts of a run say: the sections of the page, read from the JSON that the steps write."""

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
class ConstraintRow:
    """One constraint of a data check, and what came of it.

    Attributes:
        check: Name of the check it belongs to.
        level: "Error" stops the pipeline, "Warning" does not.
        constraint: What is asked, as Deequ writes it.
        title: What is asked, in words.
        rule: What is asked of a row or value, where the title does not say it.
        column: Column it is about.
        where: Row filter.
        status: "Success" or "Failure".
        value: What was measured.
        expected: What was asked for.
        message: Why it failed.
        hint: What to do about it.
        rows_failed: Number of rows that failed, for row-level constraints.
        samples: A few values that failed.
    """

    check: str = ""
    level: str = ""
    constraint: str = ""
    title: str = ""
    rule: str = ""
    column: str = ""
    where: str = ""
    status: str = ""
    value: Any = None
    expected: Any = None
    message: str = ""
    hint: str = ""
    rows_failed: int | None = None
    samples: tuple[Any, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the constraint held."""
        return self.status.lower() in ("success", "passed", "ok")


@dataclass(frozen=True)
class Validation:
    """What `validate` found.

    Attributes:
        constraints: Every constraint with its outcome.
        rows: Rows looked at.
        rows_clean: Rows that passed every row-level constraint.
        rows_quarantined: Rows set apart.
        status: Outcome of the whole suite.
    """

    constraints: tuple[ConstraintRow, ...] = aka("results", default=())
    rows: int | None = None
    rows_clean: int | None = aka("clean_rows", default=None)
    rows_quarantined: int | None = aka("quarantined_rows", default=None)
    status: str = ""


@dataclass(frozen=True)
class Quarantine:
    """Rows that a task set apart.

    Attributes:
        task: The task.
        rows: How many in all.
        rows_in: How many rows it was given.
        samples: Some of the rows, as column to value.
    """

    task: str
    rows: int = 0
    rows_in: int | None = None
    samples: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Curves:
    """Training curves of one task.

    Attributes:
        task: The task.
        series: Series name to (step, value) points.
    """

    task: str
    series: dict[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)


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
class Evaluation:
    """One candidate on the test split.

    Attributes:
        name: Name of the candidate: the task that trained it.
        kind: Kind of model, as `model.json` says.
        accuracy: Accuracy with its interval.
        macro_f1: Unweighted mean of the classes' F1.
        mae: Mean absolute error, in stars.
        qwk: Cohen's kappa with quadratic weights.
        ece: Expected calibration error.
        labels: Class names, in the order of the matrix; taken from `per_class` when empty.
        per_class: Scores of each class.
        confusion: Counts of shape (classes, classes): row = true class.
        calibration: Bins by rising confidence.
        slices: Group ("by_length", "by_category") to its parts.
        rows: Rows of the test split.
        test_digest: Digest of the test split: candidates compare only when it is the same.
        worst_errors: Rows the model was most sure of and wrong about: text, label, predicted, confidence.
    """

    name: str = aka("candidate", "task", default="")
    kind: str = aka("model_kind", default="")
    accuracy: Estimate = field(default_factory=Estimate)
    macro_f1: float | None = None
    mae: float | None = None
    qwk: float | None = None
    ece: float | None = None
    labels: tuple[str, ...] = ()
    per_class: tuple[ClassScore, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = aka("confusion_matrix", "matrix", default=())
    calibration: tuple[CalibrationBin, ...] = aka("calibration_bins", "bins", default=())
    slices: dict[str, tuple[Slice, ...]] = field(default_factory=dict)
    rows: int | None = None
    test_digest: str = ""
    worst_errors: tuple[dict[str, Any], ...] = ()

    @property
    def is_baseline(self) -> bool:
        """Whether this is what the others are compared with."""
        return "baseline" in f"{self.name} {self.kind}".lower()

    def class_names(self) -> list[str]:
        """Class names, in the order of the matrix."""
        named = list(self.labels) or [score.label for score in self.per_class]
        return named or [str(index + 1) for index in range(len(self.confusion))]


@dataclass(frozen=True)
class Registration:
    """What the champion gate decided.

    Attributes:
        decision: "registered", "rejected", "promoted" …, as the step says it.
        reasons: Why, one sentence each.
        model: Name of the registered model.
        version: Its version.
        alias: The alias it was given, such as "champion".
        candidate: Name of the candidate, as in `Evaluation.name`.
        accuracy: The candidate's accuracy.
        champion: Accuracy of the champion before, on the same test split.
        champion_version: Its version.
    """

    decision: str = ""
    reasons: tuple[str, ...] = ()
    model: str = aka("registered_model", "name", default="")
    version: str = ""
    alias: str = ""
    candidate: str = ""
    accuracy: Estimate | None = None
    champion: Estimate | None = aka("champion_accuracy", default=None)
    champion_version: str = ""

    @property
    def registered(self) -> bool:
        """Whether a version was made."""
        return bool(self.version) and self.decision.lower() not in ("rejected", "refused", "kept")


@dataclass(frozen=True)
class Sections:
    """The sections that artifacts fill; each may be missing.

    Attributes:
        profile: `profile.json` of `explore`; see `report.profiling` for its keys.
        validation: `validation.json` of `validate`.
        quarantines: Rows set apart, by task.
        curves: Training curves, by task.
        evaluations: One a candidate.
        registration: What the champion gate decided.
    """

    profile: dict[str, Any] = field(default_factory=dict)
    validation: Validation | None = None
    quarantines: tuple[Quarantine, ...] = ()
    curves: tuple[Curves, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    registration: Registration | None = None
