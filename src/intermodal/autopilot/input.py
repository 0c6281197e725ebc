"""What Autopilot works on: features as they are, or reviews of which features are made first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from intermodal.errors import UsageError


def given_features(features: Any, reviews: Any, folder: Path) -> tuple[Path, dict[str, Any]]:
    """The features to work on.

    Args:
        features: The artifact of `featurize`, or None.
        reviews: The artifact of clean reviews, or None.
        folder: A folder for features that are made here.

    Returns:
        Their directory and metadata.

    Raises:
        UsageError: Both are given, or none.
        DataRejected: The reviews cannot be used.
    """
    if (features is None) == (reviews is None):
        seen = "neither" if features is None else "both"
        raise UsageError("Autopilot takes features or reviews", seen=seen, expected="one of the two")
    if features is not None:
        return Path(features.path), dict(features.metadata)
    from intermodal.text.features import Recipe, make_features

    made = make_features(Path(reviews.path), folder / "features", Recipe())
    return folder / "features", dict(made.metadata)
