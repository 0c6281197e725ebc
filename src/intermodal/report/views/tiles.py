"""The strip of figures below the head band: what went in, what came out, what it took."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from intermodal.report import wording
from intermodal.report.charts import sparkline
from intermodal.report.model import RunReport
from intermodal.report.views.parts import chart


@dataclass(frozen=True)
class Tile:
    """One figure of the strip, with a few words below it and perhaps a small drawing beside it."""

    name: str
    value: str
    under: str = ""
    drawing: Markup = Markup("")


def tiles_of(run: RunReport) -> Iterator[Tile]:
    """The figures of a run that are known.

    Args:
        run: The run.

    Yields:
        Rows in, rows quarantined, constraints, wall time, tasks from the cache, cost.
    """
    yield from _data_tiles(run)
    validation = run.sections.validation
    if validation and validation.constraints:
        held = sum(row.passed for row in validation.constraints)
        errors = sum(not row.passed and row.level.lower() == "error" for row in validation.constraints)
        warnings = len(validation.constraints) - held - errors
        under = "all hold" if not errors + warnings else f"failed: {errors} of level Error, {warnings} of level Warning"
        yield Tile("Constraints", f"{held} / {len(validation.constraints)}", under)
    if run.seconds is not None:
        busiest = max(run.tasks, key=lambda task: task.seconds or 0.0, default=None)
        under = f"longest: {busiest.name}, {wording.seconds(busiest.seconds)}" if busiest and busiest.seconds else ""
        yield Tile("Wall time", wording.seconds(run.seconds), under)
    if run.tasks:
        cached = sum(task.shown_state == "CACHED" for task in run.tasks)
        yield Tile("From cache", f"{cached} of {len(run.tasks)}", "tasks that did not have to run again")
    yield from _cost_tile(run)


def _cost_tile(run: RunReport) -> Iterator[Tile]:
    """What the jobs of the run were charged with; a run without jobs has no such tile."""
    bills = [task.bill for task in run.tasks if task.bill]
    if not bills:
        return
    seconds = sum(float(bill.get("billed_seconds", 0.0)) for bill in bills if not bill.get("paid_by"))
    costs = [float(bill["cost_usd"]) for bill in bills if "cost_usd" in bill]
    open_ended = len(bills) - len(costs)
    more = f", without {open_ended} of {len(bills)} tasks that have no price" if open_ended else ""
    yield Tile(
        "Cost", wording.dollars(sum(costs)) if costs else wording.DASH, f"{wording.seconds(seconds)} billed{more}"
    )


def _data_tiles(run: RunReport) -> Iterator[Tile]:
    apart, profile = run.sections.quarantines, run.sections.profile
    rows = next((item.rows_in for item in apart if item.rows_in), None) or profile.get("rows")
    if rows:
        months = [float(month["rows"]) for month in profile.get("by_month") or []]
        drawing = chart(sparkline(months, title="Reviews a month")) if len(months) > 5 else Markup("")
        dates = profile.get("dates") or {}
        span = f"{dates['first']} to {dates['last']}" if dates.get("first") else "read from the source"
        yield Tile("Reviews in", wording.count(rows), span, drawing)
    if apart:
        total = sum(item.rows for item in apart)
        yield Tile(
            "Quarantined",
            wording.count(total),
            f"{wording.share(total / rows, 2)} of the rows, none dropped" if rows else "",
        )
