"""Following logs, telling failures, naming tasks, loading pipelines, running processes."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

import toy_line
import toy_pipelines
from intermodal.core.attempt import process_alive
from intermodal.core.config import load_settings
from intermodal.errors import DataRejected, UsageError
from intermodal.runtime.base import open_runtime
from intermodal.runtime.context import CONTEXT_VARIABLES, TaskContext
from intermodal.runtime.failure import failure_of, is_disk_full
from intermodal.runtime.graph import label_of, step_of, tasks_of, template_of
from intermodal.runtime.local import processes as processes_module
from intermodal.runtime.local.processes import Processes
from intermodal.runtime.pipeline import all_arguments, load_pipeline, read_arguments
from intermodal.runtime.tail import Tail, last_lines

# Logs.


def test_a_tail_gives_whole_lines_once(tmp_path: Path):
    path = tmp_path / "log"
    tail = Tail(path)
    assert tail.lines() == []
    with path.open("ab", buffering=0) as stream:
        stream.write(b"one\ntw")
        assert tail.lines() == ["one"]
        stream.write("o é\r\n\n".encode())
        assert tail.lines() == ["two é", ""]
        stream.write(b"\xff un")
        assert tail.lines() == []
        assert tail.lines(last=True) == ["� un"]
        assert tail.lines(last=True) == []


def test_the_last_lines(tmp_path: Path):
    path = tmp_path / "log"
    assert last_lines(path) == []
    path.write_text("".join(f"line {number}\n" for number in range(50)))
    assert last_lines(path) == [f"line {number}" for number in range(30, 50)]
    path.write_text("x" * 1_000_000 + "\nend")
    assert last_lines(path, 1) == ["end"]


# Failures.


def failed(error: BaseException) -> BaseException:
    """The error as a step raises it."""
    try:
        raise error
    except BaseException as raised:
        return raised


@pytest.mark.parametrize(
    ("error", "code", "headline"),
    [
        (ValueError("no\nsecond line"), 4, "task t failed: ValueError: no"),
        (KeyError(), 4, "task t failed: KeyError: no message"),
        (MemoryError(), 4, "task t ran out of memory"),
        (SystemExit(0), 4, "task t ended the process"),
        (KeyboardInterrupt(), 130, "task t was interrupted"),
        (OSError(errno.ENOSPC, "No space left on device"), 5, "task t ran out of disk space"),
        (RuntimeError("polars: No space left on device (os error 28)"), 5, "task t ran out of disk space"),
        (OSError(errno.EACCES, "Permission denied"), 4, "task t failed: PermissionError: [Errno 13] Permission denied"),
        (DataRejected("bad rows"), 3, "bad rows"),
    ],
)
def test_each_error_becomes_one_of_ours(error: BaseException, code: int, headline: str):
    found = failure_of(failed(error), "t")
    assert (found.exit_code, found.headline) == (code, headline)


def test_the_traceback_starts_in_the_step(capfd: pytest.CaptureFixture[str]):
    failure_of(failed(ValueError("no")), "t")
    text = capfd.readouterr().err
    assert "in failed" in text
    assert "ValueError: no" in text


def test_only_a_full_disk_is_a_full_disk():
    assert is_disk_full(OSError(errno.EDQUOT, "quota"))
    assert not is_disk_full(OSError(errno.EACCES, "no"))
    assert not is_disk_full(ValueError("disk"))


# Names and graphs.


@pytest.mark.parametrize(
    ("task", "resource", "label"),
    [
        ("count", "toy-2026", "count"),
        ("count", "toy/condition-1/condition-branches-2", "count"),
        ("count", "toy/for-loop-1-iteration-10", "count.10"),
        ("count", "toy/for-loop-1-iteration-1/condition-2/for-loop-4-iteration-0", "count.1.0"),
        ("count", "toy/exit-handler-1/part-2/for-loop-1-iteration-3/deep", "part-2--deep--count.3"),
    ],
)
def test_labels(task: str, resource: str, label: str):
    assert label_of(task, resource) == label
    assert template_of(label) == label.partition(".")[0]


def test_the_step_of_a_command():
    assert step_of(["python3", "-m", "intermodal", "task", "--step", "a:b"]) == "a:b"
    assert step_of(["python3", "-m", "another", "--step", "a:b"]) == ""
    assert step_of(["sh", "-c", "intermodal"]) == ""


def test_every_task_of_every_toy_pipeline_comes_after_those_it_waits_for():
    for name, value in vars(toy_pipelines).items():
        spec = getattr(value, "pipeline_spec", None)
        if spec is None or not spec.root.HasField("dag"):
            continue
        seen: set[str] = set()
        for task in tasks_of(spec):
            assert set(task.depends_on) <= seen, (name, task)
            seen.add(task.name)
        assert seen


def test_a_part_used_several_times_keeps_its_tasks_apart():
    tasks = {task.name: task for task in tasks_of(toy_pipelines.twice.pipeline_spec)}
    assert len(tasks) == 7
    assert tasks["part-2--total"].depends_on == ("part-2--make",)
    assert set(tasks["add"].depends_on) == {"part--make", "part--total", "part-2--make", "part-2--total"}


# Pipelines.


def test_arguments_of_every_type():
    pipeline = load_pipeline(f"{Path(toy_line.__file__)}:line")
    assert read_arguments(pipeline, ["n=7", "seconds=1", "n=8"]) == {"n": 8, "seconds": 1.0}
    assert all_arguments(pipeline, {"n": 8}) == {"n": 8, "files": 4, "seconds": 0.0}


def test_a_value_may_hold_an_equals_sign():
    pipeline = load_pipeline(f"{Path(toy_pipelines.__file__)}:choose")
    assert read_arguments(pipeline, ["text=a=b"]) == {"text": "a=b"}


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("1 / 0\n", "ZeroDivisionError"),
        ("def f(:\n", "SyntaxError"),
        ("from kfp import dsl\n@dsl.pipeline\ndef p():\n    undefined()\n", "NameError"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_one_clear_error(tmp_path: Path, text: str, seen: str):
    (tmp_path / "p.py").write_text(text)
    with pytest.raises(UsageError, match="cannot be loaded") as caught:
        load_pipeline(str(tmp_path / "p.py"))
    assert seen in caught.value.seen


def test_a_file_that_imports_a_part_runs_its_own_pipeline(tmp_path: Path):
    (tmp_path / "outer_pipeline.py").write_text(
        "from kfp import dsl\nfrom toy_line import line\n\n@dsl.pipeline(name='outer')\ndef outer():\n    line(n=3)\n"
    )
    assert load_pipeline(str(tmp_path / "outer_pipeline.py")).name == "outer"


def test_a_compiled_pipeline_is_the_same_as_its_source(tmp_path: Path):
    from kfp import compiler

    compiler.Compiler().compile(toy_line.line, str(tmp_path / "line.yaml"))
    compiled = load_pipeline(str(tmp_path / "line.yaml"))
    source = load_pipeline(toy_line.__file__)
    assert compiled.parameters == source.parameters
    assert tasks_of(compiled.spec) == tasks_of(source.spec)


@pytest.mark.parametrize("text", ["", "a: b\n", "{", "- 1\n"])
def test_what_is_no_compiled_pipeline(tmp_path: Path, text: str):
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(UsageError, match="not a compiled pipeline"):
        load_pipeline(str(tmp_path / "p.yaml"))


def test_an_unknown_runtime():
    with pytest.raises(UsageError, match="no such runtime"):
        open_runtime("moon", load_settings())


# The surroundings of a task cross a process boundary.


def test_a_context_survives_as_environment_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    context = TaskContext(load_settings(), "run", "task", tmp_path / "folder", "mlflow", "image:1", False, "/missed")
    for name, value in context.to_environment().items():
        monkeypatch.setenv(name, value)
    assert TaskContext.from_environment("other") == context


def test_a_task_within_a_task_inherits_nothing_of_its_own():
    context = TaskContext(load_settings(), "run", "task", Path("/folder"), "mlflow", "image:1", False, "/missed")
    own = set(context.to_environment()) - set(
        TaskContext(load_settings(), "", "", Path("/"), use_cache=True).to_environment()
    )
    assert own <= CONTEXT_VARIABLES


# Processes.


def run(processes: Processes, tmp_path: Path, code: str) -> int:
    return processes.run([sys.executable, "-c", code], dict(os.environ), tmp_path / "log", lambda: None)


def test_a_process_its_code_its_log_and_its_number(tmp_path: Path):
    started: list[int] = []
    code = Processes().run(
        [sys.executable, "-c", "import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)"],
        dict(os.environ),
        tmp_path / "log",
        lambda: None,
        started.append,
    )
    assert code == 7
    assert sorted((tmp_path / "log").read_text().split()) == ["err", "out"]
    assert len(started) == 1
    assert run(Processes(), tmp_path, "import os; os.kill(os.getpid(), 9)") == -signal.SIGKILL
    assert sorted((tmp_path / "log").read_text().split()) == ["err", "out"]  # a second attempt adds to it


STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""


def test_what_does_not_listen_is_killed_with_all_that_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(processes_module, "GRACE_SECONDS", 0.5)
    processes = Processes()
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(run(processes, tmp_path, STUBBORN)))
    thread.start()
    log = tmp_path / "log"
    deadline = time.monotonic() + 60
    while not (log.exists() and log.read_text().strip()) and time.monotonic() < deadline:
        time.sleep(0.02)
    grandchild = int(log.read_text())
    assert process_alive(grandchild)
    processes.terminate()
    thread.join(60)
    assert codes == [-signal.SIGKILL]
    while process_alive(grandchild) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not process_alive(grandchild)


def test_after_a_stop_nothing_runs_to_its_end(tmp_path: Path):
    processes = Processes()
    processes.stop()
    assert run(processes, tmp_path, "import time; time.sleep(60)") == -signal.SIGTERM
