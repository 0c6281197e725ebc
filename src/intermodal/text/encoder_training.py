"""Fine-tune a checkpoint's encoder on the rows of a split, and judge it on those of another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from intermodal.errors import StepFailed
from intermodal.text.bert_weights import load_classifier
from intermodal.text.curves import Curves, validation_scores
from intermodal.text.fine_tuning import Listener, prepare, probabilities, train
from intermodal.text.lora import merge_lora
from intermodal.text.lower_layers import LowerLayers
from intermodal.text.packed_bert import Classifier
from intermodal.text.remaining import Remaining

if TYPE_CHECKING:
    import numpy as np

    from intermodal.text.compute import Place
    from intermodal.text.token_rows import TokenRows
    from intermodal.text.training_plan import Plan

# Cost of a token in one layer, in passes: a trained layer computes its gradients for two more passes' worth.
_TRAINED, _LAST = 3.0, 0.5


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
class TrainedEncoder:
    """A fine-tuned encoder.

    Attributes:
        model: The classifier, in float32 on the CPU, LoRA merged.
        validation: Its probabilities for the validation rows, shape (n, C).
    """

    model: Classifier
    validation: np.ndarray


def train_encoder(
    checkpoint: Path, classes: int, rows: Rows, plan: Plan, place: Place, curves: Curves
) -> TrainedEncoder:
    """Fine-tune an encoder.

    Args:
        checkpoint: Directory of the pretrained checkpoint.
        classes: Number of classes.
        rows: What to train and judge on.
        plan: What to do.
        place: Where to compute.
        curves: Given train_loss every few steps and validation_* after every epoch, by the number of the step.

    Returns:
        The encoder and what it says of the validation rows.

    Raises:
        StepFailed: The loss is not a number any more.
    """
    torch.manual_seed(plan.seed)
    model = load_classifier(checkpoint, classes, "pooled", plan.layers).to(place.device)
    prepare(model, plan)
    depth = plan.frozen_layers
    below, judged = (LowerLayers(model, part, depth, place.dtype) for part in (rows.train, rows.validation))
    keeps = plan.keep_frozen and below.fits
    remaining = Remaining(_work(plan, rows, keeps))
    if keeps:
        remaining.note = f"computing the lower {depth} layers once"
        for part in (below, judged):
            part.keep(lambda tokens: remaining.advance(tokens * depth))
    steps = -(-len(rows.train) // plan.batch_size)

    def follow(loss: float, step: int) -> None:
        if loss != loss:
            next_step = "lower learning_rate, or set precision=float32"
            raise StepFailed("training diverged", seen=f"loss {loss} at step {step}", next_step=next_step)
        remaining.note = f"epoch {1 + (step - 1) // steps} of {plan.epochs}, loss {loss:.3f}"
        curves.add("train_loss", step, loss)

    def judge(epoch: int) -> None:
        scores = validation_scores(probabilities(model, judged, rows.validation), rows.validation.labels)
        curves.add_all({f"validation_{name}": value for name, value in scores.items()}, epoch * steps)
        remaining.note = f"epoch {min(epoch + 1, plan.epochs)} of {plan.epochs}"

    remaining.note = f"epoch 1 of {plan.epochs}"
    cost = _token_cost(plan, keeps)
    train(model, below, rows.train, plan, Listener(follow, judge, lambda tokens: remaining.advance(tokens * cost)))
    found = probabilities(model, judged, rows.validation)
    merge_lora(model)
    return TrainedEncoder(model.to("cpu"), found)


def _work(plan: Plan, rows: Rows, keeps: bool) -> float:
    train_tokens, other = int(rows.train.lengths.sum()), int(rows.validation.lengths.sum())
    once = (train_tokens + other) * plan.frozen_layers if keeps else 0
    return once + plan.epochs * train_tokens * _token_cost(plan, keeps)


def _token_cost(plan: Plan, keeps: bool) -> float:
    """Work for one token in one step of training."""
    whole = max(0, plan.layers - plan.frozen_layers - 1)
    return _TRAINED * whole + _LAST + (0 if keeps else plan.frozen_layers)
