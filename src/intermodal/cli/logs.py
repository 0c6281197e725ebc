"""`intermodal logs`: print what the tasks of a run printed."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from intermodal.cli.main import new_parser
from intermodal.cli.status import refreshed
from intermodal.errors import UsageError

if TYPE_CHECKING:
    from intermodal.core.config import Settings
    from intermodal.runtime.record import RunRecord, TaskRecord

_POLL_SECONDS = 0.2


def main(arguments: Sequence[str]) -> int:
    """Print logs.

    Args:
        arguments: The words after the verb.

    Returns:
        0.
    """
    options = _parser().parse_args(arguments)
    from intermodal.core.config import load_settings

    settings = load_settings()
    runs = settings.runs
    record, task = _chosen(runs, options.run, options.task)
    record = refreshed(record, settings)
    folder = runs / record.run_id
    if options.follow:
        for name, line in _followed(folder, task, settings):
            print(json.dumps({"task": name, "line": line}) if options.json else f"{name} | {line}", flush=True)
    elif options.json:
        tasks = [_task_json(folder, item) for item in _asked(record, task)]
        print(json.dumps({"run_id": record.run_id, "state": record.state, "tasks": tasks}, indent=1))
    else:
        for item in _asked(record, task):
            _print_log(folder, item, header=not task)
    return 0


def _chosen(runs: Path, run: str, task: str) -> tuple[RunRecord, str]:
    """The run, and the name of the one task that was asked for; a single word may be either."""
    from intermodal.runtime.record import find_record, list_records

    newest = next(iter(list_records(runs)), None)
    if run and not task and newest is not None and (alone := _task_named(newest, run)):
        return newest, alone
    record = find_record(runs, run)
    if task and not _task_named(record, task):
        raise UsageError(
            f"run {record.run_id} has no such task",
            seen=task,
            expected=", ".join(item.name for item in record.tasks) or "none: no task has started",
        )
    return record, _task_named(record, task)


def _task_named(record: RunRecord, name: str) -> str:
    """The task of that name; kfp names the task of step train_model train-model. Empty when there is none."""
    return next((item.name for item in record.tasks if item.name.replace("_", "-") == name.replace("_", "-")), "")


def _asked(record: RunRecord, task: str) -> list[TaskRecord]:
    """The tasks in the order they started; those that never did come last, in the pipeline's order."""
    chosen = [item for item in record.tasks if not task or item.name == task]
    return sorted(chosen, key=lambda item: (not item.started, item.started))


def _log(folder: Path, task: str) -> Path:
    return folder / "tasks" / task / "log.txt"


def _task_json(folder: Path, task: TaskRecord) -> dict[str, str]:
    path = _log(folder, task.name)
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return {"name": task.name, "state": task.state, "path": str(path), "log": text}


def _print_log(folder: Path, task: TaskRecord, *, header: bool) -> None:
    if header:
        why = f": {task.reason}" if task.reason else ""
        print(f"── {task.name}  {task.state.lower()}{why}")
    path = _log(folder, task.name)
    if not path.is_file():
        return
    line = ""
    with path.open(encoding="utf-8", errors="replace") as stream:
        for line in stream:  # one line at a time: a log may be larger than the memory
            print(line, end="")
    if line and not line.endswith("\n"):
        print()


def _followed(folder: Path, task: str, settings: Settings) -> Iterator[tuple[str, str]]:
    """Lines as they are printed, until the run ends; what was printed before comes first."""
    from intermodal.runtime.record import RUNNING, load_record
    from intermodal.runtime.tail import Tail

    tails: dict[str, Tail] = {}
    while True:
        # Read before the logs: a run that has ended prints nothing after that.
        record = load_record(folder)
        if record is not None and record.remote and not record.process_lives:
            record = refreshed(record, settings)  # nobody else copies its logs
        over = record is None or record.state != RUNNING or record.abandoned
        for item in _asked(record, task) if record else ():
            tail = tails.setdefault(item.name, Tail(_log(folder, item.name)))
            yield from ((item.name, line) for line in tail.lines(last=over))
        if over:
            return
        time.sleep(_POLL_SECONDS)


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("logs")
    parser.add_argument("run", nargs="?", default="", help="a run, or the start of its name; the newest by default")
    parser.add_argument("task", nargs="?", default="", help="one task; all of them by default")
    parser.add_argument(
        "-f", "--follow", action="store_true", help="go on until the run ends; with --json, one object a line"
    )
    return parser
