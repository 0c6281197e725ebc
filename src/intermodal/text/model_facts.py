"""What a model directory says of itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from intermodal.errors import ArtifactCorrupt

_NEEDED = ("labels", "requirements")


def read_model_facts(directory: Path) -> dict[str, Any]:
    """The content of a model's `model.json`.

    Args:
        directory: The model's directory.

    Returns:
        Its fields: "labels" and "requirements" at least.

    Raises:
        ArtifactCorrupt: It or `predictor.py` is missing, or it lacks one of these fields.
    """
    expected = f"a directory with predictor.py, and model.json with {' and '.join(_NEEDED)}"
    try:
        facts = json.loads((directory / "model.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactCorrupt("this is no model directory", seen=error, expected=expected) from error
    missing = [key for key in _NEEDED if not isinstance(facts, dict) or key not in facts]
    if missing or not (directory / "predictor.py").is_file():
        raise ArtifactCorrupt(
            "this is no model directory", seen=f"no {', '.join(missing) or 'predictor.py'}", expected=expected
        )
    return dict(facts)
