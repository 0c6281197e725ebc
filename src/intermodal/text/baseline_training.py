"""Train the model that every result is compared with: TF-IDF features and logistic regression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from intermodal.errors import UsageError
from intermodal.text.curves import Curves, validation_scores
from intermodal.text.linear_training import fit_standard
from intermodal.text.model_files import ModelWriter, model_metadata
from intermodal.text.token_rows import label_names, read_rows


@dataclass(frozen=True)
class Regression:
    """How the baseline is trained.

    Attributes:
        strength: Inverse regularisation, scikit-learn's C.
        smallest: In how many texts a term must occur.
        seed: Of the solver's order of rows.
    """

    strength: float = 2.0
    smallest: int = 2
    seed: int = 7


@dataclass(frozen=True)
class TrainedBaseline:
    """What came of it.

    Attributes:
        metrics: Scores on the validation rows.
        metadata: What later steps and people want to know of the model.
    """

    metrics: dict[str, float]
    metadata: dict[str, Any]


def train_baseline(
    features: Path, metadata: Mapping[str, Any], regression: Regression, target: Path, curves: Curves
) -> TrainedBaseline:
    """Train the baseline and write it.

    Args:
        features: Directory of `featurize`'s output; only texts and labels are used.
        metadata: Its metadata.
        regression: How to train.
        target: Directory of the model; made.
        curves: Given the validation scores.

    Returns:
        What came of it.

    Raises:
        UsageError: A parameter is out of range.
        DataRejected: The features cannot be used.
    """
    if not regression.strength > 0 or regression.smallest < 1:
        seen = f"regularisation {regression.strength}, min_texts {regression.smallest}"
        raise UsageError("a parameter of the baseline is out of range", seen=seen, expected="above 0, and 1 or more")
    labels = label_names(metadata)
    train, held_out = (read_rows(features, split, len(labels)) for split in ("train", "validation"))
    model = fit_standard(
        train.texts, train.labels, len(labels), regression.seed, regression.strength, regression.smallest
    )
    writer = ModelWriter(target, labels)
    writer.add_reference(features)
    writer.add_linear(model)
    recipe = {"strategy": "tfidf", "terms": len(model.vocabulary), "rows": len(train)} | asdict(regression)
    writer.finish({"checkpoint": "", "recipe": recipe, "max_seq_length": 0})
    scores = validation_scores(model.predict_proba(held_out.texts), held_out.labels)
    metrics = {f"validation_{name}": value for name, value in scores.items()}
    curves.add_all(metrics, 1)
    return TrainedBaseline(metrics, model_metadata(metadata, "tfidf", metrics))
