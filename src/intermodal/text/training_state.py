"""A PyTorch training between two of its steps: the optimizer with its schedule, and all that a resumed one needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from intermodal.text.packed_bert import Classifier

if TYPE_CHECKING:
    import numpy as np

    from intermodal.text.training_plan import Plan

_HEAD_FACTOR = 10  # the head starts at random and has to move further than the pretrained encoder
_WARM_UP = 0.06  # share of the steps
_DECAY = 0.01


class TrainingState:
    """A training between two of its steps; see `intermodal.text.resuming.State`.

    Args:
        model: A prepared classifier.
        plan: What to do.
        rows: How many rows are trained on.
    """

    def __init__(self, model: Classifier, plan: Plan, rows: int) -> None:
        self.step, self.judged = 0, 0
        self.window: list[torch.Tensor] = []
        self.optimizer, self.schedule = _optimizer(model, plan.learning_rate, plan.epochs * -(-rows // plan.batch_size))
        self.trained = [weight for group in self.optimizer.param_groups for weight in group["params"]]
        self._weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}

    def facts(self) -> dict[str, Any]:
        """Learning rates and where their schedule is."""
        kept = ("last_epoch", "_step_count", "_last_lr")
        schedule = {name: value for name, value in self.schedule.state_dict().items() if name in kept}
        return {"schedule": schedule, "rates": [group["lr"] for group in self.optimizer.param_groups]}

    def tensors(self) -> dict[str, np.ndarray]:
        """Trained weights, the optimizer's moments, random generators, losses not told yet."""
        found = {f"weight/{name}": weight for name, weight in self._weights.items()}
        for number, kept in self.optimizer.state_dict()["state"].items():
            found |= {f"optimizer/{number}/{name}": value for name, value in kept.items()}
        found["random/cpu"] = torch.get_rng_state()
        if torch.cuda.is_available():
            found |= {f"random/cuda/{at}": state for at, state in enumerate(torch.cuda.get_rng_state_all())}
        if self.window:
            found["window"] = torch.stack(self.window)
        return {name: value.detach().cpu().contiguous().numpy() for name, value in found.items()}

    def restore(self, facts: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> None:
        """Take over the state of another process."""
        given = {name: torch.from_numpy(value.copy()) for name, value in tensors.items()}
        with torch.no_grad():
            for name, weight in self._weights.items():
                weight.copy_(given[f"weight/{name}"])
        fresh, remembered = self.optimizer.state_dict(), dict[int, dict[str, torch.Tensor]]()
        for name, value in _below("optimizer/", given):
            number, _, kind = name.partition("/")
            remembered.setdefault(int(number), {})[kind] = value
        self.optimizer.load_state_dict({**fresh, "state": remembered})
        for group, rate in zip(self.optimizer.param_groups, facts["rates"], strict=True):
            group["lr"] = rate
        self.schedule.load_state_dict({**self.schedule.state_dict(), **facts["schedule"]})
        torch.set_rng_state(given["random/cpu"])
        for name, value in _below("random/cuda/", given):
            torch.cuda.set_rng_state(value, int(name))
        device = self.trained[0].device
        self.window = list(given["window"].to(device)) if "window" in given else []


def _below(prefix: str, tensors: Mapping[str, torch.Tensor]) -> Iterator[tuple[str, torch.Tensor]]:
    for name, value in tensors.items():
        if name.startswith(prefix):
            yield name.removeprefix(prefix), value


def _optimizer(
    model: Classifier, rate: float, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    groups = []
    for factor, decay, chosen in _groups(model):
        groups.append({"params": chosen, "lr": rate * factor, "weight_decay": decay})
    optimizer = torch.optim.AdamW([group for group in groups if group["params"]], lr=rate, fused=True)
    warm = max(1, round(steps * _WARM_UP))

    def factor_at(step: int) -> float:
        return min((step + 1) / warm, max(0.0, (steps - step) / max(1, steps - warm)))

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor_at)


def _groups(model: Classifier) -> Iterator[tuple[int, float, list[nn.Parameter]]]:
    """(factor on the learning rate, weight decay, weights); biases and norms do not decay."""
    head = {id(weight) for part in (model.dense, model.output) if part is not None for weight in part.parameters()}
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    for factor, inside in ((1, False), (_HEAD_FACTOR, True)):
        mine = [weight for weight in trained if (id(weight) in head) == inside]
        yield factor, _DECAY, [weight for weight in mine if weight.ndim > 1]
        yield factor, 0.0, [weight for weight in mine if weight.ndim == 1]
