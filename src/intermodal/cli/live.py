"""A run on a terminal: a bar for each running task, everything else printed above the bars."""

from __future__ import annotations

import atexit
import contextlib
import threading

from rich.console import Console
from rich.progress import Progress, TaskID
from rich.text import Text

from intermodal.cli.bars import new_progress, start_phase
from intermodal.cli.present import failure_text, task_line
from intermodal.runtime.observer import Observer
from intermodal.runtime.record import RunRecord, TaskRecord

_FLUSH_SECONDS = 0.1  # printed lines are collected this long: one redraw for all of them
_BURST = 200  # more lines than that in one go are for the log, not for the eye
_STYLES = {"SUCCEEDED": "green", "CACHED": "cyan", "FAILED": "bold red", "CANCELLED": "yellow"}


class LiveBars(Observer):
    """Shows a run to a person.

    One line for the run, and one for each running task: spinner, name, bar, share, what it counts, time
    left, time so far. A finished task becomes a printed line; what tasks print appears above the bars as
    it comes. Under `--debug` the terminal belongs to the debugger, so nothing moves and lines are printed
    at once.

    Args:
        console: Where to; standard error by default.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._progress: Progress | None = None
        self._bars: dict[str, TaskID] = {}
        self._counted: dict[str, tuple[str, float]] = {}
        self._waiting: set[str] = set()
        self._all = 0
        self._run = TaskID(0)
        self._lines: list[tuple[Text, bool]] = []
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._printer = threading.Thread(target=self._print_on, name="live-lines", daemon=True)

    def run_started(self, record: RunRecord) -> None:
        """See `Observer`."""
        count = len(record.tasks)
        self._say(Text(f"run {record.run_id}: {count} task{'s' * (count != 1)}", style="bold"))
        if record.mode == "in-process":
            self._print_lines()
            return
        self._progress = new_progress(self._console)
        atexit.register(self.close)  # a cursor must not stay hidden, however the run ends
        self._waiting, self._all = {task.name for task in record.tasks}, count
        self._run = self._progress.add_task(record.pipeline, total=None, note="starting")
        self._progress.start()
        self._printer.start()

    def task_started(self, task: TaskRecord) -> None:
        """See `Observer`."""
        if self._progress is None:
            self._say(Text(f"  ▶ {task.name}  ({task.reason})"))
            return
        with self._lock:
            self._bars[task.name] = self._progress.add_task(f"  {task.name}", total=None, note=task.reason)
            self._count_tasks()

    def task_progress(self, name: str, done: float, total: float, unit: str, note: str) -> None:
        """See `Observer`."""
        with self._lock:
            bar = self._bars.get(name)
            if self._progress is None or bar is None:
                return
            if self._counted.get(name) != (unit, total):
                start_phase(self._progress, bar, total)
                self._counted[name] = (unit, total)
            said = " ".join(part for part in (f"{done:,.0f} {unit}", note) if part)
            self._progress.update(bar, completed=done, note=said)

    def task_line(self, name: str, line: str) -> None:
        """See `Observer`."""
        label = Text(f"    {name} │ ", style="dim")
        # What a progress bar of the step's own wrote over is not shown.
        self._say(label.append_text(Text.from_ansi(line.rpartition("\r")[2])), printed=True)

    def task_ended(self, task: TaskRecord, log_tail: list[str]) -> None:
        """See `Observer`."""
        with self._lock:
            bar = self._bars.pop(task.name, None)
            self._counted.pop(task.name, None)
            if self._progress is not None and bar is not None:
                self._progress.remove_task(bar)
            self._waiting.discard(task.name)
            self._waiting.discard(task.name.partition(".")[0])  # an iteration of a loop stands for its task
            self._count_tasks()
        self._say(Text(task_line(task), style=_STYLES.get(task.state, "")))
        if task.state == "FAILED":
            self._say(Text(failure_text(task, log_tail)))

    def run_ended(self, record: RunRecord) -> None:
        """See `Observer`."""
        for warning in record.warnings:
            self._say(Text(f"warning: {warning}", style="yellow"))
        self.close()

    def close(self) -> None:
        """Remove the bars, print what is left, and give the terminal back; a second call does nothing."""
        self._over.set()
        if self._printer.is_alive():
            self._printer.join()
        self._print_lines()
        if self._progress is not None:
            with contextlib.suppress(OSError, ValueError):  # the terminal was closed
                self._progress.stop()
            atexit.unregister(self.close)

    def _count_tasks(self) -> None:
        if self._progress is not None:
            said = f"{self._all - len(self._waiting)} of {self._all} tasks ended"
            self._progress.update(self._run, note=said)

    def _say(self, line: Text, *, printed: bool = False) -> None:
        """Show a line soon; `printed` says that a task printed it, so that a flood of them may be shortened."""
        with self._lock:
            self._lines.append((line, printed))
        if self._progress is None:
            self._print_lines()

    def _print_on(self) -> None:
        while not self._over.wait(_FLUSH_SECONDS):
            self._print_lines()

    def _print_lines(self) -> None:
        with self._lock:
            lines, self._lines = self._lines, []
        if not lines:
            return
        with contextlib.suppress(OSError, ValueError):
            self._console.print(Text("\n").join(_shortened(lines)), soft_wrap=True)


def _shortened(lines: list[tuple[Text, bool]]) -> list[Text]:
    """The first and last printed lines of a burst too long to be read; the task's log has all of them."""
    printed = [index for index, (_, by_task) in enumerate(lines) if by_task]
    hidden = set(printed[_BURST // 4 : len(printed) - (_BURST - _BURST // 4)]) if len(printed) > _BURST else set()
    first = min(hidden, default=-1)
    shown: list[Text] = []
    for index, (line, _) in enumerate(lines):
        if index not in hidden:
            shown.append(line)
        elif index == first:
            shown.append(Text(f"    … {len(hidden):,} lines more: see `intermodal logs`", style="dim"))
    return shown
