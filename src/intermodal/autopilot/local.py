"""Autopilot on this machine, from features to model, leaderboard and notebooks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from intermodal.autopilot.engine import Autopilot, Budget, Splits, read_splits
from intermodal.autopilot.notebooks import write_notebooks
from intermodal.autopilot.records import CandidateRecord, describe, leaderboard, write_leaderboard
from intermodal.errors import StepFailed
from intermodal.text.model_files import ModelWriter, model_metadata
from intermodal.text.token_rows import label_names


@dataclass(frozen=True)
class Wish:
    """What is asked of Autopilot.

    Attributes:
        metric: What counts.
        candidates: Most candidates.
        seconds: Time after which no further candidate begins; 0 for no limit.
        algorithms: Which algorithms; all when empty.
        seed: Of everything random.
        problem: "text" or "tabular"; SageMaker alone tells them apart.
    """

    metric: str = "accuracy"
    candidates: int = 12
    seconds: int = 0
    algorithms: tuple[str, ...] = ()
    seed: int = 7
    problem: str = "text"


@dataclass(frozen=True)
class Places:
    """Where what Autopilot makes comes to lie.

    Attributes:
        model: The best candidate's model.
        board: The leaderboard.
        notebooks: The notebooks.
    """

    model: Path
    board: Path
    notebooks: Path


@dataclass(frozen=True)
class Piloted:
    """What came of it.

    Attributes:
        described: The content of `leaderboard.json`.
        records: Candidates, from the best to the worst.
        metadata: What the model says of itself.
        facts: What differs from run to run.
    """

    described: dict[str, Any]
    records: list[CandidateRecord]
    metadata: dict[str, Any]
    facts: dict[str, Any] = field(default_factory=dict)


def pilot_locally(features: Path, metadata: Mapping[str, Any], wish: Wish, places: Places) -> Piloted:
    """Try candidates, keep the best.

    Args:
        features: Directory of `featurize`'s output.
        metadata: Its metadata.
        wish: What is asked.
        places: Where to write.

    Returns:
        What came of it.

    Raises:
        UsageError: Something in the wish is unknown.
        DataRejected: The features cannot be used.
        StepFailed: No candidate came to a good end.
    """
    labels = label_names(metadata)
    splits = read_splits(features, labels)
    for line in splits.warnings():
        print(f"warning: {line}", flush=True)
    budget = Budget(wish.candidates, wish.seconds)
    pilot = Autopilot(splits, wish.metric, budget, wish.algorithms, wish.seed)
    board = leaderboard(pilot.run(), wish.metric)
    described = describe(board, wish.metric, splits.counts, splits.warnings())
    _write_model(pilot, splits, features, places.model)
    write_leaderboard(places.board, described)
    write_notebooks(places.notebooks, described, labels, wish.seed)
    scores = {f"validation_{name}": value for name, value in board[0].metrics.items()}
    kind = "tfidf" if board[0].algorithm != "trees" else "trees"
    facts = {"seconds": {item.name: item.seconds for item in board}}
    return Piloted(described, board, model_metadata(metadata, kind, scores), facts)


def _write_model(pilot: Autopilot, splits: Splits, features: Path, target: Path) -> None:
    if pilot.best is None:
        raise StepFailed("no candidate came to a good end", expected="one")
    record, fitted = pilot.best
    writer = ModelWriter(target, splits.labels)
    writer.add_reference(features)
    fitted.add_to(writer)
    recipe = {"strategy": "autopilot", "algorithm": record.algorithm, "rows": len(splits.train.labels)}
    writer.finish({"checkpoint": "", "recipe": recipe | record.parameters, "max_seq_length": 0})
