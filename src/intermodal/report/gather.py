"""From the artifacts of a run to the sections of its page: every known file is read, the rest is ignored."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intermodal.report.codec import from_json
from intermodal.report.sections import Curves, Evaluation, Quarantine, Registration, Sections, Validation

if TYPE_CHECKING:
    import polars as pl

MOST_SAMPLES = 20  # quarantined rows shown of each task
MOST_ERRORS = 12
Artifact = tuple[str, str, Path]  # (task, artifact, local directory)


def gather(artifacts: Iterable[Artifact], rows_in: int | None = None) -> Sections:
    """Read the sections of a page from the artifacts of its run.

    Args:
        artifacts: (task, artifact name, local directory) in the order of the pipeline; directories that are
            missing are passed over.
        rows_in: Rows that were read from the source, for the share that was quarantined.

    Returns:
        The sections: profile.json, validation.json, evaluation.json with worst_errors.parquet beside it,
        curves.parquet, registration.json, and the rows of every artifact called `quarantine`.
    """
    found = [(task, name, Path(path)) for task, name, path in artifacts if Path(path).is_dir()]
    profiles, validations = _documents(found, "profile.json"), _documents(found, "validation.json")
    registrations = _documents(found, "registration.json")
    return Sections(
        profile=profiles[-1][2] if profiles else {},
        validation=read_validation(validations[-1][2]) if validations else None,
        quarantines=tuple(_quarantine(task, path, rows_in) for task, name, path in found if name == "quarantine"),
        curves=tuple(_curves(task, path) for task, _, path in found if (path / "curves.parquet").is_file()),
        evaluations=tuple(_evaluation(*item) for item in _documents(found, "evaluation.json")),
        registration=from_json(Registration, registrations[-1][2]) if registrations else None,
    )


def read_validation(document: Mapping[str, Any]) -> Validation:
    """Read `validation.json`, whose constraints may stand in one list or below their checks.

    Args:
        document: Its content.

    Returns:
        The validation.
    """
    nested = [item for check in document.get("checks") or () for item in check.get("constraints") or ()]
    return from_json(Validation, {**document, "constraints": nested} if nested else document)


def _documents(found: Iterable[Artifact], name: str) -> list[tuple[str, Path, Any]]:
    """(task, directory, content) of every artifact that holds a JSON file of that name."""
    paths = [(task, path) for task, _, path in found if (path / name).is_file()]
    return [(task, path, json.loads((path / name).read_text(encoding="utf-8"))) for task, path in paths]


def _evaluation(task: str, path: Path, document: Mapping[str, Any]) -> Evaluation:
    read = from_json(Evaluation, document)
    errors = path / "worst_errors.parquet"
    rows = tuple(_head([errors], MOST_ERRORS)) if errors.is_file() and not read.worst_errors else read.worst_errors
    return replace(read, name=read.name or task, worst_errors=rows)


def _curves(task: str, path: Path) -> Curves:
    import polars as pl

    table = pl.read_parquet(path / "curves.parquet").sort("series", "step")
    series: dict[str, list[tuple[float, float]]] = {}
    for name, step, value in table.select("series", "step", "value").iter_rows():
        if value is not None:
            series.setdefault(name, []).append((float(step), float(value)))
    return Curves(task, {name: tuple(points) for name, points in series.items()})


def _quarantine(task: str, path: Path, rows_in: int | None) -> Quarantine:
    files = sorted(path.rglob("*.parquet"))
    rows = int(_scan(files).select(_length()).collect().item()) if files else 0
    return Quarantine(task, rows, rows_in, tuple(_head(files, MOST_SAMPLES)) if rows else ())


def _head(files: list[Path], most: int) -> list[dict[str, Any]]:
    """The first rows, whatever their columns."""
    return _scan(files).head(most).collect().to_dicts()


def _scan(files: list[Path]) -> pl.LazyFrame:
    import polars as pl

    return pl.scan_parquet(files, hive_partitioning=False)


def _length() -> pl.Expr:
    import polars as pl

    return pl.len()
