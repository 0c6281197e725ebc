"""Fine-tune a checkpoint's encoder on the rows of a split, and judge it on those of another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from intermodal.errors import UsageError
from intermodal.text.bert_weights import load_classifier
from intermodal.text.checkpoint import load_tokenizer
from intermodal.text.compute import Place, prepare_place
from intermodal.text.curves import Curves
from intermodal.text.fine_tuning import Listener, prepare, probabilities, train
from intermodal.text.lora import merge_lora
from intermodal.text.lower_layers import LowerLayers
from intermodal.text.model_files import ModelWriter
from intermodal.text.packed_bert import Classifier
from intermodal.text.processes import Processes, processes_here, processes_told
from intermodal.text.resuming import Saver
from intermodal.text.training import Inputs, Rows
from intermodal.text.training_story import TrainingStory

if TYPE_CHECKING:
    import numpy as np

    from intermodal.text.training_plan import Plan

# Cost of a token in one layer, in passes: a trained layer computes its gradients for two more passes' worth.
_TRAINED, _LAST = 3.0, 0.5


class PyTorch:
    """The learner of the step `train_pytorch`; see `intermodal.text.training.Learner`.

    Args:
        precision: As `prepare_place` takes it.

    Raises:
        UsageError: `precision` is unknown.
    """

    def __init__(self, precision: str = "auto") -> None:
        self._place = prepare_place(precision)

    def facts(self) -> dict[str, Any]:
        """The precision that was chosen, and how many processes train when they are several."""
        return {"precision": self._place.precision} | processes_told()

    def together(self) -> Processes:
        """Those that torchrun made; this one alone without it."""
        return processes_here()

    def check(self, inputs: Inputs) -> None:
        """Every checkpoint whose shape can be read is trained, by every plan; but each process needs a row a step."""
        size = processes_here().size
        if inputs.plan.batch_size < size:
            expected = f"at least {size}: the rows of all processes together"
            raise UsageError("batch_size is too small", seen=inputs.plan.batch_size, expected=expected)

    def learn(self, inputs: Inputs, writer: ModelWriter, curves: Curves) -> np.ndarray:
        """Fine-tune, add the encoder to the model, and rate the validation rows."""
        made = train_encoder(
            inputs.directory, len(inputs.labels), inputs.rows, inputs.plan, self._place, curves, inputs.saver
        )
        writer.add_encoder(made.model, load_tokenizer(inputs.directory), inputs.longest)
        return made.validation


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
    checkpoint: Path,
    classes: int,
    rows: Rows,
    plan: Plan,
    place: Place,
    curves: Curves,
    saver: Saver | None = None,
) -> TrainedEncoder:
    """Fine-tune an encoder.

    Args:
        checkpoint: Directory of the pretrained checkpoint.
        classes: Number of classes.
        rows: What to train and judge on.
        plan: What to do.
        place: Where to compute.
        curves: Given train_loss every few steps and validation_* after every epoch, by the number of the step.
        saver: As `train` takes it.

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
    story = TrainingStory(plan, rows, curves, _work(plan, rows, keeps))
    if keeps:
        story.remaining.note = f"computing the lower {depth} layers once"
        for part in (below, judged):
            part.keep(lambda tokens: story.remaining.advance(tokens * depth))

    def judge(epoch: int) -> None:
        story.judged(epoch, probabilities(model, judged, rows.validation))

    story.begin()
    cost = _token_cost(plan, keeps)
    listener = Listener(story.loss, judge, lambda tokens: story.remaining.advance(tokens * cost))
    train(model, below, rows.train, plan, listener, saver)
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
