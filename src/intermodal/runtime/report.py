"""The report of a run: its record and what its artifacts say, drawn as one page."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intermodal import __version__
from intermodal.core.config import Settings
from intermodal.report.model import RunReport
from intermodal.runtime.outcome import write_atomically
from intermodal.runtime.record import RunRecord, TaskRecord
from intermodal.runtime.tail import last_lines
from intermodal.runtime.tracker import manifest_or_none
from intermodal.store.inputs import resolve_input

_SAMPLES = 8


@dataclass(frozen=True)
class _Output:
    """One readable output of a task; a failed task's remains count too.

    Attributes:
        task: The task.
        name: The output's name.
        path: Local file or directory.
        metadata: What the step said of it.
        rows: Rows of tabular content.
    """

    task: str
    name: str
    path: Path
    metadata: dict[str, Any]
    rows: int | None


def write_report(record: RunRecord, settings: Settings) -> Path | None:
    """Write `report.html` and `report.json` into a run's folder.

    Args:
        record: The run.
        settings: Where things live.

    Returns:
        The page; None when it could not be drawn, which never fails a run.
    """
    from intermodal.report.page import build_report

    folder = settings.runs / record.run_id
    try:
        report = gather(record, settings)
        write_atomically(folder / "report.json", json.dumps(report.to_json(), indent=1) + "\n")
        write_atomically(folder / "report.html", build_report(report))
    except Exception as error:  # whatever it is: a run that is done is not lost for want of a picture
        write_atomically(folder / "report-error.txt", f"{type(error).__name__}: {error}\n")
        return None
    return folder / "report.html"


def gather(record: RunRecord, settings: Settings) -> RunReport:
    """Collect what the page shows.

    Args:
        record: The run.
        settings: Where things live.

    Returns:
        The report as a value.
    """
    outputs = list(_outputs(record, settings))
    return RunReport.from_json(
        {
            "run_id": record.run_id,
            "pipeline": record.pipeline,
            "state": record.state,
            "started": record.started,
            "seconds": record.seconds,
            "runtime": _where(record),
            "command": command_of(record),
            "parameters": record.parameters,
            "mlflow": {**record.mlflow, "experiment": settings.experiment},
            "tasks": [_task(task, settings.runs / record.run_id) for task in record.tasks],
            "lineage": _lineage(record),
            "sections": _sections(outputs),
            "error": record.error or None,
            "version": __version__,
        }
    )


def command_of(record: RunRecord) -> str:
    """What to type to run the same again."""
    place = [] if record.runtime == "local" else ["--on", record.runtime]
    if record.reference.startswith("step:"):
        words = [f"--{name}={_word(value)}" for name, value in record.arguments.items()]
        return shlex.join(["intermodal", "step", record.reference.removeprefix("step:"), *words, *place])
    words = [word for name, value in record.arguments.items() for word in ("-p", f"{name}={_word(value)}")]
    mode = {"in-process": ["--debug"], "container": ["--containers"]}.get(record.mode, [])
    placed = [word for name, runtime in record.placements.items() for word in ("--place", f"{name}={runtime}")]
    return shlex.join(["intermodal", "run", record.reference, *place, *placed, *words, *(mode if not place else [])])


def _where(record: RunRecord) -> str:
    """Where the tasks ran: "local, subprocess", "sagemaker", "local, subprocess; train_pytorch on sagemaker"."""
    main = f"local, {record.mode}" if record.runtime == "local" else record.runtime
    return "; ".join([main, *(f"{name} on {runtime}" for name, runtime in record.placements.items())])


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _task(task: TaskRecord, folder: Path) -> dict[str, Any]:
    log = folder / "tasks" / task.name / "log.txt"
    given = _read_json(folder / "tasks" / task.name / "executor_input.json")
    return {
        "name": task.name,
        "step": task.step.partition(":")[2] or task.name,
        "state": task.state,
        "seconds": task.seconds,
        "cached": task.cached,
        "reason": task.reason,
        "depends_on": task.depends_on,
        "log_tail": "\n".join(last_lines(log)) if task.state in ("FAILED", "CANCELLED") else "",
        "error": task.error or None,
        "parameters": given.get("inputs", {}).get("parameterValues", {}),
        "artifacts": [{"name": name, **item} for name, item in task.artifacts.items()],
        "bill": task.bill,
    }


def _lineage(record: RunRecord) -> list[dict[str, str]]:
    """Artifact to artifact, by content; a parameter that named outside data is a source as well.

    By content, because a remembered result may have been made from an earlier copy of the same bytes.
    """
    names = {item["digest"]: f"{task.name}/{name}" for task in record.tasks for name, item in task.artifacts.items()}
    edges = []
    for task in record.tasks:
        for name, item in task.artifacts.items():
            manifest = manifest_or_none(item["uri"])
            if manifest is None:
                continue
            inputs = [entry for items in manifest.origin.inputs.values() for entry in items]
            sources = [names.get(entry["digest"], entry["uri"]) for entry in inputs]
            sources += [str(manifest.origin.parameters[key]) for key, found in manifest.origin.sources.items() if found]
            edges += [{"source": item, "target": f"{task.name}/{name}", "task": task.name} for item in sources]
    return edges


def _sections(outputs: list[_Output]) -> dict[str, Any]:
    return {
        "profile": next((_read_json(o.path / "profile.json") for o in outputs if o.name == "profile"), {}),
        "validation": next(
            (_read_json(o.path / "validation.json") for o in outputs if _has(o, "validation.json")), None
        ),
        "quarantines": [_quarantine(o, outputs) for o in outputs if o.name == "quarantine"],
        "curves": [{"task": o.task, "series": _curves(o.path)} for o in outputs if _has(o, "curves.parquet")],
        "evaluations": [_evaluation(o) for o in outputs if _has(o, "evaluation.json")],
        "registration": next((_registration(o) for o in reversed(outputs) if _has(o, "registration.json")), None),
    }


def _has(output: _Output, name: str) -> bool:
    return (output.path / name).is_file()


def _outputs(record: RunRecord, settings: Settings) -> Iterator[_Output]:
    for task in record.tasks:
        for name, item in task.artifacts.items():
            if item["type"] != "system.Dataset":
                continue
            found = resolve_input(item["uri"], settings.home / "inputs")
            manifest = found.manifest
            metadata = manifest.metadata if manifest else {}
            yield _Output(task.name, name, found.path, metadata, manifest.rows if manifest else None)
        remains = settings.runs / record.run_id / "tasks" / task.name / "failed"
        for path in sorted(remains.iterdir()) if task.state == "FAILED" and remains.is_dir() else ():
            yield _Output(task.name, path.name, path, {}, None)


def _quarantine(output: _Output, outputs: list[_Output]) -> dict[str, Any]:
    """Rows that a task set apart, and how many it was given: those it kept and those it did not."""
    rows = output.rows or 0
    kept = [other.rows for other in outputs if other.task == output.task and other.name in ("reviews", "clean")]
    total = rows + kept[0] if kept and kept[0] is not None else None
    return {"task": output.task, "rows": rows, "rows_in": total, "samples": _rows(output.path, _SAMPLES)}


def _rows(path: Path, count: int) -> list[dict[str, Any]]:
    from pyarrow import parquet

    rows: list[dict[str, Any]] = []
    for file in sorted(path.rglob("*.parquet")):
        for batch in parquet.ParquetFile(file).iter_batches(batch_size=count):
            rows += batch.to_pylist()
            break
        if len(rows) >= count:
            break
    return [{name: _json_value(value) for name, value in row.items()} for row in rows[:count]]


def _json_value(value: Any) -> Any:
    if isinstance(value, str):
        return value[:2000]
    return value if value is None or isinstance(value, int | float | list) else str(value)


def _curves(path: Path) -> dict[str, list[tuple[float, float]]]:
    from pyarrow import parquet

    series: dict[str, list[tuple[float, float]]] = {}
    for row in parquet.read_table(path / "curves.parquet").to_pylist():
        series.setdefault(row["series"], []).append((row["step"], row["value"]))
    return series


def _evaluation(output: _Output) -> dict[str, Any]:
    fields = _read_json(output.path / "evaluation.json")
    worst: list[dict[str, Any]] = []
    file = output.path / "worst_errors.parquet"
    if file.is_file():
        from pyarrow import parquet

        worst = parquet.read_table(file).slice(0, 10).to_pylist()
    return {**fields, "name": fields.get("candidate") or output.task, "worst_errors": worst}


def _registration(output: _Output) -> dict[str, Any]:
    return {**_read_json(output.path / "registration.json"), **output.metadata}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError):
        return {}
