"""A BERT-family classifier that computes no padding; its logits equal those of transformers.

Texts of a batch lie end to end, one row a token, so every layer that works token by token sees real tokens only.
Attention alone needs a rectangle: there the tokens are scattered into (texts, longest text) and gathered again.
BERT, RoBERTa and DistilBERT differ in the names of their weights, in position offsets and in the activation of the
head, not in the encoder, so one module serves them all.

This file stands alone: a copy of it lies in every trained model beside `predictor.py`, so that a model is answered
by the very code that trained it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from intermodal.text.bert_shape import Shape

_MASKED = -1e4  # added to the scores of padding: exp of it is 0 in float32, bfloat16 and float16
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_new": lambda x: F.gelu(x, approximate="tanh"),
    "gelu_pytorch_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "relu": F.relu,
}


@dataclass(frozen=True)
class Layout:
    """Where the tokens of a packed batch lie in the rectangle that attention needs.

    Attributes:
        lengths: Tokens of each text, shape (B,).
        longest: The longest of them, L.
        cells: Cell of each token in the rectangle, shape (T,); None when every text has L tokens.
        blocked: 0 for tokens and a large negative number for padding, shape (B, 1, 1, L); None likewise.
    """

    lengths: Tensor
    longest: int
    cells: Tensor | None
    blocked: Tensor | None

    @classmethod
    def of(cls, lengths: Tensor, dtype: torch.dtype) -> Layout:
        """Lay out texts of these lengths, for attention computed in `dtype`."""
        longest = int(lengths.max())
        real = torch.arange(longest, device=lengths.device)[None] < lengths[:, None]
        if bool(real.all()):
            return cls(lengths, longest, None, None)
        blocked = torch.zeros(real.shape, dtype=dtype, device=lengths.device).masked_fill_(~real, _MASKED)
        return cls(lengths, longest, real.view(-1).nonzero().squeeze(1), blocked[:, None, None])

    def spread(self, packed: Tensor) -> Tensor:
        """Rows of tokens (T, …) → rows of cells (B·L, …), zero where there is padding."""
        if self.cells is None:
            return packed
        cells = packed.new_zeros(len(self.lengths) * self.longest, *packed.shape[1:])
        return cells.index_copy(0, self.cells, packed)

    def gather(self, cells: Tensor) -> Tensor:
        """Rows of cells (B·L, …) → rows of tokens (T, …)."""
        return cells if self.cells is None else cells.index_select(0, self.cells)

    def first(self) -> Tensor:
        """Row of the first token of each text, shape (B,)."""
        return self.lengths.cumsum(0) - self.lengths

    def mean(self, packed: Tensor) -> Tensor:
        """Mean over the tokens of each text, in float32, shape (B, H)."""
        owner = torch.repeat_interleave(torch.arange(len(self.lengths), device=packed.device), self.lengths)
        sums = torch.zeros(len(self.lengths), packed.shape[1], device=packed.device)
        return sums.index_add(0, owner, packed.float()) / self.lengths[:, None]


class Dense(nn.Linear):
    """A linear layer that computes in the type of its input, whatever the type its weights are kept in."""

    def forward(self, x: Tensor, rows: slice = slice(None)) -> Tensor:
        """Apply it, or only those `rows` of its outputs, to the last dimension."""
        return F.linear(x, self.weight[rows].to(x.dtype), self.bias[rows].to(x.dtype))


class Norm(nn.LayerNorm):
    """A layer norm that computes in the type of its input."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply it to the last dimension."""
        return F.layer_norm(x, self.normalized_shape, self.weight.to(x.dtype), self.bias.to(x.dtype), self.eps)


class Layer(nn.Module):
    """One encoder layer: attention and feed-forward, each added to its input and normalised after (post-norm)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads, self.dropout, self.attention_dropout = shape.heads, shape.dropout, shape.attention_dropout
        self.qkv = Dense(shape.hidden, 3 * shape.hidden)
        self.out = Dense(shape.hidden, shape.hidden)
        self.norm1 = Norm(shape.hidden, shape.epsilon)
        self.up = Dense(shape.hidden, shape.inner)
        self.down = Dense(shape.inner, shape.hidden)
        self.norm2 = Norm(shape.hidden, shape.epsilon)
        self.activation = _ACTIVATIONS[shape.activation]

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        """Every token of the layer above: (T, H) → (T, H)."""
        cells = layout.spread(self.qkv(x)).view(len(layout.lengths), layout.longest, 3, self.heads, -1)
        query, key, value = cells.permute(2, 0, 3, 1, 4).unbind(0)
        return self._finish(x, layout.gather(self._attend(query, key, value, layout)))

    def first_only(self, x: Tensor, layout: Layout) -> Tensor:
        """The first token of each text of the layer above: (T, H) → (B, H), the same numbers as `forward` gives.

        A classifier reads nothing else of the last layer. Only keys and values are needed of the other tokens, which
        is a sixth of the layer's work.
        """
        width, first = x.shape[1], x[layout.first()]
        query = self.qkv(first, slice(0, width)).view(len(first), self.heads, 1, -1)
        pairs = layout.spread(self.qkv(x, slice(width, None)))
        key, value = pairs.view(len(first), layout.longest, 2, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        return self._finish(first, self._attend(query, key, value, layout))

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, layout: Layout) -> Tensor:
        """Attention of (B, heads, Q, d) over (B, heads, L, d) → rows (B·Q, H)."""
        dropout = self.attention_dropout if self.training else 0.0
        if query.is_cuda:
            mixed = F.scaled_dot_product_attention(query, key, value, layout.blocked, dropout)
        else:  # written out: on CPUs five times as fast as the fused kernel's backward in bfloat16, never slower
            scores = (query * query.shape[-1] ** -0.5) @ key.transpose(2, 3)
            scores = scores if layout.blocked is None else scores + layout.blocked
            mixed = F.dropout(scores.softmax(-1), dropout, dropout > 0) @ value
        return mixed.transpose(1, 2).reshape(-1, query.shape[1] * query.shape[3])

    def _finish(self, x: Tensor, mixed: Tensor) -> Tensor:
        x = self.norm1(x + self._drop(self.out(mixed)))
        return self.norm2(x + self._drop(self.down(self.activation(self.up(x)))))

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training)


class Embeddings(nn.Module):
    """Word, position and token-type embeddings, summed and normalised."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.first_position, self.dropout = shape.first_position, shape.dropout
        self.word = nn.Embedding(shape.vocabulary, shape.hidden)
        self.position = nn.Embedding(shape.positions, shape.hidden)
        self.token_type = nn.Embedding(shape.token_types, shape.hidden) if shape.token_types else None
        self.norm = Norm(shape.hidden, shape.epsilon)

    def forward(self, tokens: Tensor, layout: Layout, dtype: torch.dtype) -> Tensor:
        """Token ids (T,) → (T, H) in `dtype`; every text is one segment of type 0."""
        start = torch.repeat_interleave(layout.first(), layout.lengths)
        places = torch.arange(len(tokens), device=tokens.device) - start + self.first_position
        summed = self.word(tokens) + self.position(places)
        summed = summed if self.token_type is None else summed + self.token_type.weight[0]
        return F.dropout(self.norm(summed).to(dtype), self.dropout, self.training)


class Classifier(nn.Module):
    """Encoder and head.

    Args:
        shape: Size of the encoder.
        classes: Number of classes, C.
        head: "native" is the head of transformers' `…ForSequenceClassification`: the first token through a dense
            layer. "pooled" reads the first token of the last layer and the mean of the tokens one layer below.
    """

    def __init__(self, shape: Shape, classes: int, head: str = "native") -> None:
        super().__init__()
        self.shape, self.head, self.head_dropout = shape, head, shape.head_dropout
        self.embeddings = Embeddings(shape)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.dense = Dense(shape.hidden, shape.hidden) if head == "native" else None
        self.output = Dense(shape.hidden * (1 if head == "native" else 2), classes)
        self.dense_activation = F.relu if shape.family == "distilbert" else torch.tanh
        self.drop_before_dense = shape.family == "roberta"  # as transformers does, there and only there

    def forward(self, tokens: Tensor, lengths: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Logits of a packed batch.

        Args:
            tokens: Token ids of all texts end to end, shape (T,), int64.
            lengths: Tokens of each text, shape (B,), int64; their sum is T.
            dtype: Type that the encoder computes in; its weights stay as they are.

        Returns:
            Logits, shape (B, C), float32.
        """
        layout = Layout.of(lengths, dtype)
        return self.classify(self.lower(self.embeddings(tokens, layout, dtype), layout), layout)

    def lower(self, x: Tensor, layout: Layout, start: int = 0, stop: int | None = None) -> Tensor:
        """Run the layers from `start` up to `stop` (the last one is left to `classify`): (T, H) → (T, H)."""
        for layer in self.layers[start : len(self.layers) - 1 if stop is None else stop]:
            x = layer(x, layout)
        return x

    def classify(self, x: Tensor, layout: Layout) -> Tensor:
        """The last layer and the head: tokens of the layer below, (T, H) → logits (B, C) in float32."""
        read = self.layers[-1].first_only(x, layout).float()
        if self.dense is None:
            read = torch.cat([read, layout.mean(x)], dim=1)
        else:
            read = self._drop(read) if self.drop_before_dense else read
            read = self.dense_activation(self.dense(read))
        return self.output(self._drop(read))

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.head_dropout, self.training)
