"""How a run looks on the terminal: live bars for a person, plain lines for a log, one object for a script."""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import asdict
from typing import Any

from intermodal.core.config import Settings
from intermodal.errors import EXIT_DONE, EXIT_INTERRUPTED, EXIT_STEP_FAILED, from_json
from intermodal.runtime.observer import Observer
from intermodal.runtime.record import CANCELLED, RunRecord, TaskRecord

_MARKS = {"SUCCEEDED": "✔", "CACHED": "≡", "FAILED": "✘", "SKIPPED": "–", "CANCELLED": "■"}
_PLAIN_INTERVAL = 10.0  # seconds between two progress lines of one task in a log


def observer_for(*, as_json: bool, quiet: bool) -> Observer:
    """Who watches a run: somebody who wants errors alone, a log (standard error is no terminal), or a person."""
    if quiet:
        return OnlyFailures()
    if as_json or not sys.stderr.isatty():
        return PlainLines()
    from intermodal.cli.live import LiveBars

    return LiveBars()


class OnlyFailures(Observer):
    """Why tasks failed, on standard error, and nothing else."""

    def task_ended(self, task: TaskRecord, log_tail: list[str]) -> None:
        """See `Observer`."""
        if task.state == "FAILED":
            print(failure_text(task, log_tail), file=sys.stderr, flush=True)


class PlainLines(Observer):
    """One line an event, on standard error; made for CI logs."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        """Print a line."""
        with self._lock:
            print(text, file=sys.stderr, flush=True)

    def run_started(self, record: RunRecord) -> None:
        """See `Observer`."""
        self.say(f"run {record.run_id}: {count(len(record.tasks), 'task')}")

    def task_started(self, task: TaskRecord) -> None:
        """See `Observer`."""
        self.say(f"  ▶ {task.name}  ({task.reason})")

    def task_progress(self, name: str, done: float, total: float, unit: str, note: str) -> None:
        """See `Observer`."""
        if time.monotonic() - self._last.get(name, time.monotonic() - _PLAIN_INTERVAL / 2) < _PLAIN_INTERVAL:
            self._last.setdefault(name, time.monotonic())
            return
        self._last[name] = time.monotonic()
        share = f" {100 * done / total:.0f} %" if total else ""
        amount = "" if unit == "%" else f" {done:,.0f} {unit}"
        self.say(f"    {name}:{share}{amount} {note}".rstrip())

    def task_line(self, name: str, line: str) -> None:
        """See `Observer`."""
        self.say(f"    {name} | {line}")

    def task_ended(self, task: TaskRecord, log_tail: list[str]) -> None:
        """See `Observer`."""
        self.say(task_line(task))
        if task.state == "FAILED":
            self.say(failure_text(task, log_tail))

    def run_ended(self, record: RunRecord) -> None:
        """See `Observer`."""
        for warning in record.warnings:
            self.say(f"warning: {warning}")


def count(number: int, noun: str) -> str:
    """A number with its noun: "1 task", "2 tasks"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def task_line(task: TaskRecord) -> str:
    """One line on how a task ended."""
    rows = [f"{name} {item['rows']:,} rows" for name, item in task.artifacts.items() if item.get("rows") is not None]
    note = f"cached: {task.reason}" if task.cached else ", ".join(rows)
    return f"  {_MARKS.get(task.state, '·')} {task.name}  {task.seconds:.1f} s  {note}".rstrip()


def failure_text(task: TaskRecord, log_tail: list[str]) -> str:
    """Headline, cause, the last lines of the log, and what to type next."""
    lines = [f"error: {from_json(task.error)}" if task.error else f"error: task {task.name} failed"]
    if log_tail:
        lines += [f"  last lines of {task.name}:", *(f"    | {line}" for line in log_tail)]
    return "\n".join(lines)


def finish(record: RunRecord, settings: Settings, *, as_json: bool) -> int:
    """Print the end of a run, and give its exit code."""
    if as_json:
        print(json.dumps(run_json(record, settings), indent=1, default=str))
    else:
        print(summary(record, settings))
    return exit_code(record)


def exit_code(record: RunRecord) -> int:
    """The exit code a run stands for."""
    if record.state == CANCELLED:
        return EXIT_INTERRUPTED
    if record.state in ("SUCCEEDED", "RUNNING"):
        return EXIT_DONE
    return from_json(record.error).exit_code if record.error else EXIT_STEP_FAILED


def summary(record: RunRecord, settings: Settings) -> str:
    """The last lines a person reads."""
    cached = sum(task.cached for task in record.tasks)
    ran = sum(task.state == "SUCCEEDED" for task in record.tasks)
    head = f"{record.state.lower()}: {record.run_id} in {record.seconds:.1f} s"
    skipped = sum(task.state == "SKIPPED" for task in record.tasks)
    aside = f", {skipped} skipped" if skipped else ""
    lines = [f"{head} ({count(ran, 'task')} ran, {cached} cached{aside})"]
    model = registered_model(record)
    if model:
        why = f" ({model['reason']})" if model.get("reason") and model.get("decision") == "rejected" else ""
        told = f"{model['name']} version {model.get('version', '?')}: {model.get('decision', '')}"
        lines.append(f"  model    {told}{why}")
    lines.append(f"  report   {report_path(record, settings)}")
    if record.mlflow.get("run_id"):
        where = record.mlflow.get("url") or f"mlflow ui --backend-store-uri {settings.tracking_uri}"
        lines.append(f"  mlflow   {record.mlflow['run_id']}  ({where})")
    if record.state != "SUCCEEDED":
        lines.append(f"  resume   intermodal resume {record.run_id}")
    return "\n".join(lines)


def report_path(record: RunRecord, settings: Settings) -> str:
    """Where a run's page lies."""
    return str(settings.runs / record.run_id / "report.html")


def registered_model(record: RunRecord) -> dict[str, Any]:
    """What the last registering task did: name, version, alias, decision; empty when none did."""
    from intermodal.runtime.tracker import manifest_or_none

    found: dict[str, Any] = {}
    for task in record.tasks:
        for name, item in task.artifacts.items():
            if name != "registration":
                continue
            manifest = manifest_or_none(item["uri"])
            if manifest is not None:
                found = {"name": manifest.metadata.get("registered_model", ""), **manifest.metadata}
    return found


def run_json(record: RunRecord, settings: Settings) -> dict[str, Any]:
    """The object that `--json` prints."""
    fields = asdict(record)
    tasks = [{"name": t["name"], **{k: v for k, v in t.items() if k != "name"}} for t in fields.pop("tasks")]
    artifacts = {f"{t['name']}.{name}": item for t in tasks for name, item in t["artifacts"].items()}
    metrics = {f"{t['name']}.{name}": value for t in tasks for name, value in t["metrics"].items()}
    return {
        **fields,
        "mlflow_run_id": record.mlflow.get("run_id", ""),
        "exit_code": exit_code(record),
        "tasks": tasks,
        "artifacts": artifacts,
        "metrics": metrics,
        "registered_model": registered_model(record),
        "report": report_path(record, settings),
    }
