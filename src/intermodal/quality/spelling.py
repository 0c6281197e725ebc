"""A wrong name is answered with the names it probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from intermodal.errors import UsageError


def nearest(seen: str, known: Iterable[str]) -> list[str]:
    """The known names closest to a misspelt one, best first.

    Args:
        seen: The name as it was written.
        known: The names there are.

    Returns:
        At most three names; upper and lower case do not count.
    """
    by_lower = {name.lower(): name for name in known}
    return [by_lower[match] for match in difflib.get_close_matches(seen.lower(), by_lower, n=3, cutoff=0.5)]


def unknown(kind: str, seen: str, known: Iterable[str], place: str = "") -> UsageError:
    """The error for a name that does not exist.

    Args:
        kind: What was looked for: "check", "column", "key".
        seen: The name as it was written.
        known: The names there are.
        place: Where it was written, for the headline.

    Returns:
        The error, to be raised by the caller.
    """
    names = sorted(known)
    close = nearest(seen, names)
    return UsageError(
        f"unknown {kind}{' in ' + place if place else ''}",
        seen=seen,
        expected=" or ".join(close) if close else ", ".join(names),
        next_step=f"write {close[0]}" if close else f"choose one of the {len(names)} names above",
    )
