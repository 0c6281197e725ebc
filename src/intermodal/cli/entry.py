"""`intermodal entry`: run an entry point of an `MLproject` for the process that holds the other end.

Lines come and go, JSON each. In: the request; then, once the MLflow run is open, the permission to begin; then
`cancel`, or nothing. Out: "ready" or "refused" before anything is recorded, "ended" with the error, if any. The
exit code says how it ended. When the other end is gone the run is stopped, unless it was told to stay.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from intermodal.cli.main import new_parser
from intermodal.errors import EXIT_INTERRUPTED, IntermodalError, Interrupted
from intermodal.runtime.entry import CANCEL, ENDED, READY, REFUSED, STEP, EntryRequest, Permission, Work

if TYPE_CHECKING:
    from intermodal.core.config import Settings


def main(arguments: Sequence[str]) -> int:
    """Run one entry point.

    Args:
        arguments: The words after the verb; there are none.

    Returns:
        The exit code of the run.
    """
    new_parser("entry").parse_args(arguments)
    line = Line()
    with _stopped_once():
        try:
            return _serve(line)
        except KeyboardInterrupt:
            line.say(ENDED, error=Interrupted("the run was interrupted").to_json())
            return EXIT_INTERRUPTED


class Line:
    """The two pipes; standard output itself goes where standard error goes, whoever writes to it."""

    def __init__(self) -> None:
        sys.stdout.flush()
        self._answers = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    def say(self, event: str, **fields: Any) -> None:
        """Write one line; nobody may be left to read it."""
        with contextlib.suppress(OSError, ValueError):
            print(json.dumps({"event": event, **fields}, default=str), file=self._answers, flush=True)

    def hear(self) -> dict[str, Any] | None:
        """Read one line; None when the other end is gone, or wants nothing any more."""
        text = sys.stdin.readline()
        return dict(json.loads(text)) if text and text.strip() != CANCEL else None

    def watch(self, permission: Permission) -> None:
        """Stop this process when it is told to, or when the other end is gone."""

        def listen() -> None:
            told = sys.stdin.readline()
            if told.strip() == CANCEL or not permission.stays:
                os.kill(os.getpid(), signal.SIGTERM)

        threading.Thread(target=listen, daemon=True).start()


def _serve(line: Line) -> int:
    from intermodal.core.config import load_settings
    from intermodal.runtime.entry import prepare

    request = EntryRequest(**(line.hear() or {}))
    if request.kind == STEP and request.runtime == "local" and request.mode != "container":
        os.environ.setdefault("_KFP_RUNTIME", "true")  # kfp then imports only what executing needs
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    settings = load_settings()
    try:
        work = prepare(request, settings)
    except IntermodalError as error:
        line.say(REFUSED, error=error.to_json())
        return error.exit_code
    line.say(READY)
    if request.runtime != "local":
        # Claiming the MLflow run must not wait for this: tasks elsewhere look for it as soon as they start.
        importlib.import_module("mlflow.tracking")
    allowed = line.hear()
    return _begin(line, work, Permission(**allowed), settings) if allowed else EXIT_INTERRUPTED


def _begin(line: Line, work: Work, permission: Permission, settings: Settings) -> int:
    from intermodal.cli.present import PlainLines, exit_code, summary

    os.environ["MLFLOW_RUN_ID"] = permission.run_id
    line.watch(permission)
    if permission.stays:
        _log_to(settings.home / "mlflow" / f"{permission.run_id}.log")
    try:
        record = work(PlainLines())
    except BaseException as error:
        _end_alone(permission, settings, error)
        if not isinstance(error, IntermodalError):
            raise
        print(f"error: {error}", file=sys.stderr)
        line.say(ENDED, error=error.to_json())
        return error.exit_code
    print(summary(record, settings), file=sys.stderr)
    line.say(ENDED, error=record.error, run_id=record.run_id)
    return exit_code(record)


def _end_alone(permission: Permission, settings: Settings, error: BaseException) -> None:
    """End the MLflow run of a run that no runtime has recorded, when nobody else is left to do it."""
    if permission.stays:
        from intermodal.tracking.shared_parent import end_parent

        stopped = isinstance(error, KeyboardInterrupt | Interrupted)
        end_parent(settings.tracking_uri, permission.run_id, "KILLED" if stopped else "FAILED")


def _log_to(path: Path) -> None:
    """From now on what is printed goes to a file: the terminal belongs to somebody else."""
    path.parent.mkdir(parents=True, exist_ok=True)
    print(f"the run goes on by itself; it prints to {path}", file=sys.stderr, flush=True)
    with path.open("ab") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)


@contextlib.contextmanager
def _stopped_once() -> Iterator[None]:
    """The first SIGTERM interrupts; later ones would interrupt the tidying up."""
    told: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        told.append(number)
        if len(told) == 1:
            raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    yield
