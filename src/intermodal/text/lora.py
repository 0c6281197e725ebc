"""Low-rank adaptation: the pretrained weights stay, a thin product of two matrices beside each is trained.

Hu et al. 2021, "LoRA", arXiv:2106.09685.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from intermodal.text.packed_bert import Classifier, Dense

_ADAPTED = ("qkv", "out", "up", "down")


class LoraDense(Dense):
    """A frozen dense layer with a trained update of low rank beside it.

    Args:
        base: The layer; its weight and bias are taken over and frozen.
        rank: Rank of the update, r.
    """

    def __init__(self, base: Dense, rank: int) -> None:
        super().__init__(base.in_features, base.out_features)
        self.weight, self.bias = base.weight, base.bias
        self.weight.requires_grad_(False)
        self.bias.requires_grad_(False)
        # One of the two starts at zero, so that training starts from the pretrained layer.
        self.narrow = nn.Parameter(torch.randn(rank, base.in_features) / base.in_features**0.5)
        self.wide = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x: Tensor, rows: slice = slice(None)) -> Tensor:
        """Apply the layer and the update to the last dimension."""
        update = (x @ self.narrow.to(x.dtype).T) @ self.wide[rows].to(x.dtype).T
        return super().forward(x, rows) + update

    def merged(self) -> Dense:
        """A plain layer that computes the same."""
        plain = Dense(self.in_features, self.out_features)
        with torch.no_grad():
            plain.weight.copy_(self.weight + self.wide @ self.narrow)
            plain.bias.copy_(self.bias)
        return plain


def add_lora(model: Classifier, rank: int) -> None:
    """Freeze a classifier except its head, and put an update of rank `rank` beside every dense layer of its encoder."""
    model.embeddings.requires_grad_(False)
    for layer in model.layers:
        layer.requires_grad_(False)
        for name in _ADAPTED:
            setattr(layer, name, LoraDense(getattr(layer, name), rank))


def merge_lora(model: Classifier) -> None:
    """Add the updates to the weights, so that nothing of them is left to compute or to save."""
    for layer in model.layers:
        for name in _ADAPTED:
            part = getattr(layer, name)
            if isinstance(part, LoraDense):
                setattr(layer, name, part.merged())
