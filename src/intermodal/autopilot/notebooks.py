"""The two notebooks of an Autopilot run: what the data look like, and how each candidate is made; code that runs.

They are nbformat 4.5, the same bytes for the same run, without outputs, and hold no address and no credentials: the
rows are found through the environment variable FEATURES, or a folder `features` beside the notebook; ROWS and `rows`
where they were CSV.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

EXPLORATION, DEFINITION = "data_exploration.ipynb", "candidate_definition.ipynb"

_READ = '''import os
from pathlib import Path

import pyarrow.parquet as pq

features = Path(os.environ.get("FEATURES", "features"))


def read_split(name):
    """One split as a table: text and label_ids."""
    return pq.read_table(features / f"split={name}", columns=["text", "label_ids"]).to_pandas()


train, validation = read_split("train"), read_split("validation")
len(train), len(validation)'''

_READ_CSV = '''import os
from pathlib import Path

import pandas

rows = Path(os.environ.get("ROWS", "rows"))


def read_split(name):
    """One split as a table: text and label_ids."""
    table = pandas.read_csv(rows / f"{name}.csv", dtype=str, keep_default_na=False)
    return pandas.DataFrame({"text": table[TEXT], "label_ids": table[LABEL].map(labels.index)})


train, validation = read_split("train"), read_split("validation")
len(train), len(validation)'''

_CLASSES = """counts = train["label_ids"].value_counts().sort_index()
counts.index = [labels[number] for number in counts.index]
print(counts.to_string())
print("most frequent over rarest:", round(counts.max() / counts.min(), 2))"""

_LENGTHS = """words = train["text"].str.split().str.len()
print(words.describe(percentiles=[0.5, 0.9, 0.99]).to_string())
print("empty texts:", int((words == 0).sum()))"""

_DUPLICATES = """print("texts that occur twice in training:", int(train["text"].duplicated().sum()))
print("validation texts that are also in training:", int(validation["text"].isin(set(train["text"])).sum()))"""

_WORDS = """import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

vectorizer = TfidfVectorizer(min_df=2, sublinear_tf=True)
matrix = vectorizer.fit_transform(train["text"])
names = vectorizer.get_feature_names_out()
overall = np.asarray(matrix.mean(axis=0)).ravel()
for number, label in enumerate(labels):
    rows = np.flatnonzero(train["label_ids"].to_numpy() == number)
    if len(rows):
        lift = np.asarray(matrix[rows].mean(axis=0)).ravel() - overall
        print(label, ", ".join(names[place] for place in lift.argsort()[::-1][:10]))"""

_TRAIN = """from intermodal.autopilot.algorithms import Rows, fit_candidate
from intermodal.autopilot.scores import candidate_scores

rows = Rows(train["text"].tolist(), train["label_ids"].to_numpy().astype("int64"), len(labels))
held_out = validation["text"].tolist(), validation["label_ids"].to_numpy().astype("int64")


def try_candidate(algorithm, parameters):
    \"\"\"Train a candidate and score it on the validation rows.\"\"\"
    fitted = fit_candidate(algorithm, rows, parameters, seed)
    return fitted, candidate_scores(fitted.predict_proba(held_out[0]), held_out[1])"""

_WRITE = """from intermodal.text.model_files import ModelWriter

fitted, scores = try_candidate(*candidates[best])
writer = ModelWriter(Path("best-model"), labels)
fitted.add_to(writer)
writer.finish({"recipe": {"algorithm": candidates[best][0], **candidates[best][1]}, "max_seq_length": 0})
print(best, scores)"""


def write_notebooks(
    directory: Path,
    described: dict[str, Any],
    labels: Sequence[str],
    seed: int,
    columns: tuple[str, str] | None = None,
) -> None:
    """Write both notebooks.

    Args:
        directory: Made.
        described: The content of `leaderboard.json`.
        labels: Class names.
        seed: The run's seed.
        columns: Columns of text and label, where the rows are CSV; features otherwise.
    """
    directory.mkdir(parents=True, exist_ok=True)
    read = _reading(labels, columns)
    _write(directory / EXPLORATION, exploration(described, read))
    _write(directory / DEFINITION, definition(described, read, seed))


def write_missing(
    directory: Path, there: Sequence[str], described: dict[str, Any], labels: Sequence[str], job: str
) -> None:
    """Write the notebooks that a service did not give.

    Args:
        directory: Where they lie.
        there: Names of those that it gave.
        described: The content of `leaderboard.json`.
        labels: Class names.
        job: The AutoML job, whose candidates are then asked of the service.
    """
    if EXPLORATION not in there:
        _write(directory / EXPLORATION, exploration(described, _reading(labels)))
    if DEFINITION not in there:
        head = f"# Candidates of the AutoML job {job}"
        _write(directory / DEFINITION, _notebook(_text(head), _code(_ASK.replace("JOB", job))))


_ASK = """import boto3

candidates = boto3.client("sagemaker").list_candidates_for_auto_ml_job(AutoMLJobName="JOB")["Candidates"]
for candidate in candidates:
    print(candidate["CandidateName"], candidate.get("FinalAutoMLJobObjectiveMetric", {}).get("Value"))
    for container in candidate.get("InferenceContainers", []):
        print("  ", container["Image"], container["ModelDataUrl"])"""


def exploration(described: dict[str, Any], read: str) -> dict[str, Any]:
    """The notebook on the data.

    Args:
        described: The content of `leaderboard.json`.
        read: Code that reads the rows.
    """
    warnings = "\n".join(f"- {line}" for line in described["warnings"]) or "- Nothing is odd about the classes."
    counts = "\n".join(f"| {name} | {count:,} |" for name, count in described["classes"].items())
    return _notebook(
        _text(f"# Data exploration\n\n{warnings}\n\n| class | training rows |\n| :-- | --: |\n{counts}"),
        _code(read),
        _code(_CLASSES),
        _text("## How long are the texts?"),
        _code(_LENGTHS),
        _text("## Duplicates\n\nA text on both sides of the split makes scores look better than they are."),
        _code(_DUPLICATES),
        _text("## Words that set the classes apart"),
        _code(_WORDS),
    )


def definition(described: dict[str, Any], read: str, seed: int) -> dict[str, Any]:
    """The notebook on the candidates.

    Args:
        described: The content of `leaderboard.json`.
        read: Code that reads the rows.
        seed: The run's seed.
    """
    done = [item for item in described["candidates"] if item["objective"] is not None]
    lines = [f"    {item['name']!r}: ({item['algorithm']!r}, {item['parameters']!r})," for item in done]
    table = "\n".join(f"| {item['name']} | {item['algorithm']} | {item['objective']:.4f} |" for item in done)
    metric, best = described["metric"], described["best"]
    head = f"# Candidates\n\n| candidate | algorithm | {metric} |\n| :-- | :-- | --: |\n{table}"
    cells = [
        _text(head),
        _code(read),
        _code("\n".join(["candidates = {", *lines, "}", f"best, seed = {best!r}, {seed}"])),
        _code(_TRAIN),
    ]
    for item in done:
        code = f"_, scores = try_candidate(*candidates[{item['name']!r}])\nscores"
        cells += [_text(f"## {item['name']}"), _code(code)]
    return _notebook(*cells, _text("## The best one, as a model directory"), _code(_WRITE))


def _reading(labels: Sequence[str], columns: tuple[str, str] | None = None) -> str:
    named = f"labels = {json.dumps(list(labels))}\n"
    if columns is None:
        return named + _READ
    return f"{named}TEXT, LABEL = {columns[0]!r}, {columns[1]!r}\n{_READ_CSV}"


def _notebook(*cells: dict[str, Any]) -> dict[str, Any]:
    named = [{**cell, "id": _id(number, cell)} for number, cell in enumerate(cells)]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {
        "cells": named,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _text(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source.splitlines(keepends=True)}


def _code(source: str) -> dict[str, Any]:
    fields: dict[str, Any] = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
    return {**fields, "source": source.splitlines(keepends=True)}


def _id(number: int, cell: dict[str, Any]) -> str:
    return hashlib.sha256(f"{number} {''.join(cell['source'])}".encode()).hexdigest()[:12]


def _write(path: Path, notebook: dict[str, Any]) -> None:
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
