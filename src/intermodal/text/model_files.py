"""Write a trained model as a directory that stands alone: code, weights, vocabulary, and a description."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intermodal.text import predictor, weight_names
from intermodal.text.reference import read_reference, write_reference

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from intermodal.text import packed_bert  # noqa: F401  a copy of it goes into the model: so it is part of the source
    from intermodal.text.bert_shape import Shape
    from intermodal.text.combining import Combination
    from intermodal.text.hub_export import Exported
    from intermodal.text.ngrams import LinearModel
    from intermodal.text.packed_bert import Classifier
    from intermodal.text.trees_part import TreeModel

_PACKAGES = {"tfidf": ("numpy",), "trees": ("numpy",), "bert": ("numpy", "torch", "tokenizers", "safetensors")}


class ModelWriter:
    """Write a model part by part, then `finish`.

    Args:
        directory: The model's directory; made.
        labels: Class names, in the order of the probabilities.
    """

    def __init__(self, directory: Path, labels: Sequence[str]) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory, self._parts = directory, list[str]()
        self._facts: dict[str, Any] = {"labels": list(labels)}
        _copy_code(predictor.__file__, directory)
        _copy_code(Path(predictor.__file__).with_name("ngrams.py"), directory)

    def add_linear(self, model: LinearModel) -> None:
        """Add the TF-IDF part."""
        model.save(self._directory)
        self._parts.append("tfidf")

    def add_trees(self, model: TreeModel) -> None:
        """Add the part of boosted trees."""
        model.save(self._directory)
        _copy_code(Path(predictor.__file__).with_name("trees_part.py"), self._directory)
        self._parts.append("trees")

    def add_encoder(self, model: Classifier, tokenizer: Tokenizer, max_seq_length: int) -> None:
        """Add the BERT part.

        Args:
            model: The classifier, LoRA merged.
            tokenizer: Its tokenizer, without padding and truncation.
            max_seq_length: Tokens that a text is cut at.
        """
        from safetensors.torch import save_file

        weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
        save_file(weights, self._directory / predictor.ENCODER_FILE)
        tokenizer.save(str(self._directory / predictor.TOKENIZER_FILE))
        self._describe_encoder(model.shape, model.head, max_seq_length)

    def add_exported(self, model: Exported, max_seq_length: int) -> None:
        """Add the BERT part in Hugging Face's format: transformers loads the model's directory as it is.

        Args:
            model: The classifier, with transformers' own head.
            max_seq_length: Tokens that a text is cut at.
        """
        model.save(self._directory, self._facts["labels"], max_seq_length)
        _copy_code(weight_names.__file__, self._directory)
        self._describe_encoder(model.shape, "native", max_seq_length)

    def _describe_encoder(self, shape: Shape, head: str, max_seq_length: int) -> None:
        _copy_code(Path(predictor.__file__).with_name("packed_bert.py"), self._directory)
        self._facts |= {"shape": asdict(shape), "head": head, "max_seq_length": max_seq_length}
        self._parts.append("bert")

    def add_combination(self, combination: Combination) -> None:
        """Say how the parts, in the order in which they were added, are combined."""
        told = {"weights": combination.weights.tolist(), "bias": combination.bias.tolist()}
        _write_json(self._directory / predictor.COMBINATION_FILE, told)

    def add_reference(self, features: Path) -> None:
        """Take over from the features what the reviews looked like that they were made of, where they say so."""
        if (described := read_reference(features)) is not None:
            write_reference(self._directory, described)

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Write `model.json`.

        Args:
            facts: What else is to be said: "checkpoint", "recipe", ….
        """
        needed = sorted({package for part in self._parts for package in _PACKAGES[part]})
        described = {
            "kind": "+".join(sorted(self._parts)),
            "parts": self._parts,
            "requirements": [_requirement(package) for package in needed],
        }
        _write_json(self._directory / predictor.FACTS_FILE, {**facts, **self._facts, **described})


def model_metadata(features: Mapping[str, Any], kind: str, metrics: Mapping[str, float]) -> dict[str, Any]:
    """What a model's artifact says of itself: its kind, the digests of the splits behind it, validation scores.

    Args:
        features: Metadata of the features that it was trained on.
        kind: Kind of model.
        metrics: Its scores.
    """
    splits = features.get("splits") or {}
    digests = {f"{name}_digest": facts["digest"] for name, facts in sorted(splits.items()) if "digest" in facts}
    return {"kind": kind, **digests, "validation": dict(metrics)}


def _copy_code(source: str | Path | None, directory: Path) -> None:
    if source is None:
        raise RuntimeError("this package was installed without its source files")
    shutil.copyfile(source, directory / Path(source).name)


def _requirement(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        # "2.13.0+cpu" is a build of 2.13.0 that no package index has under that name.
        return f"{package}=={version(package).partition('+')[0]}"
    except PackageNotFoundError:  # a model that TensorFlow trained is answered by PyTorch, which need not be here
        return _asked_for(package)


def _asked_for(package: str) -> str:
    """What this package itself asks for, in any of its extras; the bare name when it asks for nothing."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        lines = [line.partition(";")[0].strip() for line in requires("intermodal") or ()]
    except PackageNotFoundError:
        return package
    return next((line for line in lines if re.split(r"[=<>!~ ]", line)[0] == package), package)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
