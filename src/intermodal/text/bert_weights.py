"""Fill a packed classifier from a checkpoint as transformers writes it: BERT, RoBERTa or DistilBERT."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from intermodal.errors import UsageError
from intermodal.text.bert_shape import read_shape
from intermodal.text.packed_bert import Classifier
from intermodal.text.weight_names import packed_weights

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["load_classifier", "read_shape"]

_HEAD_PARTS = ("dense.", "output.")
_INITIAL_DEVIATION = 0.02  # as BERT initialises every weight


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

    import torch

    shape = read_shape(directory)
    if not 0 <= layers <= shape.layers:
        raise UsageError("there are not so many layers", seen=layers, expected=f"at most {shape.layers}")
    model = Classifier(replace(shape, layers=layers or shape.layers), classes, head)
    wanted = model.state_dict()
    found = packed_weights(_read(Path(directory)), shape.family, torch.cat)
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
            weights |= {name: value.float() for name, value in load_file(path).items()}
        except (SafetensorError, OSError) as error:
            raise UsageError("the checkpoint's weights cannot be read", seen=f"{path}: {error}") from error
    return weights


def _initialise(model: Classifier, missing: list[str]) -> None:
    import torch

    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name in missing:
            if name.endswith("bias"):
                parameters[name].zero_()
            else:
                parameters[name].normal_(std=_INITIAL_DEVIATION)
