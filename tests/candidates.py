"""Small real features and a small real model, and the steps that judge them, called as plain functions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from kfp.dsl import HTML, ClassificationMetrics, Dataset, Markdown, Metrics, Model

from intermodal.steps.evaluate import evaluate
from intermodal.steps.register import register
from intermodal.text.split_digest import split_digest
from mlflow_cases import WORDS, write_model

_WRONG = {1: "great", 2: "good", 3: "poor", 4: "poor", 5: "terrible"}


@dataclass(frozen=True)
class Evaluated:
    """The outputs of `evaluate`."""

    evaluation: Dataset
    metrics: Metrics
    classification: ClassificationMetrics
    report: HTML
    notes: Markdown


def make_features(directory: Path, shift: str = "R") -> Dataset:
    """Features of which the words' model gets four in five right: one text in five begins with the wrong word.

    Args:
        directory: Where to write them.
        shift: Prefix of the review ids; another one makes another test split.
    """
    right, splits = {rating: word for word, rating in WORDS.items()}, {}
    for split, count in (("train", 10), ("validation", 10), ("test", 100)):
        labels = [number % 5 for number in range(count)]
        spoken = [(_WRONG if number // 5 % 5 == 0 else right)[label + 1] for number, label in enumerate(labels)]
        rows = {
            "review_id": [f"{shift}{split}{number:04d}" for number in range(count)],
            "text": [f"{word} <script>alert(1)</script> {number}" for number, word in enumerate(spoken)],
            "product_category": ["Software" if number % 3 else "Games" for number in range(count)],
            "label_ids": pa.array(labels, pa.int32()),
            "tokens": pa.array([5 + number for number in range(count)], pa.int32()),
        }
        (directory / f"split={split}").mkdir(parents=True)
        pq.write_table(pa.table(rows), directory / f"split={split}" / "part-00000.parquet")
        splits[split] = {"rows": count, "digest": split_digest(rows["review_id"], rows["text"], labels)}
    return Dataset(name="features", uri=str(directory), metadata={"splits": splits})


def make_model(directory: Path, words: dict[str, int] | None = None) -> Model:
    """The words' model; other words make another, worse one."""
    write_model(directory, words)
    return Model(name="model", uri=str(directory), metadata={})


def evaluate_model(model: Model, features: Dataset, folder: Path, **parameters: object) -> Evaluated:
    """Call `evaluate`."""
    made = Evaluated(
        Dataset(name="evaluation", uri=str(folder / "evaluation"), metadata={}),
        Metrics(name="metrics", uri=str(folder / "metrics"), metadata={}),
        ClassificationMetrics(name="classification", uri=str(folder / "classification"), metadata={}),
        HTML(name="report", uri=str(folder / "report.html"), metadata={}),
        Markdown(name="notes", uri=str(folder / "notes.md"), metadata={}),
    )
    outputs = (made.evaluation, made.metrics, made.classification, made.report, made.notes)
    evaluate(model, features, *outputs, **parameters)
    return made


def register_model(
    model: Model, evaluation: Dataset, features: Dataset, folder: Path, **parameters: object
) -> tuple[Dataset, Metrics]:
    """Call `register`."""
    registration = Dataset(name="registration", uri=str(folder / "registration"), metadata={})
    metrics = Metrics(name="metrics", uri=str(folder / "metrics"), metadata={})
    report = HTML(name="report", uri=str(folder / "registration.html"), metadata={})
    notes = Markdown(name="notes", uri=str(folder / "registration.md"), metadata={})
    register(model, evaluation, features, registration, metrics, report, notes, **parameters)
    return registration, metrics
