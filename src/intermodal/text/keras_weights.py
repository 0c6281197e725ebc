"""Weights of a Keras classifier: from a checkpoint as transformers writes it, and back into that format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from intermodal.errors import UsageError
from intermodal.text.keras_bert import KerasClassifier
from intermodal.text.weight_names import hub_weights, packed_weights

if TYPE_CHECKING:
    from intermodal.text.bert_shape import Shape

_INITIAL_DEVIATION = 0.02  # as BERT initialises every weight
_HEAD = ("dense.", "output.")


@dataclass(frozen=True)
class Place:
    """Where a weight lies in Keras.

    Attributes:
        name: Its name in the packed classifier, query, key and value apart.
        variable: The Keras variable.
        inputs: Inputs of the linear layer whose kernel it is, which Keras keeps as (inputs, outputs) and sometimes
            with the outputs, or the inputs, taken apart by head; 0 for any other weight.
    """

    name: str
    variable: Any
    inputs: int = 0

    def read(self) -> np.ndarray:
        """The weight as PyTorch lays it out, float32."""
        found = np.asarray(self.variable, np.float32)
        if self.inputs:
            return np.ascontiguousarray(found.reshape(self.inputs, -1).T)
        return found.reshape(-1) if self.name.endswith("bias") else found

    def write(self, weight: np.ndarray) -> None:
        """Set it, from PyTorch's layout."""
        turned = weight.T if self.inputs else weight
        self.variable.assign(np.ascontiguousarray(turned, np.float32).reshape(self.variable.shape))


def load_keras_classifier(directory: Path, shape: Shape, classes: int, dropout: bool, seed: int) -> KerasClassifier:
    """Build a classifier from a checkpoint.

    Args:
        directory: What `resolve_checkpoint` returned.
        shape: Its encoder's size; fewer layers than the checkpoint has are its lower ones.
        classes: Number of classes.
        dropout: Whether the checkpoint's dropout is used while training.
        seed: Of the parts of the head that the checkpoint lacks, or has for another number of classes.

    Raises:
        UsageError: The checkpoint lacks weights of its encoder, or they cannot be read.
    """
    model, random = KerasClassifier(shape, classes, dropout), np.random.default_rng(seed)
    given, lost = packed_weights(_read(directory), shape.family), []
    for place in places(model):
        wanted, found = place.read().shape, given.get(place.name)
        if found is None or found.shape != wanted:
            if not place.name.startswith(_HEAD):
                lost.append(place.name)
            initial = 0.0 if place.name.endswith("bias") else _INITIAL_DEVIATION
            found = random.normal(0.0, initial, wanted)
        place.write(found)
    if lost:
        raise UsageError("the checkpoint lacks weights of its encoder", seen=", ".join(lost[:3]), expected=directory)
    return model


def exported_weights(model: KerasClassifier) -> dict[str, np.ndarray]:
    """The weights by transformers' names, in PyTorch's layout, float32."""
    return hub_weights({place.name: place.read() for place in places(model)}, model.shape.family)


def places(model: KerasClassifier) -> Iterator[Place]:
    """Where each weight of a classifier lies.

    KerasHub gives the parts of its encoder layer no public names; its own checkpoint converters reach for them as this
    does. The tests compare logits with PyTorch's, so a release that renames them is noticed.
    """
    hidden, embedding = model.shape.hidden, model.embedding
    yield Place("embeddings.word.weight", embedding.token_embedding.embeddings)
    yield Place("embeddings.position.weight", embedding.position_embedding.position_embeddings)
    if model.token_type is not None:
        yield Place("embeddings.token_type.weight", model.token_type.embeddings)
    yield from _norm("embeddings.norm", model.norm)
    for number, layer in enumerate(model.layers):
        name, attention = f"layers.{number}", layer._self_attention_layer
        for part in ("query", "key", "value"):
            yield from _linear(f"{name}.{part}", getattr(attention, f"_{part}_dense"), hidden)
        yield from _linear(f"{name}.out", attention._output_dense, hidden)
        yield from _norm(f"{name}.norm1", layer._self_attention_layer_norm)
        yield from _linear(f"{name}.up", layer._feedforward_intermediate_dense, hidden)
        yield from _linear(f"{name}.down", layer._feedforward_output_dense, model.shape.inner)
        yield from _norm(f"{name}.norm2", layer._feedforward_layer_norm)
    yield from _linear("dense", model.dense, hidden)
    yield from _linear("output", model.output, hidden)


def _linear(name: str, layer: Any, inputs: int) -> Iterator[Place]:
    yield Place(f"{name}.weight", layer.kernel, inputs)
    yield Place(f"{name}.bias", layer.bias)


def _norm(name: str, layer: Any) -> Iterator[Place]:
    yield Place(f"{name}.weight", layer.gamma)
    yield Place(f"{name}.bias", layer.beta)


def _read(directory: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    weights: dict[str, np.ndarray] = {}
    for path in sorted(directory.glob("*.safetensors")):
        try:
            weights |= load_file(path)
        except (SafetensorError, OSError, KeyError) as error:  # KeyError: NumPy has no bfloat16
            raise UsageError("the checkpoint's weights cannot be read", seen=f"{path}: {error}") from error
    return weights
