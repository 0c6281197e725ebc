"""The columns of a progress bar, laid out so that a line fits into 60 columns and uses 120."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID
from rich.table import Column
from rich.text import Text

_ECHO = 3  # columns kept free at the end of a line
_NARROW = 70  # columns below which the bar is short, and notes are left out


def new_progress(console: Console) -> Progress:
    """Bars for tasks: spinner, name, bar, share, note, time left, time so far.

    Args:
        console: Where they are drawn.

    Returns:
        A display that is not started yet; its tasks have a field `note`.
    """
    narrow = console.width < _NARROW
    columns: list[ProgressColumn] = [
        SpinnerColumn(finished_text="·"),
        _NameColumn(table_column=_cut(16 if narrow else 20)),
        BarColumn(bar_width=10 if narrow else 14),
        _ShareColumn(table_column=Column(no_wrap=True, justify="right", min_width=5)),
    ]
    if not narrow:
        columns.append(_NoteColumn(table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)))
    columns.append(_ClockColumn(table_column=Column(no_wrap=True, justify="right", min_width=13)))
    return _Bars(*columns, console=console, transient=True, expand=True, refresh_per_second=8)


def start_phase(progress: Progress, bar: TaskID, total: float) -> None:
    """Let a bar begin anew: another phase has another pace, and the last one's says nothing on the time left.

    Args:
        progress: The display.
        bar: Which bar.
        total: What the phase counts up to; 0 when that is not known.
    """
    progress.reset(bar, total=total or None)
    for task in progress.tasks:
        if task.id == bar and not total:
            task.total = None  # to rich's own methods None means "as before"


def clock_text(seconds: float) -> str:
    """Seconds as a clock: "0:07", "12:40", "1:02:03"."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


class _Bars(Progress):
    """Bars that leave the last columns free; see `_Narrower`."""

    def get_renderables(self) -> Iterable[RenderableType]:
        """See `Progress.get_renderables`."""
        yield _Narrower(self.make_tasks_table(self.tasks))


@dataclass(frozen=True)
class _Narrower:
    """Something drawn a little narrower than the terminal.

    A terminal echoes Ctrl-C as two characters. At the end of a full line they would open another line,
    and the bars would be wiped from the wrong place.
    """

    content: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from console.render(self.content, options.update_width(max(1, options.max_width - _ECHO)))


class _NameColumn(ProgressColumn):
    """The task's name."""

    def render(self, task: Task) -> Text:
        return Text(task.description, style="bold")


class _ShareColumn(ProgressColumn):
    """How much is done, where the task has said how much there is."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.percentage:.0f} %" if task.total else "")


class _NoteColumn(ProgressColumn):
    """What the task counts, or why it runs at all."""

    def render(self, task: Task) -> Text:
        return Text(str(task.fields.get("note", "")), style="dim")


class _ClockColumn(ProgressColumn):
    """Time left, and time since the task began (over all its phases)."""

    max_refresh = 0.5

    def __init__(self, table_column: Column | None = None) -> None:
        super().__init__(table_column)
        self._began: dict[int, float] = {}

    def render(self, task: Task) -> Text:
        began = self._began.setdefault(task.id, time.monotonic())
        text = Text(clock_text(time.monotonic() - began), style="dim")
        left = task.time_remaining if task.total else None
        return text if left is None else Text(f"{clock_text(left)} left ", style="cyan").append_text(text)


def _cut(width: int) -> Column:
    return Column(no_wrap=True, overflow="ellipsis", max_width=width)
