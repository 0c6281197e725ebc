"""What the steps that explore leave behind: the profile, its page, its notes and its figures, whoever counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from intermodal.report.kfp_visuals import write_page
from intermodal.report.notes import profile_notes
from intermodal.report.page import build_profile_page


def write_profile(found: dict[str, Any], folder: Path, page: Path, notes: Path) -> None:
    """Write a profile.

    Args:
        found: As `profiling.profile_of` gives it.
        folder: Gets `profile.json`.
        page: Gets the plots as one page.
        notes: Gets the ratings and categories as Markdown.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "profile.json").write_text(text, encoding="utf-8", newline="\n")
    write_page(str(page), build_profile_page(found))
    write_page(str(notes), profile_notes(found))


def profile_metrics(found: dict[str, Any]) -> dict[str, float]:
    """The figures that a run is compared by.

    Args:
        found: As `profiling.profile_of` gives it.
    """
    return {
        "rows": found["rows"],
        "mean_rating": found["rating"]["mean"] or 0.0,
        "verified_share": found["verified"]["share"] or 0.0,
        "median_words": found["length"]["words"]["p50"] or 0,
    }
