"""Everything the page of a run shows, as a value: what the runtime fills and `build_report` draws.

Every field is optional but for names, since the page of a run that failed half-way shows what there is.
`RunReport.from_json` reads what `to_json` wrote; unknown keys are ignored, so that a newer run can be drawn
by an older version and the other way round.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from intermodal.report import codec
from intermodal.report.sections import Sections


@dataclass(frozen=True)
class Failure:
    """Why a task failed; the four answers of an `IntermodalError`.

    Attributes:
        headline: What failed.
        seen: The value found.
        expected: The value that would have been right.
        next: What to type or change next.
        kind: Class of the error.
    """

    headline: str
    seen: str = ""
    expected: str = ""
    next: str = codec.aka("next_step", default="")
    kind: str = ""


@dataclass(frozen=True)
class ArtifactRow:
    """One artifact that a task made.

    Attributes:
        name: Its name in the step's signature.
        type: KFP's type, such as "Dataset".
        uri: Where it lies.
        digest: Digest of its content.
        rows: Number of rows, if it has rows.
        bytes: Size in bytes.
    """

    name: str
    type: str = ""
    uri: str = ""
    digest: str = ""
    rows: int | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class TaskRow:
    """One task of the run.

    Attributes:
        name: Its name in the pipeline, unique.
        step: The step it ran.
        state: SUCCEEDED, CACHED, FAILED, SKIPPED, RUNNING, PENDING or CANCELLED.
        seconds: Wall time, s.
        cached: True when its outputs were taken from the cache.
        reason: Why it was taken from the cache, or why not.
        depends_on: Names of the tasks before it.
        log_tail: Its last log lines, as one text.
        error: Why it failed.
        artifacts: What it made.
        parameters: What it was called with.
        bill: What its jobs were charged with; keys as in `TaskRecord.bill`.
    """

    name: str
    step: str = ""
    state: str = "PENDING"
    seconds: float | None = None
    cached: bool = False
    reason: str = ""
    depends_on: tuple[str, ...] = ()
    log_tail: str = ""
    error: Failure | None = None
    artifacts: tuple[ArtifactRow, ...] = ()
    parameters: dict[str, Any] = field(default_factory=dict)
    bill: dict[str, Any] = field(default_factory=dict)

    @property
    def shown_state(self) -> str:
        """The state in capitals; a task that succeeded from the cache is CACHED."""
        state = self.state.upper()
        return "CACHED" if self.cached and state == "SUCCEEDED" else state


@dataclass(frozen=True)
class LineageEdge:
    """One step of lineage: a task made `target` from `source`.

    Attributes:
        source: Artifact as "task/name", or a URI outside the store.
        target: Artifact as "task/name".
        task: The task between them.
    """

    source: str
    target: str
    task: str = ""


@dataclass(frozen=True)
class MlflowRun:
    """The run in MLflow.

    Attributes:
        run_id: Its id.
        url: Its page in the tracking server's UI, if it has one.
        experiment: Name of its experiment.
    """

    run_id: str = ""
    url: str = ""
    experiment: str = ""


@dataclass(frozen=True)
class RunReport:
    """One run of one pipeline.

    Attributes:
        run_id: Its id.
        pipeline: Name of the pipeline.
        state: SUCCEEDED, FAILED, RUNNING or CANCELLED.
        started: When it began, ISO 8601.
        seconds: Wall time, s.
        runtime: Where its tasks ran.
        command: What to type to run it again, or to resume it.
        parameters: Pipeline parameters.
        mlflow: The run in MLflow.
        tasks: Its tasks, in the order of the pipeline.
        lineage: Which artifact was made from which.
        sections: What the artifacts say: profile, validation, curves, evaluations, registration.
        error: Why the run failed, when no task says it.
        version: Version of intermodal.
    """

    run_id: str
    pipeline: str = ""
    state: str = "PENDING"
    started: str = ""
    seconds: float | None = None
    runtime: str = ""
    command: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    mlflow: MlflowRun | None = None
    tasks: tuple[TaskRow, ...] = ()
    lineage: tuple[LineageEdge, ...] = ()
    sections: Sections = field(default_factory=Sections)
    error: Failure | None = None
    version: str = ""

    def to_json(self) -> dict[str, Any]:
        """The report as a JSON object."""
        written: dict[str, Any] = codec.to_json(self)
        return written

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> RunReport:
        """Read what `to_json` wrote.

        Raises:
            UsageError: It has no run id, or is not an object.
        """
        return codec.from_json(RunReport, data)

    def failures(self) -> list[tuple[str, Failure]]:
        """(task, failure) of every failed task; the run's own failure has task ""."""
        found = [
            (task.name, task.error or Failure("the task failed"))
            for task in self.tasks
            if task.state.upper() == "FAILED"
        ]
        return found or ([("", self.error)] if self.error else [])
