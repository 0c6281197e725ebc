"""The training loop: AdamW, warm-up and linear decay, batches of similar length, the same bytes for the same seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F

from intermodal.text.batches import reading_batches, training_batches
from intermodal.text.curves import Curves
from intermodal.text.lora import add_lora
from intermodal.text.lower_layers import LowerLayers
from intermodal.text.packed_bert import Classifier
from intermodal.text.processes import Processes, processes_here
from intermodal.text.profiling import profiled
from intermodal.text.resuming import Saver
from intermodal.text.training_state import TrainingState
from intermodal.text.training_story import WINDOW

if TYPE_CHECKING:
    import numpy as np

    from intermodal.text.token_rows import TokenRows
    from intermodal.text.training_plan import Plan

_LONGEST_STEP = 1.0  # norm that gradients are clipped to


@dataclass(frozen=True)
class Listener:
    """Who wants to know how training goes.

    Attributes:
        loss: Called with (mean loss of the last steps, step).
        epoch: Called with the number of epochs finished.
        tokens: Called with the number of tokens of each batch that was trained on.
    """

    loss: Callable[[float, int], None]
    epoch: Callable[[int], None]
    tokens: Callable[[int], None]


def prepare(model: Classifier, plan: Plan) -> None:
    """Freeze what the plan freezes, and add what it trains instead.

    Args:
        model: Changed in place.
        plan: What to do.
    """
    if plan.lora_rank:
        add_lora(model, plan.lora_rank)
    if plan.frozen_layers:
        for part in (model.embeddings, *model.layers[: plan.frozen_layers]):
            part.requires_grad_(False)
    if not plan.dropout:
        set_dropout(model, False)
    model.train()
    if plan.frozen_layers:
        for part in (model.embeddings, *model.layers[: plan.frozen_layers]):
            part.eval()


def train(
    model: Classifier, below: LowerLayers, rows: TokenRows, plan: Plan, listener: Listener, saver: Saver | None = None
) -> None:
    """Fine-tune a prepared classifier.

    Args:
        model: Changed in place; in evaluation mode afterwards.
        below: What lies below the trained layers, for the same rows.
        rows: Training rows.
        plan: What to do.
        listener: Told how it goes.
        saver: Saves the state now and then, and knows where an earlier attempt was; None for neither.
    """
    together = processes_here()
    saver = saver or Saver(None, Curves(), together)
    state, modes = TrainingState(model, plan, len(rows)), _modes(model)
    slope = _Slope(model, below, rows, together)
    saver.restore(state)
    resumed = state.step
    with saver.guard(state), profiled(together.rank) as stepped:
        for step, (epoch, batch, last) in enumerate(_epochs(rows.lengths, plan), start=1):
            if step > state.step:
                with saver.whole():
                    together.seed(plan.seed, step)
                    _advance(state, slope, batch)
                    if len(state.window) == WINDOW or last:
                        listener.loss(float(torch.stack(state.window).mean()), step)
                        state.window.clear()
                stepped()
            listener.tokens(int(rows.lengths[batch].sum()))
            if last and epoch > state.judged:
                model.eval()
                listener.epoch(epoch)
                _restore(modes)
                with saver.whole():
                    state.judged = epoch
            if step > resumed:
                saver.keep(state, now=last)
    model.eval()


class _Slope:
    """The loss of a batch, and its gradient in every trained weight.

    Of several processes each computes the share of its rows, so that the mean over the processes is the mean over the
    rows: `batch_size` counts the rows of all processes together, and the steps are those of one process alone.
    """

    def __init__(self, model: Classifier, below: LowerLayers, rows: TokenRows, together: Processes) -> None:
        self._together = together
        self._logits = together.averaging(_Logits(model, below))
        self._labels = torch.from_numpy(rows.labels).to(model.output.weight.device)

    def __call__(self, batch: np.ndarray) -> torch.Tensor:
        """Add a batch's gradients to the weights'; its mean loss."""
        if self._together.size == 1:
            loss = F.cross_entropy(self._logits(batch), self._labels[batch])
            loss.backward()
            return loss.detach()
        mine = batch[self._together.rank :: self._together.size]
        part = self._together.size / len(batch) if len(mine) else 0.0
        mine = mine if len(mine) else batch[:1]  # every process takes part in every sum
        loss = F.cross_entropy(self._logits(mine), self._labels[mine], reduction="sum") * part
        loss.backward()
        return self._together.add_up(loss.detach().clone()) / self._together.size


class _Logits(nn.Module):
    """The classifier as a function of row numbers, which is what gradients are averaged over."""

    def __init__(self, model: Classifier, below: LowerLayers) -> None:
        super().__init__()
        self.model, self._below = model, below

    def forward(self, batch: np.ndarray) -> torch.Tensor:
        """Logits of a batch: (B, C)."""
        return _logits(self.model, self._below, batch)


def _advance(state: TrainingState, slope: Callable[[np.ndarray], torch.Tensor], batch: np.ndarray) -> None:
    """One step down the slope of a batch's loss."""
    state.optimizer.zero_grad(set_to_none=True)
    loss = slope(batch)
    nn.utils.clip_grad_norm_(state.trained, _LONGEST_STEP)
    state.optimizer.step()
    state.schedule.step()
    state.window.append(loss)
    state.step += 1


@torch.inference_mode()
def probabilities(model: Classifier, below: LowerLayers, rows: TokenRows) -> np.ndarray:
    """What a classifier in evaluation mode says of rows: float64, shape (n, C).

    Args:
        model: The classifier.
        below: What lies below its trained layers, for the same rows.
        rows: The rows.
    """
    import numpy as np

    found, together = np.zeros((len(rows), model.output.out_features)), processes_here()
    for batch in together.share(reading_batches(rows.lengths)):
        found[batch] = _logits(model, below, batch).double().softmax(dim=1).cpu().numpy()
    together.add_up(torch.from_numpy(found))
    return found


def set_dropout(model: Classifier, active: bool) -> None:
    """Use the dropout rates of the checkpoint's configuration, or none."""
    shape = model.shape
    model.head_dropout = shape.head_dropout if active else 0.0
    model.embeddings.dropout = shape.dropout if active else 0.0
    for layer in model.layers:
        layer.dropout = shape.dropout if active else 0.0
        layer.attention_dropout = shape.attention_dropout if active else 0.0


def _logits(model: Classifier, below: LowerLayers, batch: np.ndarray) -> torch.Tensor:
    states, layout = below.states(batch)
    return model.classify(model.lower(states, layout, below.depth), layout)


def _epochs(lengths: np.ndarray, plan: Plan) -> Iterator[tuple[int, np.ndarray, bool]]:
    """(number of the epoch from 1 on, batch, whether it is the epoch's last)."""
    for epoch in range(1, plan.epochs + 1):
        groups = training_batches(lengths, plan.batch_size, plan.seed * 1000 + epoch)
        for index, batch in enumerate(groups, start=1):
            yield epoch, batch, index == len(groups)


def _modes(model: nn.Module) -> list[tuple[nn.Module, bool]]:
    return [(part, part.training) for part in model.modules()]


def _restore(modes: list[tuple[nn.Module, bool]]) -> None:
    for part, training in modes:
        part.training = training
