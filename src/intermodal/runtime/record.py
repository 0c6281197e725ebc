"""The record of a run: what was asked, how every task ended, where everything is.

It lies in the run's folder as `run.json`, is written anew after every change, and is what `status`,
`logs`, `resume`, `report` and `--json` read.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from intermodal.core import run_state
from intermodal.core.attempt import machine_mark, process_alive, process_start
from intermodal.errors import UsageError
from intermodal.runtime.outcome import write_atomically

PENDING, RUNNING, SKIPPED, INTERRUPTED = "PENDING", run_state.RUNNING, "SKIPPED", "INTERRUPTED"
SUCCEEDED, CACHED, FAILED, CANCELLED = "SUCCEEDED", "CACHED", "FAILED", "CANCELLED"


@dataclass(frozen=True)
class TaskRecord:
    """How one task of a run stands.

    Attributes:
        name: Its name in the pipeline.
        step: "module:function"; empty for a component that is not one of ours.
        state: PENDING, RUNNING, SUCCEEDED, CACHED, FAILED, SKIPPED or CANCELLED.
        seconds: Wall seconds.
        cached: Whether a remembered result was used.
        reason: Why the cache hit or missed, or why the task was skipped.
        depends_on: Names of the tasks it waits for.
        started: UTC time, ISO 8601.
        mlflow_run_id: Its nested MLflow run.
        artifacts: Output name → {"uri", "digest", "rows", "bytes", "type"}.
        metrics: Final scalar metrics.
        values: Returned plain values.
        error: What `IntermodalError.to_json` gave.
        job: Where it runs when a service runs it: {"service", "kind", "name", "url"}.
        bill: What the job was charged with, as `Bill.to_json` gave it; empty where nothing was. With `paid_by`,
            it tells what another run is charged with, whose job was adopted.
    """

    name: str
    step: str = ""
    state: str = PENDING
    seconds: float = 0.0
    cached: bool = False
    reason: str = ""
    depends_on: tuple[str, ...] = ()
    started: str = ""
    mlflow_run_id: str = ""
    artifacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] = field(default_factory=dict)
    job: dict[str, str] = field(default_factory=dict)
    bill: dict[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True)
class RunRecord:
    """How a run stands.

    Attributes:
        run_id: Its name.
        pipeline: The pipeline's name.
        reference: What was typed to name the pipeline.
        arguments: Pipeline parameters that were given.
        parameters: All pipeline parameters, defaults included.
        state: RUNNING, SUCCEEDED, FAILED or CANCELLED; INTERRUPTED when its process is gone.
        mode: "subprocess", "in-process" or "container".
        process: Number of the process that runs it.
        process_started: When that process started, on the machine's own clock; empty when it was not noted.
        machine: Mark of the machine that runs it.
        directory: Working directory it was started in.
        started: UTC time, ISO 8601.
        seconds: Wall seconds.
        mlflow: {"run_id", "experiment_id", "url", "tracking_uri"}.
        tasks: Its tasks, in the order of the pipeline.
        error: Of the first task that failed, or of the run itself.
        warnings: What the user should know though the run went on.
        runtime: Name of the runtime it runs on.
        placements: Task or step → where it runs, if elsewhere than the others.
        remote: Where it runs, when that is not this machine: {"host", "run_id", "url", …}.
    """

    run_id: str
    pipeline: str
    reference: str
    arguments: dict[str, Any]
    parameters: dict[str, Any]
    state: str = RUNNING
    mode: str = "subprocess"
    process: int = 0
    process_started: str = ""
    machine: str = field(default_factory=machine_mark)
    directory: str = ""
    started: str = ""
    seconds: float = 0.0
    mlflow: dict[str, str] = field(default_factory=dict)
    tasks: tuple[TaskRecord, ...] = ()
    error: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    runtime: str = "local"
    placements: dict[str, str] = field(default_factory=dict)
    remote: dict[str, Any] = field(default_factory=dict)

    def task(self, name: str) -> TaskRecord | None:
        """The task of that name, if there is one."""
        return next((item for item in self.tasks if item.name == name), None)

    def with_task(self, task: TaskRecord) -> RunRecord:
        """The record with one task replaced, or added at the end."""
        known = self.task(task.name) is not None
        tasks = tuple(task if item.name == task.name else item for item in self.tasks)
        return replace(self, tasks=tasks if known else (*tasks, task))

    def save(self, runs: Path) -> None:
        """Write `run.json` into the run's folder."""
        path = runs / self.run_id / run_state.RECORD_NAME
        write_atomically(path, json.dumps(asdict(self), indent=1, default=str) + "\n")

    @property
    def abandoned(self) -> bool:
        """Whether it says RUNNING though its process is gone, as far as this machine can tell.

        A run elsewhere goes on without the process that follows it.
        """
        here = not self.remote and self.machine == machine_mark()
        return here and self.state == RUNNING and not self.process_lives

    @property
    def process_lives(self) -> bool:
        """Whether the process that runs it, and not a later one with its number, is there; asked on its machine."""
        return process_alive(self.process, self.process_started)


def new_run_id(pipeline: str) -> str:
    """A name for a run: pipeline, UTC time to the second, four random digits."""
    return f"{pipeline}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def now() -> str:
    """UTC time, ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def this_process() -> dict[str, Any]:
    """What a record says of the process that runs it, for this one: `process` and `process_started`."""
    return {"process": os.getpid(), "process_started": process_start(os.getpid())}


def load_record(path: Path) -> RunRecord | None:
    """Read a run's record; a run whose process is gone reads INTERRUPTED. None when there is none."""
    try:
        fields = json.loads((path / run_state.RECORD_NAME).read_text())
        fields["tasks"] = tuple(
            TaskRecord(**{**item, "depends_on": tuple(item["depends_on"])}) for item in fields["tasks"]
        )
        fields["warnings"] = tuple(fields["warnings"])
        record = RunRecord(**fields)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return record


def list_records(runs: Path) -> list[RunRecord]:
    """Every run of a home, newest first."""
    folders = [item for item in runs.iterdir() if item.is_dir()] if runs.is_dir() else []
    records = [record for item in folders if (record := load_record(item)) is not None]
    return sorted(records, key=lambda record: (record.started, record.run_id), reverse=True)


def find_record(runs: Path, run_id: str = "") -> RunRecord:
    """A run by its name, by the start of its name, by the id it has where it was sent to, or the newest.

    Raises:
        UsageError: There is none, or several start so.
    """
    records = list_records(runs)
    found = [record for record in records if record.run_id.startswith(run_id)]
    exact = [record for record in records if run_id and run_id in (record.run_id, record.remote.get("run_id"))]
    if exact or (found and (not run_id or len(found) == 1)):
        return (exact or found)[0]
    some = ", ".join(record.run_id for record in (found or records)[:5]) or f"no runs under {runs}"
    raise UsageError(
        "several runs start so" if found else "there is no such run",
        seen=run_id or "nothing",
        expected=some,
        next_step="intermodal status",
    )
