"""What the artifacts of a run say: the sections of the page, read from the JSON that the steps write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from intermodal.report.codec import aka
from intermodal.report.scores import Estimate, Evaluation


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

    constraints: tuple[ConstraintRow, ...] = ()
    rows: int | None = None
    rows_clean: int | None = aka("clean_rows", default=None)
    rows_quarantined: int | None = aka("quarantined_rows", default=None)
    status: str = ""

    @staticmethod
    def prepare(document: Any) -> Any:
        """Bring the constraints of `validation.json`, which stand below their checks, into one list."""
        checks = document.get("checks") if isinstance(document, Mapping) else None
        if not checks:
            return document
        return {**document, "constraints": [row for check in checks for row in check.get("constraints") or ()]}


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
class Registration:
    """What the champion gate decided.

    Attributes:
        decision: "accepted" or "rejected".
        reasons: Why, one sentence each.
        model: Name of the registered model.
        version: The version that holds the candidate.
        alias: The alias that the gate guards, such as "champion".
        model_digest: Digest of the candidate.
        accuracy: The candidate's accuracy.
        champion: Accuracy of the champion before, on the same test split.
        champion_version: Its version.
        champion_digest: Digest of the champion before.
        compared: Score name to {"candidate", "champion"}.
    """

    decision: str = ""
    reasons: tuple[str, ...] = ()
    model: str = aka("registered_model", "name", default="")
    version: str = ""
    alias: str = ""
    model_digest: str = ""
    accuracy: Estimate | None = None
    champion: Estimate | None = aka("champion_accuracy", default=None)
    champion_version: str = ""
    champion_digest: str = aka("champion_model_digest", default="")
    compared: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        """Whether the candidate was given the alias."""
        return self.decision.lower() in ("accepted", "registered", "promoted")

    @property
    def unchanged(self) -> bool:
        """Whether the candidate had the alias already."""
        return bool(self.model_digest) and self.model_digest == self.champion_digest


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
