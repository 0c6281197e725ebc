"""What every training step shows of itself: its curves as a page, its scores as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from intermodal.report.kfp_visuals import write_page
from intermodal.report.notes import training_notes
from intermodal.report.page import render
from intermodal.report.sections import Curves
from intermodal.report.views.parts import Page
from intermodal.report.views.training import training_section


@dataclass(frozen=True)
class Told:
    """What a training tells.

    Attributes:
        step: The step.
        series: Curve → points (step, value).
        metrics: Its scores.
        metadata: The model's metadata: kind, and digests of the splits.
    """

    step: str
    series: Mapping[str, Sequence[tuple[float, float]]]
    metrics: Mapping[str, float]
    metadata: Mapping[str, Any]


def write_training(report: str, notes: str, told: Told) -> None:
    """Write a training's page and notes.

    Args:
        report: Path of the HTML artifact.
        notes: Path of the Markdown artifact.
        told: What it tells.
    """
    section = training_section([Curves(told.step, {name: tuple(points) for name, points in told.series.items()})])
    write_page(report, render(Page(told.step, (section,) if section else (), crumb=told.step)))
    known = {name.removesuffix("_digest"): value for name, value in told.metadata.items() if name.endswith("_digest")}
    digests = [f"{name} {value[:12]}" for name, value in known.items()]
    write_page(notes, training_notes(told.step, told.metrics, str(told.metadata["kind"]), digests))
