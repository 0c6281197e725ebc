r"""Java's regular expressions for RE2, the engine inside DuckDB.

RE2 runs in time linear in the text, so no pattern, `(a+)+$` neither, can hang a run; the price is that it knows no
lookaround and no backreference. A user's pattern with one of these is refused by name. The two of Deequ's own that
have them are rewritten here without.
"""

from __future__ import annotations

import re

from intermodal.quality.patterns import CREDIT_CARD, SOCIAL_SECURITY_NUMBER_US

_JAVA = re.compile(r"\\[pP]\{Is(?P<script>\w+)\}|\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|(?P<dot>\.)", re.DOTALL)
_LINE_ENDS = r"[^\n\r\x{85}\x{2028}\x{2029}]"
UNSUPPORTED = re.compile(r"\(\?(?:<?[=!])|\\[1-9]|\\k<|\(\?>|[*+?}]\+")


def to_re2(pattern: str) -> str:
    """A pattern of a check in RE2's syntax.

    Args:
        pattern: Regular expression in Java's syntax.

    Returns:
        The same for RE2: its names of scripts, and a dot that stops at all of Java's line ends.
    """
    if pattern in _REWRITTEN:
        return _REWRITTEN[pattern]
    flags = re.match(r"\(\?([a-z]+)\)", pattern)
    every = flags is not None and "s" in flags[1]
    return _JAVA.sub(lambda match: _translate(match, every), pattern)


def explained(pattern: str, error: str) -> str:
    """Why RE2 refused a pattern, in words that help.

    Args:
        pattern: The pattern as the user wrote it.
        error: RE2's own message.
    """
    found = UNSUPPORTED.search(pattern)
    if found is None:
        return f"the pattern cannot be read: {error}"
    return f"the pattern uses {found[0]}, but lookaround, backreferences and possessive repeats are not supported"


def _translate(match: re.Match[str], every: bool) -> str:
    if match["script"]:
        return match[0].replace("Is", "", 1)
    return _LINE_ENDS if match["dot"] and not every else match[0]


def _credit_card() -> str:
    r"""The separator that \1 and \2 repeat is nothing, a space or a dash: one branch for each."""
    branches = [
        rf"3[47]\d{{2}}{s}\d{{6}}{s}\d|(?:(?:4\d|5[1-5]|65)\d{{2}}|6011){s}\d{{4}}{s}\d{{4}}{s}" for s in ("", " ", "-")
    ]
    return rf"\b(?:{'|'.join(branches)})\d{{4}}\b"


def _numbers_but(excluded: set[str], size: int) -> str:
    """Numbers of `size` digits, leading zeros included, other than the excluded ones; "" if none is left."""
    tails: dict[str, set[str]] = {}
    for number in excluded:
        tails.setdefault(number[0], set()).add(number[1:])
    free = "".join(digit for digit in "0123456789" if digit not in tails)
    branches = [f"[{free}]" + rf"\d{{{size - 1}}}" * (size > 1)] if free else []
    if size > 1:
        rests = {digit: _numbers_but(tails[digit], size - 1) for digit in sorted(tails)}
        branches += [digit + rest for digit, rest in rests.items() if rest]
    return f"(?:{'|'.join(branches)})" if branches else ""


def _social_security_number() -> str:
    """Valid ranges of area, group and serial, without the two numbers that advertisements made famous."""
    group, serial = _numbers_but({"00"}, 2), _numbers_but({"0000"}, 4)
    no_area = {"000", "666", *(f"9{rest:02}" for rest in range(100))}
    branches = [[_numbers_but(no_area | {"219", "078"}, 3), group, serial]]
    for area, its_group, its_serial in (("219", "09", "9999"), ("078", "05", "1120")):
        branches.append([area, _numbers_but({"00", its_group}, 2), serial])
        branches.append([area, its_group, _numbers_but({"0000", its_serial}, 4)])
    return "|".join(mark.join(parts) for mark in ("-", " ", "") for parts in branches)


_REWRITTEN = {CREDIT_CARD: _credit_card(), SOCIAL_SECURITY_NUMBER_US: _social_security_number()}
