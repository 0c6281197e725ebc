"""What counts as the same text: for reading, for deduplicating, and for splitting.

Three forms of a review body, each coarser than the one before:

* `readable`: what a person and a model see, with HTML entities and line breaks resolved;
* `compare_key`: equal for texts that differ only in case, accents, punctuation or spacing; one review is kept of each;
* `split_key`: letters and digits alone; texts that agree in it always fall into the same split, so that a near-copy
  of a training review (other spacing, another emoji, a stray control character) is never tested on.

Punctuation is what BERT takes for punctuation (all ASCII symbols, and Unicode's category P), and accents are what its
uncased normaliser strips. Emoji stay: in a review "👍" and "👎" are not the same text.
"""

from __future__ import annotations

import hashlib
import html
import re
import string
import unicodedata

_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)


class _Folding(dict[int, str | None]):
    """A table for `str.translate` that works out each character when it is first seen."""

    def __missing__(self, code: int) -> str | None:
        self[code] = _folded(chr(code))
        return self[code]


def _folded(character: str) -> str | None:
    category = unicodedata.category(character)
    if category == "Mn":
        return None
    return " " if category.startswith("P") or character in string.punctuation else character


_FOLDING = _Folding()


def readable(body: str | None) -> str:
    """Resolve HTML entities and line breaks in a review body.

    Args:
        body: The body as the file has it; None counts as empty.

    Returns:
        The text without surrounding white space; "" when there is none.
    """
    if not body:
        return ""
    if "<" in body:
        body = _BREAK.sub(" ", body)
    return (html.unescape(body) if "&" in body else body).strip()


def compare_key(text: str) -> str:
    """Reduce a readable text to what deduplication compares.

    Args:
        text: What `readable` returned.

    Returns:
        Its words without case, accents and punctuation, one space apart; "" when it has no word, digit or symbol.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text)
    return " ".join(text.casefold().translate(_FOLDING).split())


def split_key(key: str) -> str:
    """Reduce a comparison key to what decides the split.

    Args:
        key: What `compare_key` returned.

    Returns:
        Its letters and digits; the key itself when there are none ("👍").
    """
    joined = key.replace(" ", "")
    return joined if joined.isalnum() else "".join(filter(str.isalnum, joined)) or key


def key_digest(key: str) -> bytes:
    """128-bit digest of a key, the same on every machine.

    Args:
        key: What `compare_key` or `split_key` returned.

    Returns:
        16 bytes. Two of a billion different texts agree with a probability of 10⁻²¹.
    """
    return hashlib.blake2b(key.encode(), digest_size=16).digest()
