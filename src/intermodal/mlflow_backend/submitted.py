"""A run that was handed over: what MLflow waits for, asks and cancels."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

from mlflow.projects.submitted_run import SubmittedRun

from intermodal.mlflow_backend.runs import ensure_ended
from intermodal.mlflow_backend.worker import Worker

_TERMINATED = 128 + signal.SIGTERM


class IntermodalRun(SubmittedRun):
    """A run of an entry point; MLflow's record of it always says the truth once `wait` or `cancel` returns.

    Args:
        client: An `mlflow.tracking.MlflowClient`.
        run_id: The MLflow run.
        worker: The process that does the work.
    """

    def __init__(self, client: Any, run_id: str, worker: Worker) -> None:
        super().__init__()
        self._client = client
        self._run_id = run_id
        self._settled = False
        self.worker = worker

    @property
    def run_id(self) -> str:
        """The id of the MLflow run."""
        return self._run_id

    def wait(self) -> bool:
        """Wait until the run has ended; Ctrl-C and SIGTERM cancel it.

        Returns:
            Whether it went well.
        """
        try:
            with _terminable():
                self.worker.join()
        except BaseException:
            self.cancel()
            raise
        self._settle()
        return self.worker.state == "FINISHED"

    def get_status(self) -> str:
        """RUNNING, FINISHED, FAILED or KILLED."""
        if self.worker.running:
            return "RUNNING"
        self._settle()
        return str(self._client.get_run(self._run_id).info.status)

    def cancel(self) -> None:
        """Stop the run with all that it started, and wait until it has; one that has ended keeps its state."""
        self.worker.stop()
        self._settle()

    def _settle(self) -> None:
        """Let MLflow's record agree with how the process ended, whatever that one managed to say."""
        if not self._settled:
            self.worker.join()
            ensure_ended(self._client, self._run_id, "" if self.worker.killed else self.worker.state)
            self._settled = True


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM unwind the stack as Ctrl-C does; only the main thread hears signals."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(_TERMINATED)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
