"""A candidate for registration: a model, its evaluation, and the split both must agree on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intermodal.errors import ArtifactCorrupt, DataRejected
from intermodal.text.evaluation import evaluate_scored, score
from intermodal.text.held_out import model_digest, origin_runs, proven_digest, read_split
from intermodal.text.model_facts import read_model_facts

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


@dataclass(frozen=True)
class CandidateFiles:
    """What the files of a candidate say.

    Attributes:
        facts: The content of `model.json`.
        evaluation: The content of `evaluation.json`.
        rows: The split it was evaluated on.
        lineage: Tags naming the runs that made model and evaluation.
    """

    facts: dict[str, Any]
    evaluation: dict[str, Any]
    rows: pa.Table
    lineage: dict[str, str]


def read_candidate(model: Path, evaluation: Path, features: Path, metadata: Mapping[str, Any]) -> CandidateFiles:
    """Read a candidate, and check that its parts belong together.

    Args:
        model: The model's directory.
        evaluation: Directory of `evaluate`'s output.
        features: Directory of `featurize`'s output.
        metadata: The features' metadata.

    Returns:
        What they say.

    Raises:
        DataRejected: The evaluation is of another model, or of another split.
        ArtifactCorrupt: One of them is not what it should be.
    """
    facts, scores = read_model_facts(model), _read_evaluation(evaluation)
    digest = model_digest(model)
    if scores["model_digest"] != digest:
        raise DataRejected("the evaluation is of another model", seen=scores["model_digest"], expected=digest)
    split = str(scores.get("split", "test"))
    rows = read_split(features, split)
    tested = proven_digest(rows, features, metadata, split)
    if scores["test_digest"] != tested:
        raise DataRejected("the evaluation is of another test split", seen=scores["test_digest"], expected=tested)
    lineage = {
        f"intermodal.{name}.{key}": value
        for name, directory in (("model", model), ("evaluation", evaluation))
        for key, value in origin_runs(directory).items()
    }
    return CandidateFiles(facts, scores, rows, lineage)


def evaluate_again(files: CandidateFiles, predict: Callable[[list[str]], np.ndarray]) -> dict[str, Any]:
    """Evaluate another model on the candidate's test split.

    Args:
        files: The candidate.
        predict: The other model: texts to probabilities, shape (n, classes).

    Returns:
        As `evaluation.json`, without what names the model.
    """
    scored = score(files.rows, files.facts["labels"], predict, lambda _done, _total: None)
    return {**evaluate_scored(scored), "test_digest": files.evaluation["test_digest"]}


def _read_evaluation(directory: Path) -> dict[str, Any]:
    expected = "evaluation.json with model_digest and test_digest, as the step evaluate writes it"
    try:
        scores = json.loads((directory / "evaluation.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactCorrupt("this is no evaluation", seen=error, expected=expected) from error
    if not isinstance(scores, dict) or not {"model_digest", "test_digest"} <= scores.keys():
        raise ArtifactCorrupt("this is no evaluation", seen=str(scores)[:200], expected=expected)
    return scores
