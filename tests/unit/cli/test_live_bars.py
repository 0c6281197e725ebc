"""A run on a terminal: what is drawn, that it fits, and that the terminal is given back."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import termios
import threading
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from intermodal.cli.bars import clock_text
from intermodal.cli.live import LiveBars
from intermodal.runtime.record import RunRecord, TaskRecord
from launching import command, pipeline

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
SHOW_CURSOR, HIDE_CURSOR = "\x1b[?25h", "\x1b[?25l"


class Terminal(io.StringIO):
    """A terminal that keeps everything that was ever written to it."""

    def isatty(self) -> bool:
        return True

    @property
    def lines(self) -> list[str]:
        """Every line ever drawn, control sequences removed."""
        return [line for line in re.split(r"[\r\n]+", _CONTROL.sub("", self.getvalue())) if line]


class Watched:
    """A `LiveBars` on a terminal of some width, and the run that it is told of."""

    def __init__(self, width: int = 80, mode: str = "subprocess", names: tuple[str, ...] = ("make", "train")) -> None:
        self.terminal = Terminal()
        environment = {"TERM": "xterm-256color"}
        console = Console(file=self.terminal, force_terminal=True, width=width, height=24, _environ=environment)
        self.bars = LiveBars(console)
        tasks = tuple(TaskRecord(name) for name in names)
        self.record = RunRecord("toy-1", "toy", "toy.py", {}, {}, mode=mode, tasks=tasks)

    def draw(self) -> None:
        """Draw now, as the clock would soon."""
        assert self.bars._progress is not None
        self.bars._progress.refresh()


def ended(name: str, state: str = "SUCCEEDED", **fields) -> TaskRecord:
    return TaskRecord(name, state=state, seconds=1.5, **fields)


@pytest.fixture
def watched():
    made = []

    def make(**options) -> Watched:
        made.append(Watched(**options))
        return made[-1]

    yield make
    for item in made:
        item.bars.close()


def drawn(item: Watched, name: str) -> str:
    """The last line drawn for a task's bar."""
    item.draw()
    return [line for line in item.terminal.lines if f" {name}" in line and ("━" in line or "╸" in line)][-1]


def test_a_task_has_a_bar_while_it_runs_and_a_line_when_it_ended(watched):
    item = watched()
    item.bars.run_started(item.record)
    item.bars.task_started(TaskRecord("make", reason="parameter n: 3 → 7"))
    assert "parameter n: 3 → 7" in drawn(item, "make")
    item.bars.task_progress("make", 250, 1000, "rows", "reading a.tsv")
    bar = drawn(item, "make")
    assert "25 %" in bar
    assert "250 rows reading a.tsv" in bar
    item.bars.task_ended(ended("make", artifacts={"data": {"rows": 1000}}), [])
    item.bars.run_ended(item.record)
    assert "  ✔ make  1.5 s  data 1,000 rows" in item.terminal.lines
    assert item.terminal.lines[0] == "run toy-1: 2 tasks"


def test_time_left_is_told_from_the_pace_of_this_phase_alone(watched):
    item = watched()
    item.bars.run_started(item.record)
    item.bars.task_started(TaskRecord("make"))
    for done in range(0, 1000, 100):
        item.bars.task_progress("make", done, 1_000_000_000, "rows", "")
        item.draw()
    assert " left " in drawn(item, "make")
    item.bars.task_progress("make", 1, 4, "batches", "")
    bar = drawn(item, "make")
    assert "25 %" in bar
    assert " left " not in bar  # the new phase has shown no pace yet
    item.bars.task_progress("make", 9, 0, "files", "")
    bar = drawn(item, "make")
    assert "%" not in bar
    assert "9 files" in bar


def test_the_run_s_own_line_counts_tasks(watched):
    item = watched(names=("make", "train", "loop"))
    item.bars.run_started(item.record)
    assert "starting" in drawn(item, "toy")
    item.bars.task_started(TaskRecord("make"))
    assert "0 of 3 tasks ended" in drawn(item, "toy")
    item.bars.task_ended(ended("make"), [])
    item.bars.task_ended(ended("loop.0", "CACHED", cached=True, reason="same"), [])
    item.bars.task_ended(ended("loop.1"), [])
    assert "2 of 3 tasks ended" in drawn(item, "toy")


@pytest.mark.parametrize("width", [40, 60, 80, 132])
def test_no_bar_is_wider_than_the_terminal(watched, width):
    item = watched(width=width, names=("a_task_with_quite_a_long_name_indeed", "b"))
    item.bars.run_started(item.record)
    for name in ("a_task_with_quite_a_long_name_indeed", "b"):
        item.bars.task_started(TaskRecord(name, reason="package polars: 2.0.0 → 2.1.0; " * 4))
        for done in (1, 50_000, 102_084):
            item.bars.task_progress(name, done, 102_084, "rows", "amazon_reviews_us_Digital_Software_v1_00.tsv.gz")
            item.draw()
    bars = [line for line in item.terminal.lines if "━" in line or "╸" in line]
    assert bars
    assert max(cell_len(line) for line in bars) <= width - len("^C")  # which a terminal echoes behind them


def test_lines_of_tasks_appear_as_they_are(watched):
    item = watched()
    item.bars.run_started(item.record)
    item.bars.task_line("make", "[bold]no markup[/bold] \x1b[31mred\x1b[0m 100 %|██| \rlast")
    item.bars.task_line("make", "")
    item.bars.run_ended(item.record)
    assert "    make │ last" in item.terminal.lines
    item = watched()
    item.bars.run_started(item.record)
    item.bars.task_line("make", "[bold]no markup[/bold] \x1b[31mred\x1b[0m")
    item.bars.run_ended(item.record)
    assert "    make │ [bold]no markup[/bold] red" in item.terminal.lines


def test_a_flood_is_shortened_and_its_ends_are_kept(watched):
    item = watched()
    item.bars.run_started(item.record)
    with item.bars._lock:  # all of it between two looks of the printer
        for number in range(5000):
            item.bars.task_line("make", f"line {number}")
            if number == 2500:
                item.bars.task_ended(ended("train"), [])
    item.bars.run_ended(item.record)
    assert "  ✔ train  1.5 s" in item.terminal.lines
    shown = [line for line in item.terminal.lines if "make │ line" in line]
    assert len(shown) == 200
    assert shown[0].endswith("line 0")
    assert shown[-1].endswith("line 4999")
    assert any("4,800 lines more" in line for line in item.terminal.lines)


def test_a_failure_says_why_with_the_last_lines(watched):
    item = watched()
    item.bars.run_started(item.record)
    item.bars.task_started(TaskRecord("train"))
    error = {"kind": "StepFailed", "headline": "task train failed", "seen": "x", "expected": "", "next": "mend it"}
    item.bars.task_ended(ended("train", "FAILED", error=error), ["one", "two"])
    item.bars.run_ended(replace(item.record, warnings=("MLflow did not answer",)))
    for text in ("  ✘ train  1.5 s", "error: task train failed", "  next: mend it", "    | two"):
        assert text in item.terminal.lines
    stayed = [line for line in item.terminal.lines if "━" not in line]
    assert stayed[-1] == "warning: MLflow did not answer"


def test_the_terminal_is_given_back(watched):
    item = watched()
    item.bars.run_started(item.record)
    item.bars.task_started(TaskRecord("make"))
    item.draw()
    assert HIDE_CURSOR in item.terminal.getvalue()
    item.bars.run_ended(item.record)
    item.bars.close()
    text = item.terminal.getvalue()
    assert text.rindex(SHOW_CURSOR) > text.rindex(HIDE_CURSOR)
    assert threading.active_count() == 1 or not any(t.name == "live-lines" for t in threading.enumerate())


def test_under_debug_the_terminal_belongs_to_the_debugger(watched):
    item = watched(mode="in-process")
    item.bars.run_started(item.record)
    item.bars.task_started(TaskRecord("make", reason="new"))
    item.bars.task_progress("make", 1, 2, "rows", "")
    item.bars.task_line("make", "printed")
    item.bars.task_ended(ended("make"), [])
    item.bars.run_ended(item.record)
    assert HIDE_CURSOR not in item.terminal.getvalue()
    assert item.terminal.lines == ["run toy-1: 2 tasks", "  ▶ make  (new)", "    make │ printed", "  ✔ make  1.5 s"]


def test_tasks_of_a_loop_tell_from_their_own_threads(watched):
    item = watched(names=("loop",))
    item.bars.run_started(item.record)

    def work(name: str) -> None:
        item.bars.task_started(TaskRecord(name))
        for done in range(50):
            item.bars.task_progress(name, done, 50, "rows", "")
            item.bars.task_line(name, f"at {done}")
        item.bars.task_ended(ended(name), [])

    threads = [threading.Thread(target=work, args=(f"loop.{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    item.bars.run_ended(item.record)
    assert sorted(line for line in item.terminal.lines if "✔" in line) == [f"  ✔ loop.{n}  1.5 s" for n in range(8)]
    for number in range(8):
        shown = [line.rpartition(" ")[2] for line in item.terminal.lines if f"loop.{number} │ " in line]
        assert shown == sorted(shown, key=int)
    assert any("lines more" in line for line in item.terminal.lines) or len(item.terminal.lines) > 400


def test_clock():
    assert [clock_text(seconds) for seconds in (0, 7.9, 65, 3723)] == ["0:00", "0:07", "1:05", "1:02:03"]


def test_a_real_run_on_a_real_terminal(home):
    """`intermodal run` under a pseudo-terminal of 80 columns: bars while it runs, lines that stay, nothing left."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    source = home.parent / "lines.txt"
    source.write_text("one\ntwo three\n")
    words = command("run", pipeline("short", "cli_pipelines.py"), "-p", f"source={source}")
    known = {name: value for name, value in os.environ.items() if name not in ("CI", "COLUMNS", "NO_COLOR")}
    process = subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=follower,
        env={**known, "TERM": "xterm-256color"},
    )
    os.close(follower)
    screen = Terminal()
    while True:
        try:
            block = os.read(leader, 65536)
        except OSError:  # Linux's way to say that the other end was closed
            break
        if not block:
            break
        screen.write(block.decode("utf-8", "replace"))
    out, _ = process.communicate()
    os.close(leader)
    assert process.returncode == 0, screen.lines[-20:]
    assert b"succeeded: short-" in out
    text = screen.getvalue()
    assert "\x1b[?25l" in text
    assert text.rindex(SHOW_CURSOR) > text.rindex(HIDE_CURSOR)
    assert any("tasks ended" in line for line in screen.lines)
    assert sum("✔" in line for line in screen.lines) == 2
    assert max(cell_len(line) for line in screen.lines) <= 80
