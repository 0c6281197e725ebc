"""What a look at an account found."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARNING, WRONG, UNKNOWN = "ok", "warning", "wrong", "not asked"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: What.
        state: "ok", "warning", "wrong", or "not asked" when we may not ask.
        detail: What was found.
        next: What to type next; empty when there is nothing to do.
    """

    check: str
    state: str
    detail: str
    next: str = ""
