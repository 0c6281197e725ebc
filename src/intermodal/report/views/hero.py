"""The head band: the verdict in one sentence, accuracy against baseline and champion, what it took."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from intermodal.report import wording
from intermodal.report.charts.dag import STATES, state_word
from intermodal.report.model import Failure, RunReport
from intermodal.report.scores import Estimate, Evaluation
from intermodal.report.sections import Registration
from intermodal.report.views.candidates import chosen_evaluation
from intermodal.report.views.evaluation import accuracy_plot
from intermodal.report.views.parts import chart
from intermodal.report.views.tiles import Tile, tiles_of

MOST_FAILURES = 5


@dataclass(frozen=True)
class Chip:
    """A difference in one figure, and what it is to."""

    value: str
    text: str


@dataclass(frozen=True)
class Score:
    """The figure that the reader came for, and its comparison."""

    value: str
    caption: str
    chips: tuple[Chip, ...]
    chart: Markup
    note: str = ""


@dataclass(frozen=True)
class Link:
    """The MLflow run: its page if that is a web address, and its id."""

    url: str
    text: str


@dataclass(frozen=True)
class Hero:
    """The head band; `tone` is the CSS colour of the state."""

    state: str
    state_word: str
    tone: str
    eyebrow: str
    title: str
    lede: str
    facts: tuple[tuple[str, str], ...]
    mlflow: Link | None
    score: Score | None
    tiles: tuple[Tile, ...]
    failures: tuple[tuple[str, Failure], ...]
    more_failures: int


def hero_of(run: RunReport) -> Hero:
    """The head band of a run.

    Args:
        run: The run.

    Returns:
        The band; figures that the run did not reach are left out.
    """
    chosen = chosen_evaluation(run)
    state = run.state.upper()
    facts = [("Run", run.run_id), ("Started", _moment(run.started)), ("On", run.runtime)]
    return Hero(
        state=state, state_word=state_word(state), tone=STATES.get(state, STATES["PENDING"])[0],
        eyebrow=f"Pipeline {run.pipeline}" if run.pipeline else "", title=_verdict(run), lede=_lede(run, chosen),
        facts=tuple((name, value) for name, value in facts if value), mlflow=_mlflow(run),
        score=_score(run, chosen) if chosen else None, tiles=tuple(tiles_of(run)),
        failures=tuple(run.failures()[:MOST_FAILURES]),
        more_failures=max(0, len(run.failures()) - MOST_FAILURES),
    )  # fmt: skip


def _verdict(run: RunReport) -> str:
    found, failures = run.sections.registration, run.failures()
    if failures:
        name = failures[0][0] or "The run"
        return f"{name} failed" if len(failures) == 1 else f"{len(failures)} tasks failed"
    if found and found.model:
        return _gate(found)
    words = {"SUCCEEDED": "is done", "RUNNING": "is running", "CANCELLED": "was cancelled", "FAILED": "failed"}
    words["INTERRUPTED"] = "was interrupted"
    return f"{run.pipeline or run.run_id} {words.get(run.state.upper(), 'has not started')}"


def _gate(found: Registration) -> str:
    """The decision of the champion gate as a headline."""
    alias, version = found.alias or "champion", f"{found.model} version {found.version}".removesuffix(" version ")
    if found.unchanged:
        return f"{version} is the {alias} already"
    if found.accepted:
        return f"{version} is the new {alias}"
    before = f"{found.model} version {found.champion_version}" if found.champion_version else ""
    return f"{before} stays the {alias}" if before else f"{found.model}: the candidate was {found.decision}"


def _lede(run: RunReport, chosen: Evaluation | None) -> str:
    found = run.sections.registration
    if found and found.reasons and not run.failures():
        return " ".join(reason[:1].upper() + reason[1:].rstrip(".") + "." for reason in found.reasons[:2])
    if run.failures():
        waiting = sum(task.shown_state in ("SKIPPED", "PENDING", "CANCELLED") for task in run.tasks)
        finished = sum(task.shown_state in ("SUCCEEDED", "CACHED") for task in run.tasks)
        return (
            f"{finished} of {len(run.tasks)} tasks finished and are kept; {waiting} did not start." if run.tasks else ""
        )
    return f"Best candidate: {chosen.name}." if chosen and chosen.name else ""


def _moment(text: str) -> str:
    """An ISO 8601 moment without its separators: 2026-11-21 18:22."""
    return text[:16].replace("T", " ") if len(text) >= 16 and text[10] in "T " else text


def _mlflow(run: RunReport) -> Link | None:
    if not run.mlflow or not (run.mlflow.run_id or run.mlflow.url):
        return None
    url = run.mlflow.url if run.mlflow.url.lower().startswith(("http://", "https://")) else ""
    return Link(url, (run.mlflow.run_id or run.mlflow.url)[:60])


def _score(run: RunReport, chosen: Evaluation) -> Score:
    evaluations, found = run.sections.evaluations, run.sections.registration
    champion = found.champion if found and not found.unchanged else None
    low, high = chosen.accuracy.low, chosen.accuracy.high
    between = (
        f", 95% interval {wording.decimal(low)} {wording.DASH} {wording.decimal(high)}"
        if low is not None and high is not None
        else ""
    )
    rows = f"on {wording.count(chosen.rows)} held-out reviews" if chosen.rows else ""
    drawing = accuracy_plot(evaluations, chosen.name, champion.value if champion else None, width=446)
    narrow = accuracy_plot(evaluations, chosen.name, champion.value if champion else None)
    both = Markup('<div class="wide-440">{}</div><div class="narrow-440">{}</div>').format(
        chart(drawing), chart(narrow)
    )
    chips = tuple(_chips(chosen, evaluations, champion))
    return Score(wording.decimal(chosen.accuracy.value), f"accuracy{between}", chips, both, rows)


def _chips(chosen: Evaluation, evaluations: tuple[Evaluation, ...], champion: Estimate | None) -> Iterator[Chip]:
    """Differences in percentage points; where the intervals overlap, the chip says so."""
    base = next((e for e in evaluations if e.is_baseline and e is not chosen), None)
    for other, name in ((base.accuracy if base else None, "baseline"), (champion, "champion before")):
        if other is not None and other.value is not None and chosen.accuracy.value is not None:
            doubt = ", intervals overlap" if _overlap(chosen.accuracy, other) else ""
            yield Chip(wording.points(chosen.accuracy.value - other.value), f"points vs {name}{doubt}")


def _overlap(a: Estimate, b: Estimate) -> bool:
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return False
    return a.low <= b.high and b.low <= a.high
