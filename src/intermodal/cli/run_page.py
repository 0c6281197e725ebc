"""One run, in full, as text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from intermodal.cli.wording import facts_text, seconds_text, time_text, value_text
from intermodal.errors import from_json

if TYPE_CHECKING:
    from intermodal.core.config import Settings
    from intermodal.runtime.record import RunRecord, TaskRecord

_SINGLE = "step:"  # what stands before the step in the reference of a run of one step
_MARKS = {
    "SUCCEEDED": "✔",
    "CACHED": "≡",
    "FAILED": "✘",
    "SKIPPED": "–",
    "CANCELLED": "■",
    "INTERRUPTED": "■",
    "RUNNING": "▶",
}


def run_page(record: RunRecord, settings: Settings) -> str:
    """Everything a person wants to know of one run, and what to type next.

    Args:
        record: The run, in its true state.
        settings: Where runs lie.
    """
    lines = [f"{name.ljust(10)}  {text}" for name, text in _facts(record, settings) if text]
    lines.append("tasks")
    width = max((len(task.name) for task in record.tasks), default=0)
    for task in record.tasks:
        lines += _task_lines(task, width)
    lines += [f"warning: {text}" for text in record.warnings]
    if record.error:
        lines.append(f"error: {from_json(record.error)}")
    return "\n".join([*lines, *_next(record)])


def _facts(record: RunRecord, settings: Settings) -> list[tuple[str, str]]:
    report = settings.runs / record.run_id / "report.html"
    given = {name: value_text(value) for name, value in sorted(record.parameters.items())}
    return [
        ("run", record.run_id),
        ("pipeline", f"{record.pipeline}  ({record.reference})"),
        ("state", record.state),
        ("started", f"{time_text(record.started)}, {_duration(record)}"),
        ("parameters", ", ".join(f"{name}={text}" for name, text in given.items())),
        ("mlflow", " ".join(item for item in (record.mlflow.get("run_id", ""), record.mlflow.get("url", "")) if item)),
        ("report", str(report) if report.is_file() else ""),
    ]


def _duration(record: RunRecord) -> str:
    text = seconds_text(record.seconds)
    return f"running for {text}" if record.state == "RUNNING" else f"took {text}"


def _task_lines(task: TaskRecord, width: int) -> list[str]:
    took = seconds_text(task.seconds) if task.seconds else task.state.lower()
    head = f"  {_MARKS.get(task.state, '·')} {task.name.ljust(width)}  {took.rjust(11)}  {task.reason}"
    lines = [head.rstrip()]
    lines += [f"      {_job(task.job)}"] if task.job else []
    lines += [f"      {task.name}.{name}  {_artifact(item)}" for name, item in task.artifacts.items()]
    lines += [f"      {name} = {value:.6g}" for name, value in task.metrics.items()]
    return lines


def _job(job: dict[str, str]) -> str:
    what = f"{job.get('kind', '').lower()} job {job.get('name', '')}"
    return f"{job.get('service', '')}: {what}  {job.get('url', '')}".rstrip()


def _artifact(item: dict[str, Any]) -> str:
    facts = facts_text(item.get("type", ""), item.get("rows"), item.get("bytes"))
    return f"{item.get('digest', '')[:12]}  ({facts})"


def _next(record: RunRecord) -> list[str]:
    """What to type next, where something is left to do."""
    if record.state == "RUNNING":
        return [f"follow it with: intermodal logs {record.run_id} --follow"]
    if record.state == "SUCCEEDED":
        return []
    resume = f"intermodal resume {record.run_id}"
    if record.reference.startswith(_SINGLE):
        resume = f"intermodal step {record.reference.removeprefix(_SINGLE)} …"
    if record.directory and Path(record.directory) != Path.cwd():
        resume = f"cd {record.directory} && {resume}"
    return [f"read the logs with: intermodal logs {record.run_id}", f"continue with: {resume}"]
