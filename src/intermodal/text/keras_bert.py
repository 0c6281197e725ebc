"""A BERT classifier of KerasHub's layers, filled from a checkpoint as transformers writes it, and read back.

Built layer by layer rather than as KerasHub's `BertBackbone`, which fixes the tanh approximation of GELU and the
epsilon of the norms: here both are the checkpoint's own, so the logits are PyTorch's before training, and the weights
may go back to transformers' format after it without a change to the configuration.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import keras_hub

if TYPE_CHECKING:
    from intermodal.text.bert_shape import Shape

_ACTIVATIONS: dict[str, Any] = {
    "gelu": lambda x: keras.activations.gelu(x, approximate=False),
    "gelu_new": lambda x: keras.activations.gelu(x, approximate=True),
    "gelu_pytorch_tanh": lambda x: keras.activations.gelu(x, approximate=True),
    "relu": keras.activations.relu,
}


class KerasClassifier:
    """Encoder and the head of transformers' `…ForSequenceClassification`, in the names of the packed classifier.

    Args:
        shape: Size of the encoder; BERT or DistilBERT.
        classes: Number of classes, C.
        dropout: Whether the checkpoint's dropout is used while training.
    """

    def __init__(self, shape: Shape, classes: int, dropout: bool = True) -> None:
        rate = shape.dropout if dropout else 0.0
        self.shape = shape
        self.embedding = keras_hub.layers.TokenAndPositionEmbedding(shape.vocabulary, shape.positions, shape.hidden)
        self.token_type = keras.layers.Embedding(shape.token_types, shape.hidden) if shape.token_types else None
        self.norm = keras.layers.LayerNormalization(epsilon=shape.epsilon)
        self.dropout = keras.layers.Dropout(rate)
        self.layers = [
            keras_hub.layers.TransformerEncoder(
                shape.inner,
                shape.heads,
                dropout=rate,
                activation=_ACTIVATIONS[shape.activation],
                layer_norm_epsilon=shape.epsilon,
            )
            for _ in range(shape.layers)
        ]
        self.dense = keras.layers.Dense(shape.hidden, activation="relu" if shape.family == "distilbert" else "tanh")
        self.head_dropout = keras.layers.Dropout(shape.head_dropout if dropout else 0.0)
        self.output = keras.layers.Dense(classes)
        self._build(shape.hidden)

    def _build(self, hidden: int) -> None:
        self.embedding.build((None, None))
        for part in (self.norm, *self.layers):
            part.build((None, None, hidden))
        for part in (self.dense, self.output):
            part.build((None, hidden))
        if self.token_type is not None:
            self.token_type.build((None, None))

    def embed(self, tokens: Any, training: bool = False) -> Any:
        """Token ids (B, L) → (B, L, H); every text is one segment of type 0."""
        summed = self.embedding(tokens)
        summed = summed if self.token_type is None else summed + self.token_type.embeddings[0]
        return self.dropout(self.norm(summed), training=training)

    def encode(self, x: Any, real: Any, start: int, stop: int, training: bool = False) -> Any:
        """Layers `start` up to `stop`: (B, L, H) → (B, L, H), with `real` (B, L) false where there is padding."""
        for layer in self.layers[start:stop]:
            x = layer(x, padding_mask=real, training=training)
        return x

    def classify(self, x: Any, real: Any, training: bool = False) -> Any:
        """The last layer and the head: tokens of the layer below, (B, L, H) → logits (B, C)."""
        read = self.dense(self._first_only(x, real, training))
        return self.output(self.head_dropout(read, training=training))

    def _first_only(self, x: Any, real: Any, training: bool) -> Any:
        """The first token of each text after the last layer: (B, L, H) → (B, H), the numbers that the layer gives.

        The head reads nothing else. Only keys and values are needed of the other tokens, a sixth of the layer's work.
        KerasHub's layer has no such call, so its parts are called as it calls them.
        """
        layer, first = self.layers[-1], x[:, :1]
        mixed = layer._self_attention_layer(query=first, value=x, attention_mask=real[:, None, :], training=training)
        mixed = layer._self_attention_layer_norm(layer._self_attention_dropout(mixed, training=training) + first)
        inner = layer._feedforward_output_dense(layer._feedforward_intermediate_dense(mixed))
        found = layer._feedforward_layer_norm(layer._feedforward_dropout(inner, training=training) + mixed)
        return found[:, 0]

    def logits(self, tokens: Any, real: Any) -> Any:
        """Logits (B, C) of token ids (B, L), in evaluation mode."""
        return self.classify(self.encode(self.embed(tokens), real, 0, len(self.layers) - 1), real)

    def variables_of(self, start: int) -> tuple[list[Any], list[Any]]:
        """Variables of the encoder from layer `start` on (the embeddings too when 0), and those of the head."""
        below = [self.embedding, self.token_type, self.norm] if start == 0 else []
        encoder = [part for part in (*below, *self.layers[start:]) if part is not None]
        head = (self.dense, self.output)
        return _trainable(encoder), _trainable(head)

    def generators(self) -> list[Any]:
        """The random generators of its dropouts, as variables."""
        parts = (self.dropout, *self.layers, self.head_dropout)
        found = [variable for part in parts for variable in part.variables if "seed_generator" in variable.path]
        return list({id(variable): variable for variable in found}.values())


def _trainable(parts: Sequence[Any]) -> list[Any]:
    return [variable for part in parts for variable in part.trainable_variables]
