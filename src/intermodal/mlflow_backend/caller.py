"""What `mlflow.projects.run` was told, and does not tell its backends."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import FrameType

_PROJECTS, _COMMAND_LINE = "mlflow.projects", "mlflow.cli"


@dataclass(frozen=True)
class Caller:
    """The call behind `Backend.run`.

    Attributes:
        run_id: The run to use instead of a new one (`--run-id`); empty when none was given.
        run_name: The run's name (`--run-name`); MLflow itself sets it only once the backend has returned.
        from_command_line: Whether `mlflow run` was typed; it never waits for a backend that is a plugin.
    """

    run_id: str = ""
    run_name: str = ""
    from_command_line: bool = False


def caller() -> Caller:
    """Look up the call of `mlflow.projects.run` that this call is part of.

    MLflow hands neither `run_id` nor `run_name` to a plugin, and drops the first without a word: it would make a
    second run where one was asked to be used. They are read from its frame; where it is not on the stack (the
    backend was called directly) nothing was given.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__") == _PROJECTS and frame.f_code.co_name == "run":
            given = frame.f_locals
            above = frame.f_back.f_globals.get("__name__") if frame.f_back else ""
            return Caller(given.get("run_id") or "", given.get("run_name") or "", above == _COMMAND_LINE)
        frame = frame.f_back
    return Caller()
