"""The size of a BERT-family encoder, read from the configuration that its checkpoint carries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intermodal.errors import UsageError
from intermodal.text.checkpoint import read_config

ACTIVATIONS = ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu")


@dataclass(frozen=True)
class Shape:
    """The size of an encoder, read from a checkpoint's `config.json`.

    Attributes:
        family: "bert", "roberta" or "distilbert".
        vocabulary: Rows of the word embedding.
        hidden: Width of a token, H.
        layers: Number of layers.
        heads: Attention heads; they divide H.
        inner: Width of the feed-forward layer.
        positions: Rows of the position embedding.
        first_position: Row of the first token's position: 0, but padding id + 1 in RoBERTa.
        token_types: Rows of the token-type embedding; 0 in DistilBERT.
        activation: Activation of the feed-forward layer, as transformers names it.
        epsilon: Epsilon of the layer norms.
        dropout: Dropout of hidden states while training.
        attention_dropout: Dropout of attention probabilities while training.
        head_dropout: Dropout in the head while training.
    """

    family: str
    vocabulary: int
    hidden: int
    layers: int
    heads: int
    inner: int
    positions: int
    first_position: int
    token_types: int
    activation: str
    epsilon: float
    dropout: float
    attention_dropout: float
    head_dropout: float

    @property
    def longest(self) -> int:
        """The most tokens that a text may have."""
        return self.positions - self.first_position

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Shape:
        """Read a checkpoint's configuration.

        Args:
            config: The content of `config.json`.

        Raises:
            ValueError: The architecture, or one of its options, is not one that this encoder computes.
        """
        family = _family(config)
        if config.get("position_embedding_type", "absolute") != "absolute" or config.get("is_decoder"):
            raise ValueError("only encoders with absolute positions are known")
        read = _distilbert if family == "distilbert" else _bert
        shape = cls(family=family, **read(config))
        if shape.activation not in ACTIVATIONS:
            raise ValueError(f"activation {shape.activation!r} is not one of {', '.join(ACTIVATIONS)}")
        return shape


def read_shape(directory: Path | str) -> Shape:
    """The size of a checkpoint's encoder.

    Args:
        directory: What `resolve_checkpoint` returned.

    Raises:
        UsageError: The checkpoint is not of the BERT family.
    """
    try:
        return Shape.from_config(read_config(directory))
    except (ValueError, KeyError) as error:
        raise UsageError(
            "this checkpoint is not one that can be trained",
            seen=f"{directory}: {error}",
            expected="BERT, RoBERTa or DistilBERT",
        ) from error


def _family(config: dict[str, Any]) -> str:
    kind = config.get("model_type", "bert")
    family = {"xlm-roberta": "roberta", "camembert": "roberta"}.get(kind, kind)
    if family not in ("bert", "roberta", "distilbert"):
        raise ValueError(f"model_type {kind!r} is not of the BERT family (bert, roberta, distilbert)")
    return str(family)


def _bert(config: dict[str, Any]) -> dict[str, Any]:
    roberta = _family(config) == "roberta"
    return {
        "vocabulary": config["vocab_size"],
        "hidden": config["hidden_size"],
        "layers": config["num_hidden_layers"],
        "heads": config["num_attention_heads"],
        "inner": config["intermediate_size"],
        "positions": config["max_position_embeddings"],
        "first_position": config.get("pad_token_id", 1) + 1 if roberta else 0,
        "token_types": config.get("type_vocab_size", 2),
        "activation": config.get("hidden_act", "gelu"),
        "epsilon": config.get("layer_norm_eps", 1e-12),
        "dropout": config.get("hidden_dropout_prob", 0.1),
        "attention_dropout": config.get("attention_probs_dropout_prob", 0.1),
        "head_dropout": config.get("classifier_dropout") or config.get("hidden_dropout_prob", 0.1),
    }


def _distilbert(config: dict[str, Any]) -> dict[str, Any]:
    return {
        "vocabulary": config["vocab_size"],
        "hidden": config["dim"],
        "layers": config["n_layers"],
        "heads": config["n_heads"],
        "inner": config["hidden_dim"],
        "positions": config["max_position_embeddings"],
        "first_position": 0,
        "token_types": 0,
        "activation": config.get("activation", "gelu"),
        "epsilon": 1e-12,
        "dropout": config.get("dropout", 0.1),
        "attention_dropout": config.get("attention_dropout", 0.1),
        "head_dropout": config.get("seq_classif_dropout", 0.2),
    }
