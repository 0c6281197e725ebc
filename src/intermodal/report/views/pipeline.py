"""The pipeline section: the graph, and every task with why it ran or did not, its log and artifacts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from intermodal.report import wording
from intermodal.report.charts import DagNode, draw_dag
from intermodal.report.charts.dag import STATES, state_word
from intermodal.report.model import ArtifactRow, RunReport, TaskRow
from intermodal.report.views.parts import Cell, Column, Row, Section, Table, cells, chart

MOST_LOG = 6000  # characters of one log tail
ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


@dataclass(frozen=True)
class TaskView:
    """One task as its row shows it: fields as in `TaskRow`, in words; `why` is the line of the row, `part` percent."""

    id: str
    name: str
    step: str
    state: str
    tone: str
    seconds: str
    part: float
    reason: str
    why: str
    failed: bool
    parameters: tuple[tuple[str, str], ...]
    artifacts: Table | None
    log: str
    cost: str = ""
    bill: str = ""


@dataclass(frozen=True)
class PipelineView:
    """The graph, for a desktop and for a phone, and the rows."""

    drawing: Markup
    narrow: Markup
    tasks: tuple[TaskView, ...]


def pipeline_section(run: RunReport) -> Section | None:
    """The section on the tasks of a run; None when it has none."""
    if not run.tasks:
        return None
    nodes = [_node(task) for task in run.tasks]
    title = f"Pipeline {run.pipeline}".strip()
    longest = max((task.seconds or 0.0 for task in run.tasks), default=0.0)
    view = PipelineView(
        chart(draw_dag(nodes, title=title)),
        chart(draw_dag(nodes, title=title, down=True)),
        tuple(_task(task, longest) for task in run.tasks),
    )
    failed = sum(task.shown_state == "FAILED" for task in run.tasks)
    return Section("pipeline", "Pipeline", view, count_states(run.tasks), str(failed or ""), "pipeline.html.j2")


def count_states(tasks: Sequence[TaskRow]) -> str:
    """How many tasks are in which state: "5 succeeded, 3 cached"."""
    order = [*STATES, *dict.fromkeys(task.shown_state for task in tasks)]
    counts = {state: sum(task.shown_state == state for task in tasks) for state in order}
    return ", ".join(f"{number} {state_word(state)}" for state, number in counts.items() if number)


def task_anchor(name: str) -> str:
    """The anchor of a task's row; distinct names have distinct anchors."""
    return "task-" + re.sub(r"[^A-Za-z0-9-]", lambda found: f"_{ord(found[0]):x}_", name)


def artifact_table(rows: Sequence[tuple[str, ArtifactRow]], caption: str, uris: bool = True) -> Table:
    """Artifacts as a table.

    Args:
        rows: (name shown, artifact).
        caption: What they are.
        uris: Say where each lies.

    Returns:
        The table; digests are cut to 12 characters, the whole one is the tooltip.
    """
    names = [Column("Artifact"), Column("Type"), Column("Rows", True), Column("Size", True), Column("Digest")]
    names += [Column("URI", wide=True)] if uris else []
    return Table(
        caption, tuple(names), tuple(Row(_artifact(name, row)[: len(names)]) for name, row in rows), "stack sortable"
    )


def _node(task: TaskRow) -> DagNode:
    state = task.shown_state
    if state == "CACHED":
        note = "cached"
    elif task.seconds is not None and state in ("SUCCEEDED", "FAILED", "RUNNING"):
        note = wording.seconds(task.seconds)
    else:
        note = state_word(state)
    tip = " · ".join(
        part for part in (task.name, state_word(state), wording.seconds(task.seconds), task.reason) if part
    )
    return DagNode(task.name, state, note, task.depends_on, tip, f"#{task_anchor(task.name)}")


def _task(task: TaskRow, longest: float) -> TaskView:
    state, log = task.shown_state, ANSI.sub("", task.log_tail)
    named = [(item.name, item) for item in task.artifacts]
    return TaskView(
        id=task_anchor(task.name),
        name=task.name,
        step=task.step if task.step != task.name else "",
        state=state,
        tone=STATES.get(state, STATES["PENDING"])[0],
        seconds=wording.seconds(task.seconds) if task.seconds is not None else "",
        part=round(100 * (task.seconds or 0.0) / longest, 1) if longest else 0.0,
        reason=task.reason,
        why=task.error.headline if task.error else task.reason or state_word(state),
        failed=state == "FAILED",
        parameters=tuple((name, wording.anything(value) or "(empty)") for name, value in task.parameters.items()),
        artifacts=artifact_table(named, f"Artifacts of {task.name}") if named else None,
        log=log if len(log) <= MOST_LOG else "…" + log[-MOST_LOG:],
        cost=wording.dollars(task.bill["cost_usd"]) if "cost_usd" in task.bill else "",
        bill=_bill(task.bill),
    )


def _bill(bill: Mapping[str, Any]) -> str:
    """What a task was charged with, as one sentence; empty without jobs."""
    if not bill:
        return ""
    jobs, seconds = int(bill.get("jobs", 1)), wording.seconds(float(bill.get("billed_seconds", 0.0)))
    saved = float(bill.get("saved_seconds", 0.0))
    name = f" {bill['job']}" if jobs == 1 and bill.get("job") else ""
    words = [f"{seconds} of {bill.get('instance_type', 'an instance')} in {jobs} job{'' if jobs == 1 else 's'}{name}"]
    if paid_by := bill.get("paid_by"):
        return f"{words[0]}; paid by {paid_by}, which started the work: nothing was charged this time"
    words += [f"{wording.dollars(bill['cost_usd'])}" if "cost_usd" in bill else "no price is known"]
    words += [f"{wording.seconds(saved)} of spare capacity were not charged"] if saved else []
    return "; ".join([*words, str(bill.get("prices", ""))]).rstrip("; ")


def _artifact(name: str, row: ArtifactRow) -> tuple[Cell, ...]:
    digest = row.digest.removeprefix("sha256:").removeprefix("sha256-")
    short = Markup('<span class="mono" title="{}">{}</span>').format(row.digest, digest[:12]) if digest else ""
    where = Markup('<span class="mono small wrap">{}</span>').format(row.uri) if row.uri else ""
    rows = Cell(wording.count(row.rows), row.rows) if row.rows is not None else Cell("")
    size = Cell(wording.size(row.bytes), row.bytes) if row.bytes is not None else Cell("")
    return cells(name, row.type.removeprefix("system."), rows, size, short, where)
