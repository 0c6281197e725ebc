"""What a run tells whoever watches it: the terminal, a test, nobody."""

from __future__ import annotations

from intermodal.runtime.record import RunRecord, TaskRecord


class Observer:
    """Hears of everything that happens in a run; this one does nothing, subclasses print.

    Tasks inside a loop may run side by side, so calls can come from several threads.
    """

    def run_started(self, record: RunRecord) -> None:
        """A run began."""

    def task_started(self, task: TaskRecord) -> None:
        """A task began to work; not called for a remembered result."""

    def task_progress(self, name: str, done: float, total: float, unit: str, note: str) -> None:
        """A task said how far it is; `total` is 0 when it does not know."""

    def task_line(self, name: str, line: str) -> None:
        """A task printed a line."""

    def task_ended(self, task: TaskRecord, log_tail: list[str]) -> None:
        """A task ended; `log_tail` holds its last lines when it failed."""

    def run_ended(self, record: RunRecord) -> None:
        """A run ended."""
