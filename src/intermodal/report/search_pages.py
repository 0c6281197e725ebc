"""The pages and notes of the steps `tune` and `autopilot`: what was tried, what it gave, what was best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from intermodal.report import wording
from intermodal.report.charts import horizontal_bars, line_chart, parallel_coordinates, scatter
from intermodal.report.kfp_visuals import markdown_table
from intermodal.report.page import render
from intermodal.report.views.parts import Block, Blocks, Card, Cell, Column, Page, Row, Section, Table, cells, chart

_MANY_AXES = 6  # parameters drawn side by side
_NOTED = 8  # lines of the notes
_SHOWN = ("accuracy", "macro_f1", "qwk", "log_loss")  # metrics in the table; the artifact has all


def build_tuning_page(described: Mapping[str, Any]) -> str:
    """The page of `tune`.

    Args:
        described: The content of `trials.json`.

    Returns:
        A whole HTML document.
    """
    trials, metric, best = described["trials"], described["metric"], described["best"]
    names = list(dict.fromkeys(name for item in trials for name in item["parameters"]))
    cards = [Card("Best so far", chart(_progress(trials, metric, described["direction"])))]
    columns = {name: [item["parameters"].get(name) for item in trials] for name in names[:_MANY_AXES]}
    scores = [item["objective"] for item in trials]
    drawing = parallel_coordinates(
        columns, scores, title="Trials", score_name=metric, best=best, width=328 if len(columns) < 2 else 680
    )
    cards.append(Card("Every trial", chart(drawing), "The best trial stands out.", span=2 if len(columns) > 1 else 1))
    cards += [Card(f"By {name}", chart(_by(trials, name, best))) for name in names]
    block = Block(table=_trial_table(trials, names, metric))
    lead = f"trial {best} of {len(trials)} is the best: {metric} {wording.decimal(scores[best], 4)}"
    section = Section("trials", "Tuning", Blocks(tuple(cards), (block,)), lead)
    return render(Page(f"{described['step']} tuned", (section,), crumb="tune"))


def tuning_notes(described: Mapping[str, Any]) -> str:
    """The notes of `tune`: the best trials as Markdown."""
    done = [item for item in described["trials"] if item["objective"] is not None and item["state"] == "COMPLETED"]
    ranked = sorted(done, key=lambda item: item["objective"], reverse=described["direction"] == "maximize")
    rows = [
        {"trial": item["number"], described["metric"]: item["objective"], **_texts(item["parameters"])}
        for item in ranked[:_NOTED]
    ]
    states = [item["state"] for item in described["trials"]]
    note = ", ".join(f"{states.count(state)} {state.lower()}" for state in ("COMPLETED", "STOPPED", "FAILED"))
    return markdown_table(f"{described['step']} tuned: {len(states)} trials", rows, f"{note}.")


def build_leaderboard_page(described: Mapping[str, Any]) -> str:
    """The page of `autopilot`.

    Args:
        described: The content of `leaderboard.json`.

    Returns:
        A whole HTML document.
    """
    board, metric = described["candidates"], described["metric"]
    known = [item for item in board if item["objective"] is not None]
    shown = [(item["name"], item["objective"]) for item in known[:12]]
    cards = [
        Card(
            f"Candidates by {metric}",
            chart(horizontal_bars(shown, title=f"Candidates by {metric}", text=lambda value: f"{value:.4f}")),
        )
    ]
    counts = [(str(name), float(rows)) for name, rows in described["classes"].items()]
    cards.append(Card("Training rows of each class", chart(horizontal_bars(counts, title="Rows by class"))))
    found = {name for item in board for name in item["metrics"]}
    extra = [name for name in _SHOWN if name in found and name != metric]
    named = (Column("Place", True), Column("Candidate"), Column("Algorithm"), Column(metric, True))
    heads = (*named, *(Column(name, True) for name in extra), Column("Parameters", wide=True))
    rows = tuple(Row(_candidate(place, item, extra)) for place, item in enumerate(board, 1))
    table = Table("Leaderboard", heads, rows, "sortable")
    lead = f"{board[0]['name']} is the best of {len(board)} candidates" if known else "no candidate"
    data = Blocks(tuple(cards), (Block(table=table),), tuple(described["warnings"]))
    return render(Page("Autopilot", (Section("leaderboard", "Leaderboard", data, lead),), crumb="autopilot"))


def leaderboard_notes(described: Mapping[str, Any]) -> str:
    """The notes of `autopilot`: the leaderboard as Markdown."""
    known = [item for item in described["candidates"] if item["objective"] is not None]
    rows = [
        {"candidate": item["name"], "algorithm": item["algorithm"], described["metric"]: item["objective"]}
        for item in known[:_NOTED]
    ]
    title = f"Autopilot: {known[0]['name']} is the best of {len(described['candidates'])}" if known else "Autopilot"
    return markdown_table(title, rows, " ".join(described["warnings"]))


def _progress(trials: Sequence[Mapping[str, Any]], metric: str, direction: str) -> str:
    scored = [(float(item["number"]), item["objective"]) for item in trials if item["objective"] is not None]
    better = max if direction == "maximize" else min
    best: list[tuple[float, float]] = []
    for number, score in scored:
        best.append((number, score if not best else better(best[-1][1], score)))
    return line_chart({"best so far": best, "each trial": scored}, title=f"{metric} by trial", x_name="trial")


def _by(trials: Sequence[Mapping[str, Any]], name: str, best: int) -> str:
    known = [item for item in trials if item["objective"] is not None and name in item["parameters"]]
    points = [(item["parameters"][name], float(item["objective"])) for item in known]
    place = next((index for index, item in enumerate(known) if item["number"] == best), -1)
    return scatter(points, title=f"By {name}", x_name=name, best=place)


def _trial_table(trials: Sequence[Mapping[str, Any]], names: Sequence[str], metric: str) -> Table:
    heads = (Column("Trial", True), Column("State"), Column(metric, True), *(Column(name, True) for name in names))
    rows = tuple(
        Row(
            cells(
                str(item["number"]),
                Cell(item["state"].capitalize() if not item["reason"] else f"{item['state']}: {item['reason']}"[:120]),
                _score(item["objective"]),
                *(Cell(wording.anything(item["parameters"].get(name))) for name in names),
            )
        )
        for item in trials
    )
    return Table("All trials", (*heads,), rows, "sortable")


def _candidate(place: int, item: Mapping[str, Any], extra: Sequence[str]) -> tuple[Cell, ...]:
    scores = [_score(item["metrics"].get(name)) for name in extra]
    tried = ", ".join(f"{name} {wording.anything(value)}" for name, value in item["parameters"].items())
    told = f"failed: {item['reason']}"[:160] if item["reason"] else tried
    return cells(str(place), item["name"], item["algorithm"], _score(item["objective"]), *scores, Cell(told))


def _score(value: float | None) -> Cell:
    return Cell(wording.DASH) if value is None else Cell(wording.decimal(value, 4), value)


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: wording.anything(value) for name, value in values.items()}
