"""A model's answers row by row: all of them, and the worst."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intermodal.text.scored import DIGITS, Scored

if TYPE_CHECKING:
    import pyarrow as pa


def predictions(scored: Scored) -> pa.Table:
    """Every answer: columns review_id, label, predicted and one probability a class, p1 … p5."""
    import numpy as np
    import pyarrow as pa

    names = np.array(scored.labels, dtype=object)
    columns = {
        "review_id": scored.rows.column("review_id"),
        "label": pa.array(names[scored.truth], pa.string()),
        "predicted": pa.array(names[scored.predicted], pa.string()),
    }
    shares = {f"p{label}": scored.probabilities[:, index] for index, label in enumerate(scored.labels)}
    return pa.table(columns | {name: pa.array(values.astype(np.float32)) for name, values in shares.items()})


def worst_errors(scored: Scored, count: int) -> pa.Table:
    """The errors with the most stars off at the highest confidence, worst first.

    Args:
        scored: The split with a model's answers.
        count: How many at most.

    Returns:
        Columns review_id, text, product_category, label, predicted, confidence.
    """
    import numpy as np
    import pyarrow as pa

    predicted, confidence = scored.predicted, scored.probabilities.max(axis=1)
    weight = np.abs(predicted - scored.truth) * confidence
    ids = np.array(scored.rows.column("review_id").to_pylist(), dtype=object)
    order = np.lexsort((ids.astype(str), -weight))
    kept = [index for index in order[:count] if predicted[index] != scored.truth[index]]
    names = np.array(scored.labels, dtype=object)
    told = scored.rows.select(["review_id", "text", "product_category"]).take(pa.array(kept, pa.int64()))
    told = told.append_column("label", pa.array(names[scored.truth[kept]], pa.string()))
    told = told.append_column("predicted", pa.array(names[predicted[kept]], pa.string()))
    return told.append_column("confidence", pa.array(confidence[kept].round(DIGITS), pa.float32()))


def write_evaluation(directory: Path, found: Mapping[str, Any], answers: pa.Table, errors: pa.Table) -> None:
    """Write an evaluation: `evaluation.json`, `predictions.parquet`, `worst_errors.parquet`.

    Args:
        directory: The output directory; made.
        found: What `evaluate_scored` returned, with whatever says where it comes from.
        answers: What `predictions` returned.
        errors: What `worst_errors` returned.
    """
    import pyarrow.parquet as pq

    directory.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    (directory / "evaluation.json").write_text(text + "\n", encoding="utf-8")
    pq.write_table(answers, directory / "predictions.parquet", compression="zstd")
    pq.write_table(errors, directory / "worst_errors.parquet", compression="zstd")
