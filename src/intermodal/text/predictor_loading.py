"""Load a trained model's predictor from its directory."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Protocol

from intermodal.errors import ArtifactCorrupt

if TYPE_CHECKING:
    import numpy as np


class Predictor(Protocol):
    """What the class `Predictor` in every model's `predictor.py` offers."""

    def predict_proba(self, texts: list[str]) -> np.ndarray:
        """Probabilities of each class, float32, shape (len(texts), classes); rows sum to 1."""
        ...


def load_predictor(directory: str | Path) -> Predictor:
    """Load a model with the code that lies in its own directory.

    Args:
        directory: The model's directory, with `predictor.py` and `model.json`.

    Returns:
        Its predictor.

    Raises:
        ArtifactCorrupt: The directory holds no predictor, or one that cannot be loaded.
    """
    path = Path(directory).resolve() / "predictor.py"
    if not path.is_file():
        raise ArtifactCorrupt("this is no model directory", seen=f"no {path.name} in {path.parent}")
    try:
        predictor: Predictor = _module(path).Predictor(str(path.parent))
    except ImportError as error:
        raise ArtifactCorrupt(
            "the model's predictor cannot be imported",
            seen=f"{type(error).__name__}: {error}",
            next_step=f'install what "requirements" in {path.parent}/model.json names',
        ) from error
    except Exception as error:  # whatever a damaged file makes the predictor raise
        raise ArtifactCorrupt(
            "the model's predictor cannot be loaded",
            seen=f"{type(error).__name__}: {error}",
            next_step=f"check its files: intermodal verify {path.parent}",
        ) from error
    return predictor


def _module(path: Path) -> ModuleType:
    # Named by place and content: models of several versions may be loaded side by side.
    mark = hashlib.sha256(str(path).encode() + path.read_bytes()).hexdigest()[:16]
    name = f"intermodal_predictor_{mark}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
