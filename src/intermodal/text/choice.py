"""Which of several evaluated models is the best."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intermodal.errors import ArtifactCorrupt, DataRejected, UsageError
from intermodal.text.evaluation import headline
from intermodal.text.held_out import model_digest
from intermodal.text.model_facts import read_model_facts

LOWER_IS_BETTER = ("mae", "ece", "log_loss")
METRICS = ("accuracy", "within_one", "macro_f1", "qwk", "macro_auc", *LOWER_IS_BETTER)


@dataclass(frozen=True)
class Contender:
    """A model and its evaluation.

    Attributes:
        name: What it is called in the step's signature.
        model: Its directory.
        evaluation: Directory of its evaluation.
        kind: Kind of model, with the framework where it says one.
        scores: Its scores, by name.
        test_digest: Digest of the split it was tested on.
    """

    name: str
    model: Path
    evaluation: Path
    kind: str
    scores: dict[str, float]
    test_digest: str


def read_contender(name: str, model: Path, evaluation: Path) -> Contender:
    """Read a contender, and check that its parts belong together.

    Args:
        name: What it is called.
        model: The model's directory.
        evaluation: Directory of `evaluate`'s output.

    Raises:
        DataRejected: The evaluation is of another model.
        ArtifactCorrupt: One of them is not what it should be.
    """
    facts, digest = read_model_facts(model), model_digest(model)
    try:
        found = json.loads((evaluation / "evaluation.json").read_text(encoding="utf-8"))
        scores, tested, of = headline(found), str(found["test_digest"]), found["model_digest"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactCorrupt(f"{name}: this is no evaluation", seen=repr(error), expected="evaluation.json") from error
    if of != digest:
        raise DataRejected(f"the evaluation given for {name} is of another model", seen=of, expected=digest)
    framework = facts.get("recipe", {}).get("framework", "") if isinstance(facts.get("recipe"), Mapping) else ""
    kind = " ".join(filter(None, (str(facts.get("kind", "")), framework)))
    return Contender(name, model, evaluation, kind, scores, tested)


def rank(contenders: Sequence[Contender], metric: str) -> list[Contender]:
    """Contenders, the best first; of equals the one that was given first comes first.

    Args:
        contenders: Two or more.
        metric: One of `METRICS`.

    Raises:
        UsageError: The metric is unknown.
        DataRejected: They were tested on different splits, or one lacks the metric.
    """
    if metric not in METRICS:
        raise UsageError("unknown metric", seen=metric, expected=", ".join(METRICS))
    digests = {item.name: item.test_digest for item in contenders}
    if len(set(digests.values())) > 1:
        told = ", ".join(f"{name} {digest[:12]}" for name, digest in digests.items())
        raise DataRejected("the models were tested on different splits", seen=told, expected="one test digest")
    if lacking := [item.name for item in contenders if metric not in item.scores]:
        raise DataRejected(f"{', '.join(lacking)} has no {metric}", seen="undefined", next_step="choose by accuracy")
    sign = 1 if metric in LOWER_IS_BETTER else -1
    return sorted(contenders, key=lambda item: sign * item.scores[metric])  # sorted() keeps the order of equals


def table(ranked: Sequence[Contender], metric: str) -> list[dict[str, Any]]:
    """The ranking as plain values, for people and for a file."""
    return [
        {"place": place, "name": item.name, "kind": item.kind, metric: item.scores[metric], "scores": item.scores}
        for place, item in enumerate(ranked, start=1)
    ]
