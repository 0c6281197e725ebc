"""The last sections: what was registered and why, where every artifact comes from, how to run it again."""

from __future__ import annotations

from typing import Any

from intermodal.report import wording
from intermodal.report.charts import DagNode, draw_dag
from intermodal.report.model import RunReport
from intermodal.report.scores import Estimate
from intermodal.report.sections import Registration
from intermodal.report.views.parts import Block, Blocks, Card, Column, Row, Section, Table, cells, chart
from intermodal.report.views.pipeline import artifact_table

# Artifacts that say something about a task rather than feed the next one.
BY_PRODUCTS = {
    f"system.{kind}" for kind in ("Metrics", "ClassificationMetrics", "SlicedClassificationMetrics", "HTML", "Markdown")
}
SCORE_NAMES = {"macro_f1": "Macro F1", "qwk": "QWK", "mae": "MAE", "ece": "ECE"}


def registration_section(found: Registration | None) -> Section | None:
    """The section on the champion gate; None when it did not run."""
    if not found or not (found.decision or found.model or found.reasons):
        return None
    version = f"{found.model} version {found.version}" if found.version else found.model
    pairs = [("Decision", found.decision), ("Model", version), ("Alias", found.alias)]
    pairs += [("Accuracy", _estimate(found.accuracy)), ("Champion before", _champion(found))]
    pairs += [("Because" if index == 0 else "", reason) for index, reason in enumerate(found.reasons)]
    shown = tuple((name, value) for name, value in pairs if value)
    blocks = (Block(pairs=shown, table=_compared(found)),)
    return Section("registration", "Registration", Blocks(blocks=blocks), "by the champion gate")


def _compared(found: Registration) -> Table | None:
    """Candidate and champion, score by score; None when there was no champion to compare with."""
    rows = tuple(
        Row(cells(SCORE_NAMES.get(name, name), *(_score(scores.get(side)) for side in ("candidate", "champion"))))
        for name, scores in found.compared.items()
        if scores.get("champion") is not None
    )
    columns = (Column("Score"), Column("Candidate", True), Column("Champion before", True))
    return Table("Candidate and champion on the same test split", columns, rows) if rows else None


def _score(value: Any) -> str:
    return wording.decimal(value) if isinstance(value, int | float) else wording.DASH


def lineage_section(run: RunReport) -> Section | None:
    """The section on artifacts and where they come from; None when the run made none."""
    rows = [(f"{task.name}/{item.name}", item) for task in run.tasks for item in task.artifacts]
    if not rows and not run.lineage:
        return None
    shown = [(name, item) for name, item in rows if item.type not in BY_PRODUCTS]
    nodes = _nodes(run, {name for name, _ in rows} - {name for name, _ in shown})
    cards: tuple[Card, ...] = ()
    if nodes:
        wide, narrow = (
            chart(f'<div class="scroll tall">{draw_dag(nodes, title="Lineage", down=down)}</div>')
            for down in (False, True)
        )
        cards = (Card("Which artifact was made from which", wide, span=3, narrow=narrow),)
    table = artifact_table(rows, "Artifacts of the run", uris=False) if rows else None
    blocks = (Block(table=table),) if table else ()
    return Section("lineage", "Lineage", Blocks(cards, blocks), f"{len(rows)} artifacts")


def again_section(run: RunReport) -> Section | None:
    """The section on how to run it again; None when neither parameters nor command are known."""
    pairs = tuple((name, wording.anything(value) or "(empty)") for name, value in run.parameters.items())
    if not pairs and not run.command:
        return None
    blocks = [Block(pairs=pairs)] if pairs else []
    blocks += (
        [Block(title="Run it again" if run.state.upper() == "SUCCEEDED" else "Continue", command=run.command)]
        if run.command
        else []
    )
    return Section("parameters", "Parameters", Blocks(blocks=tuple(blocks)))


def _nodes(run: RunReport, left_out: set[str]) -> list[DagNode]:
    """Artifacts as nodes; a source outside the store is shown by the last part of its name."""
    sizes = {f"{task.name}/{item.name}": item for task in run.tasks for item in task.artifacts}
    edges = [edge for edge in run.lineage if not {edge.source, edge.target} & left_out]
    names = dict.fromkeys(name for edge in edges for name in (edge.source, edge.target))
    nodes = []
    for name in names:
        before = tuple(edge.source for edge in edges if edge.target == name)
        item, (task, _, short) = sizes.get(name), name.rstrip("/").rpartition("/")
        rows = f"{wording.compact(item.rows)} rows" if item and item.rows is not None else ""
        size = wording.size(item.bytes) if item and item.bytes is not None else ""
        nodes.append(
            DagNode(name, "", task or rows or size, before, " · ".join(p for p in (name, rows, size) if p), label=short)
        )
    return nodes


def _estimate(value: Estimate | None) -> str:
    if value is None or value.value is None:
        return ""
    between = (
        f" (95% interval {wording.decimal(value.low)} to {wording.decimal(value.high)})"
        if value.low is not None
        else ""
    )
    return wording.decimal(value.value) + between


def _champion(found: Registration) -> str:
    text = _estimate(found.champion)
    return f"version {found.champion_version}: {text}" if text and found.champion_version else text
