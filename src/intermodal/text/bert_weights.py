"""Fill a packed classifier from a checkpoint as transformers writes it: BERT, RoBERTa or DistilBERT."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from intermodal.errors import UsageError
from intermodal.text.bert_shape import Shape
from intermodal.text.checkpoint import read_config
from intermodal.text.packed_bert import Classifier

if TYPE_CHECKING:
    from torch import Tensor

# Names of weights in the encoder (left: transformers', right: ours), as patterns over the whole name.
_BERT = {
    r"embeddings\.word_embeddings\.weight": "embeddings.word.weight",
    r"embeddings\.position_embeddings\.weight": "embeddings.position.weight",
    r"embeddings\.token_type_embeddings\.weight": "embeddings.token_type.weight",
    r"embeddings\.LayerNorm\.(weight|bias)": r"embeddings.norm.\1",
    r"encoder\.layer\.(\d+)\.attention\.self\.(query|key|value)\.(weight|bias)": r"layers.\1.\2.\3",
    r"encoder\.layer\.(\d+)\.attention\.output\.dense\.(weight|bias)": r"layers.\1.out.\2",
    r"encoder\.layer\.(\d+)\.attention\.output\.LayerNorm\.(weight|bias)": r"layers.\1.norm1.\2",
    r"encoder\.layer\.(\d+)\.intermediate\.dense\.(weight|bias)": r"layers.\1.up.\2",
    r"encoder\.layer\.(\d+)\.output\.dense\.(weight|bias)": r"layers.\1.down.\2",
    r"encoder\.layer\.(\d+)\.output\.LayerNorm\.(weight|bias)": r"layers.\1.norm2.\2",
}
_DISTILBERT = {
    r"embeddings\.word_embeddings\.weight": "embeddings.word.weight",
    r"embeddings\.position_embeddings\.weight": "embeddings.position.weight",
    r"embeddings\.LayerNorm\.(weight|bias)": r"embeddings.norm.\1",
    r"transformer\.layer\.(\d+)\.attention\.q_lin\.(weight|bias)": r"layers.\1.query.\2",
    r"transformer\.layer\.(\d+)\.attention\.k_lin\.(weight|bias)": r"layers.\1.key.\2",
    r"transformer\.layer\.(\d+)\.attention\.v_lin\.(weight|bias)": r"layers.\1.value.\2",
    r"transformer\.layer\.(\d+)\.attention\.out_lin\.(weight|bias)": r"layers.\1.out.\2",
    r"transformer\.layer\.(\d+)\.sa_layer_norm\.(weight|bias)": r"layers.\1.norm1.\2",
    r"transformer\.layer\.(\d+)\.ffn\.lin1\.(weight|bias)": r"layers.\1.up.\2",
    r"transformer\.layer\.(\d+)\.ffn\.lin2\.(weight|bias)": r"layers.\1.down.\2",
    r"transformer\.layer\.(\d+)\.output_layer_norm\.(weight|bias)": r"layers.\1.norm2.\2",
}
_HEADS = {
    "bert": {r"pooler\.dense\.(.*)": r"dense.\1", r"classifier\.(weight|bias)": r"output.\1"},
    "roberta": {r"classifier\.dense\.(.*)": r"dense.\1", r"classifier\.out_proj\.(.*)": r"output.\1"},
    "distilbert": {r"pre_classifier\.(.*)": r"dense.\1", r"classifier\.(weight|bias)": r"output.\1"},
}
_HEAD_PARTS = ("dense.", "output.")
_INITIAL_DEVIATION = 0.02  # as BERT initialises every weight


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


def load_classifier(directory: Path | str, classes: int, head: str = "pooled", layers: int = 0) -> Classifier:
    """Build a classifier from a checkpoint.

    Args:
        directory: What `resolve_checkpoint` returned.
        classes: Number of classes.
        head: As `Classifier` takes it. Parts of the head that the checkpoint lacks, or has for another number of
            classes, are initialised at random from torch's global generator.
        layers: How many of the lower layers to keep; 0 for all.

    Returns:
        The classifier, in float32, in training mode.

    Raises:
        UsageError: The checkpoint is of another architecture, or lacks weights.
    """
    from dataclasses import replace

    shape = read_shape(directory)
    if not 0 <= layers <= shape.layers:
        raise UsageError("there are not so many layers", seen=layers, expected=f"at most {shape.layers}")
    model = Classifier(replace(shape, layers=layers or shape.layers), classes, head)
    wanted = model.state_dict()
    found = _fused(_renamed(_read(Path(directory)), shape.family))
    fitting = {name: value for name, value in found.items() if name in wanted and wanted[name].shape == value.shape}
    missing = sorted(name for name in wanted if name not in fitting)
    lost = [name for name in missing if not name.startswith(_HEAD_PARTS)]
    if lost:
        raise UsageError("the checkpoint lacks weights of its encoder", seen=", ".join(lost[:3]), expected=directory)
    _initialise(model, missing)
    model.load_state_dict(fitting, strict=False)
    return model


def _read(directory: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    weights: dict[str, Tensor] = {}
    for path in sorted(directory.glob("*.safetensors")):
        try:
            weights |= load_file(path)
        except (SafetensorError, OSError) as error:
            raise UsageError("the checkpoint's weights cannot be read", seen=f"{path}: {error}") from error
    return weights


def _renamed(weights: dict[str, Tensor], family: str) -> dict[str, Tensor]:
    """Weights by our names; what a classifier has no use for (pre-training heads) is left out."""
    patterns = (_DISTILBERT if family == "distilbert" else _BERT) | _HEADS[family]
    compiled = [(re.compile(pattern), name) for pattern, name in patterns.items()]
    named: dict[str, Tensor] = {}
    for full, value in weights.items():
        bare = re.sub(r"^(bert|roberta|distilbert)\.", "", full)
        # Checkpoints converted from TensorFlow call a norm's weight gamma and its bias beta.
        bare = re.sub(r"LayerNorm\.gamma$", "LayerNorm.weight", re.sub(r"LayerNorm\.beta$", "LayerNorm.bias", bare))
        for pattern, name in compiled:
            if match := pattern.fullmatch(bare):
                named[match.expand(name)] = value.float()
    return named


def _fused(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Put query, key and value of each layer into one matrix: one multiplication instead of three."""
    import torch

    fused = {name: value for name, value in weights.items() if not re.search(r"\.(query|key|value)\.", name)}
    for name in weights:
        if ".query." in name:
            parts = [name.replace(".query.", f".{part}.") for part in ("query", "key", "value")]
            if all(part in weights for part in parts):
                fused[name.replace(".query.", ".qkv.")] = torch.cat([weights[part] for part in parts])
    return fused


def _initialise(model: Classifier, missing: list[str]) -> None:
    import torch

    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name in missing:
            if name.endswith("bias"):
                parameters[name].zero_()
            else:
                parameters[name].normal_(std=_INITIAL_DEVIATION)
