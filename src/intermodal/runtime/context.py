"""What a task knows about the run it belongs to; it crosses process boundaries as environment variables."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from intermodal.core.config import Settings, load_settings
from intermodal.core.events import JOURNAL_VARIABLE

_PREFIX = "INTERMODAL_"
# Those that a task inside another task must not inherit.
CONTEXT_VARIABLES = {
    *(_PREFIX + name for name in ("RUN_ID", "TASK", "TASK_FOLDER", "IMAGE", "USE_CACHE", "MISSED")),
    JOURNAL_VARIABLE,
    "MLFLOW_RUN_ID",
}


@dataclass(frozen=True)
class TaskContext:
    """The surroundings of one task.

    Attributes:
        settings: Where things live.
        run_id: The intermodal run; empty for a task on its own.
        task: Name of the task in its pipeline.
        folder: Where log, journal and outcome of this task are kept.
        mlflow_run_id: The task's MLflow run, already made by whoever started the task.
        image: A foreign image's reference; empty for the image families.
        use_cache: Whether a remembered result may be used.
        missed: File with the key's parts, when the launcher has already looked the task up in vain from
            this very environment; empty when the task must look for itself.
        engine: The service that does the work of a managed step; empty when the step does it itself.
    """

    settings: Settings
    run_id: str
    task: str
    folder: Path
    mlflow_run_id: str = ""
    image: str = ""
    use_cache: bool = True
    missed: str = ""
    engine: str = ""

    @property
    def journal(self) -> Path:
        """JSON lines: progress and metrics while the step runs."""
        return self.folder / "journal.jsonl"

    @property
    def outcome(self) -> Path:
        """JSON: how the task ended."""
        return self.folder / "outcome.json"

    @property
    def log(self) -> Path:
        """Everything the step printed."""
        return self.folder / "log.txt"

    def to_environment(self) -> dict[str, str]:
        """The variables from which `from_environment` builds the same context in another process."""
        values = {
            _PREFIX + "HOME": str(self.settings.home),
            _PREFIX + "STORE": self.settings.store,
            _PREFIX + "RUN_ID": self.run_id,
            _PREFIX + "TASK": self.task,
            _PREFIX + "TASK_FOLDER": str(self.folder),
            _PREFIX + "IMAGE": self.image,
            _PREFIX + "USE_CACHE": "1" if self.use_cache else "0",
            _PREFIX + "MISSED": self.missed,
            JOURNAL_VARIABLE: str(self.journal),
            "MLFLOW_TRACKING_URI": self.settings.tracking_uri,
            "MLFLOW_EXPERIMENT_NAME": self.settings.experiment,
            "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
            "MLFLOW_RUN_ID": self.mlflow_run_id,
        }
        return {name: value for name, value in values.items() if value}

    @classmethod
    def from_environment(cls, step: str) -> TaskContext:
        """The context this process was given.

        Args:
            step: Name for the task when none was given.

        Returns:
            The context; a task on its own keeps its files under `<home>/tasks/<step>`.
        """
        settings = load_settings()
        task = os.environ.get(_PREFIX + "TASK") or step
        folder = os.environ.get(_PREFIX + "TASK_FOLDER") or str(settings.home / "tasks" / task)
        return cls(
            settings=settings,
            run_id=os.environ.get(_PREFIX + "RUN_ID", ""),
            task=task,
            folder=Path(folder),
            mlflow_run_id=os.environ.get("MLFLOW_RUN_ID", ""),
            image=os.environ.get(_PREFIX + "IMAGE", ""),
            use_cache=os.environ.get(_PREFIX + "USE_CACHE", "1") != "0",
            missed=os.environ.get(_PREFIX + "MISSED", ""),
            engine=os.environ.get(_PREFIX + "ENGINE", ""),
        )
