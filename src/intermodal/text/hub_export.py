"""A fine-tuned classifier in Hugging Face's format: configuration, safetensors, tokenizer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intermodal.text.checkpoint import TOKENIZER_FILES, load_tokenizer, read_config

if TYPE_CHECKING:
    import numpy as np

    from intermodal.text.bert_shape import Shape

WEIGHTS_FILE, CONFIG_FILE = "model.safetensors", "config.json"
_CLASSES = {"bert": "BertForSequenceClassification", "distilbert": "DistilBertForSequenceClassification"}
_LAYERS = {"bert": "num_hidden_layers", "distilbert": "n_layers"}


@dataclass(frozen=True)
class Exported:
    """A fine-tuned encoder with its head.

    Attributes:
        weights: By transformers' names, in PyTorch's layout.
        shape: Size of the encoder.
        checkpoint: Directory of the checkpoint it was made from.
    """

    weights: dict[str, np.ndarray]
    shape: Shape
    checkpoint: Path

    def save(self, directory: Path, labels: Sequence[str], max_seq_length: int) -> None:
        """Write what `AutoModelForSequenceClassification.from_pretrained` and `AutoTokenizer` read.

        Args:
            directory: Must exist.
            labels: Class names.
            max_seq_length: Tokens that a text is cut at.
        """
        from safetensors.numpy import save_file

        save_file(self.weights, directory / WEIGHTS_FILE, metadata={"format": "pt"})
        config = _config(read_config(self.checkpoint), self.shape, labels)
        _write_json(directory / CONFIG_FILE, config)
        self._save_tokenizer(directory, max_seq_length)

    def _save_tokenizer(self, directory: Path, max_seq_length: int) -> None:
        for name in TOKENIZER_FILES:
            if (self.checkpoint / name).is_file():
                shutil.copyfile(self.checkpoint / name, directory / name)
        load_tokenizer(self.checkpoint).save(str(directory / "tokenizer.json"))
        told = directory / "tokenizer_config.json"
        config = json.loads(told.read_text(encoding="utf-8")) if told.is_file() else {}
        # With it `tokenizer(text, truncation=True)` cuts as training did.
        _write_json(told, config | {"model_max_length": max_seq_length})


def _config(config: dict[str, Any], shape: Shape, labels: Sequence[str]) -> dict[str, Any]:
    """The checkpoint's configuration, as that of a classifier of these labels with so many layers."""
    names = {str(number): label for number, label in enumerate(labels)}
    kept = {key: value for key, value in config.items() if key not in ("_name_or_path", "problem_type", "num_labels")}
    return {
        **kept,
        "model_type": shape.family,
        "architectures": [_CLASSES[shape.family]],
        _LAYERS[shape.family]: shape.layers,
        "id2label": names,
        "label2id": {label: int(number) for number, label in names.items()},
        "dtype": "float32",
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
