"""The names of an encoder's weights: transformers' on the hub, and ours in the packed classifier.

One table a family, read in both directions. This file stands alone: a copy of it lies in every model directory whose
weights have transformers' names, so that the packed classifier can be filled from them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

Array = TypeVar("Array")

# Ours → transformers'. Each has a `.weight`, and all but the embeddings a `.bias`; N is the number of a layer.
_BERT = {
    "embeddings.word": "embeddings.word_embeddings",
    "embeddings.position": "embeddings.position_embeddings",
    "embeddings.token_type": "embeddings.token_type_embeddings",
    "embeddings.norm": "embeddings.LayerNorm",
    "layers.N.query": "encoder.layer.N.attention.self.query",
    "layers.N.key": "encoder.layer.N.attention.self.key",
    "layers.N.value": "encoder.layer.N.attention.self.value",
    "layers.N.out": "encoder.layer.N.attention.output.dense",
    "layers.N.norm1": "encoder.layer.N.attention.output.LayerNorm",
    "layers.N.up": "encoder.layer.N.intermediate.dense",
    "layers.N.down": "encoder.layer.N.output.dense",
    "layers.N.norm2": "encoder.layer.N.output.LayerNorm",
}
_DISTILBERT = {
    "embeddings.word": "embeddings.word_embeddings",
    "embeddings.position": "embeddings.position_embeddings",
    "embeddings.norm": "embeddings.LayerNorm",
    "layers.N.query": "transformer.layer.N.attention.q_lin",
    "layers.N.key": "transformer.layer.N.attention.k_lin",
    "layers.N.value": "transformer.layer.N.attention.v_lin",
    "layers.N.out": "transformer.layer.N.attention.out_lin",
    "layers.N.norm1": "transformer.layer.N.sa_layer_norm",
    "layers.N.up": "transformer.layer.N.ffn.lin1",
    "layers.N.down": "transformer.layer.N.ffn.lin2",
    "layers.N.norm2": "transformer.layer.N.output_layer_norm",
}
_ENCODERS = {"bert": _BERT, "roberta": _BERT, "distilbert": _DISTILBERT}
_HEADS = {
    "bert": {"dense": "bert.pooler.dense", "output": "classifier"},
    "roberta": {"dense": "classifier.dense", "output": "classifier.out_proj"},
    "distilbert": {"dense": "pre_classifier", "output": "classifier"},
}
_PARTS = ("query", "key", "value")
_PREFIX = r"^(bert|roberta|distilbert)\."


def packed_weights(
    weights: Mapping[str, Array], family: str, join: Callable[[Sequence[Array]], Array] | None = None
) -> dict[str, Array]:
    """Weights by our names; what a classifier has no use for (pre-training heads) is left out.

    Args:
        weights: By transformers' names, of the bare encoder or of a classifier, in any kind of array.
        family: "bert", "roberta" or "distilbert".
        join: Puts arrays one below the other: query, key and value of a layer become one matrix, `qkv`, which is one
            multiplication instead of three. None leaves them apart.

    Returns:
        Our names → arrays.
    """
    table = {re.sub(_PREFIX, "", theirs): ours for ours, theirs in (_ENCODERS[family] | _HEADS[family]).items()}
    named: dict[str, Array] = {}
    for full, value in weights.items():
        stem, layer, kind = _taken_apart(re.sub(_PREFIX, "", full))
        if stem in table and kind in ("weight", "bias"):
            named[_numbered(table[stem], layer, kind)] = value
    return named if join is None else _fused(named, join)


def hub_weights(weights: Mapping[str, Array], family: str) -> dict[str, Array]:
    """Weights by the names that transformers' `…ForSequenceClassification` has for them.

    Args:
        weights: By our names, query, key and value apart.
        family: "bert", "roberta" or "distilbert".

    Returns:
        transformers' names → arrays.
    """
    table = {ours: f"{family}.{theirs}" for ours, theirs in _ENCODERS[family].items()} | _HEADS[family]
    named: dict[str, Array] = {}
    for full, value in weights.items():
        stem, layer, kind = _taken_apart(full)
        named[_numbered(table[stem], layer, kind)] = value
    return named


def _taken_apart(name: str) -> tuple[str, str, str]:
    """A name's stem with N for the layer's number, that number or "", and "weight" or "bias"."""
    stem, _, kind = name.rpartition(".")
    # Checkpoints converted from TensorFlow call a norm's weight gamma and its bias beta.
    kind = {"gamma": "weight", "beta": "bias"}.get(kind, kind)
    found = re.search(r"\.(\d+)\.", stem)
    return (stem, "", kind) if found is None else (re.sub(r"\.\d+\.", ".N.", stem, count=1), found[1], kind)


def _numbered(stem: str, layer: str, kind: str) -> str:
    """The opposite of `_taken_apart`."""
    return f"{stem.replace('.N.', f'.{layer}.')}.{kind}"


def _fused(weights: dict[str, Array], join: Callable[[Sequence[Array]], Array]) -> dict[str, Array]:
    fused = {name: value for name, value in weights.items() if not re.search(r"\.(query|key|value)\.", name)}
    for name in weights:
        if ".query." in name:
            parts = [name.replace(".query.", f".{part}.") for part in _PARTS]
            if all(part in weights for part in parts):
                fused[name.replace(".query.", ".qkv.")] = join([weights[part] for part in parts])
    return fused
