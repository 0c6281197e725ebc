"""Answers of a trained model, from the files beside this one; nothing else of the package that made it is needed.

This file, with what it loads from beside it (`ngrams.py`, `packed_bert.py`, `weight_names.py`), is copied into every
model directory, so that a model is loaded where only NumPy (and PyTorch, for a neural part) is installed::

    from predictor import Predictor
    Predictor("model").predict_proba(["Works well.", "Broken after a day."])   # shape (2, 5)
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

FACTS_FILE, ENCODER_FILE, HUB_FILE, TOKENIZER_FILE, COMBINATION_FILE = (
    "model.json",
    "encoder.safetensors",
    "model.safetensors",
    "tokenizer.json",
    "combination.json",
)
_BATCH = 64


class Predictor:
    """A trained model.

    Args:
        directory: The model's directory.
    """

    def __init__(self, directory: str) -> None:
        root = Path(directory)
        facts = json.loads((root / FACTS_FILE).read_text(encoding="utf-8"))
        self.labels: list[str] = list(facts["labels"])
        self._ngrams = load_beside("ngrams")
        self._parts: list[Any] = [_part(name)(root, facts, self) for name in facts["parts"]]
        self._combination: dict[str, np.ndarray] | None = None
        if len(self._parts) > 1:
            told = json.loads((root / COMBINATION_FILE).read_text(encoding="utf-8"))
            self._combination = {name: np.array(values, np.float64) for name, values in told.items()}

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Probabilities of each rating.

        Args:
            texts: Review texts; any number of them.

        Returns:
            Shape (len(texts), classes), float32; rows sum to 1.
        """
        if not len(texts):
            return np.zeros((0, len(self.labels)), np.float32)
        answers = [part(list(texts)) for part in self._parts]
        found = answers[0] if self._combination is None else self._ngrams.combine(answers, **self._combination)
        return np.asarray(found, np.float32)


class LinearPart:
    """The TF-IDF part: texts to probabilities, float64."""

    def __init__(self, root: Path, facts: dict[str, Any], owner: Predictor) -> None:
        self._model = owner._ngrams.LinearModel.load(root)

    def __call__(self, texts: list[str]) -> np.ndarray:
        """Probabilities of the classes, shape (len(texts), C)."""
        return np.asarray(self._model.predict_proba(texts))


class NeuralPart:
    """The BERT part: texts to probabilities, float64. Computes in float32, on the GPU where there is one."""

    def __init__(self, root: Path, facts: dict[str, Any], owner: Predictor) -> None:
        import torch
        from tokenizers import Tokenizer

        self._torch = torch
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        shape = SimpleNamespace(**facts["shape"])
        model = load_beside("packed_bert").Classifier(shape, len(facts["labels"]), facts["head"])
        model.load_state_dict(_encoder_weights(root, shape.family))
        self._model = model.eval().to(self._device)
        self._tokenizer = Tokenizer.from_file(str(root / TOKENIZER_FILE))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(facts["max_seq_length"])

    def encode(self, texts: list[str]) -> list[list[int]]:
        """Token ids of each text, truncated as the model was trained."""
        return [item.ids for item in self._tokenizer.encode_batch(texts)]

    def __call__(self, texts: list[str]) -> np.ndarray:
        """Probabilities of the classes, shape (len(texts), C)."""
        torch = self._torch
        ids = self.encode(texts)
        lengths = np.fromiter(map(len, ids), np.int64, len(ids))
        order = np.argsort(lengths, kind="stable")  # texts of similar length share a batch
        found = np.zeros((len(ids), len(self._model.output.bias)))
        with torch.inference_mode():
            for start in range(0, len(order), _BATCH):
                rows = order[start : start + _BATCH]
                tokens = torch.tensor([token for row in rows.tolist() for token in ids[row]], device=self._device)
                logits = self._model(tokens, torch.tensor(lengths[rows], device=self._device))
                found[rows] = logits.double().softmax(dim=1).cpu().numpy()
        return found


def _encoder_weights(root: Path, family: str) -> dict[str, Any]:
    """The encoder's weights by our names; in the file they may have transformers'."""
    import torch
    from safetensors.torch import load_file

    if (root / ENCODER_FILE).is_file():
        return load_file(root / ENCODER_FILE)
    weights = load_file(root / HUB_FILE)
    return dict(load_beside("weight_names").packed_weights(weights, family, torch.cat))


_PARTS = {"tfidf": LinearPart, "bert": NeuralPart}


def _part(name: str) -> Any:
    """The class of a part: one of this file's, or `Part` of the file NAME_part.py beside it."""
    return _PARTS[name] if name in _PARTS else load_beside(f"{name}_part").Part


def load_beside(name: str) -> ModuleType:
    """Load a module that lies beside this file, under a name of its own, so that two versions can be in use at once."""
    path = Path(__file__).resolve().with_name(f"{name}.py")
    unique = f"{name}_{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"
    if unique not in sys.modules:
        spec = importlib.util.spec_from_file_location(unique, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} cannot be imported")
        module = importlib.util.module_from_spec(spec)
        sys.modules[unique] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[unique]
            raise
    return sys.modules[unique]
