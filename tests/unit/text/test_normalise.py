"""What counts as the same text."""

from __future__ import annotations

import hashlib
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intermodal.text.normalise import compare_key, key_digest, readable, split_key


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (None, ""),
        ("", ""),
        ("   ", ""),
        ("Great<br />product", "Great product"),
        ("Great<BR>product<br/>here", "Great product here"),
        ("&#34;Great&#34; &amp; cheap", '"Great" & cheap'),
        ("5 &lt; 6", "5 < 6"),
        ("caf&eacute;", "café"),
        ("no entity here & there", "no entity here & there"),
    ],
)
def test_readable_resolves_entities_and_breaks(body: str | None, text: str) -> None:
    assert readable(body) == text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Great product!", "great   PRODUCT"),
        ("don't", "don’t"),
        ("Café", "cafe"),
        ("Straße", "STRASSE"),
        ("wow - great", "wow, great..."),
        ("ﬁne", "fine"),
        ("a\tb\nc", "a b c"),
        ("100%", "100"),
    ],
)
def test_texts_that_compare_equal(one: str, other: str) -> None:
    assert compare_key(one) == compare_key(other) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("good", "goods"),
        ("not good", "notgood"),
        ("👍", "👎"),
        ("great 👍", "great"),
        ("2 stars", "3 stars"),
        ("very very good", "very good"),
    ],
)
def test_texts_that_compare_different(one: str, other: str) -> None:
    assert compare_key(one) != compare_key(other)


@pytest.mark.parametrize("text", ["", ":)", "...", "!!! ???", "' .. '"])
def test_punctuation_alone_is_no_text(text: str) -> None:
    assert compare_key(text) == ""


def test_an_emoji_alone_is_a_text() -> None:
    assert compare_key("👍") == "👍"
    assert split_key("👍") == "👍"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("not good", "notgood"),
        ("great 👍", "great"),
        ("nerd\x1b\x1b)", "nerd..."),
        ("a\u200bb", "ab"),
        ("x ™ y", "x tm y"),
    ],
)
def test_near_copies_share_a_split(one: str, other: str) -> None:
    assert split_key(compare_key(one)) == split_key(compare_key(other))


@given(st.text())
def test_reducing_what_is_reduced_changes_nothing(text: str) -> None:
    key = compare_key(text)
    assert compare_key(key) == key
    assert split_key(split_key(key)) == split_key(key)


@given(st.text(), st.text(alphabet=" \t\n.,;:!?-'\"()[]"))
def test_punctuation_at_the_end_never_matters(text: str, tail: str) -> None:
    assert compare_key(text + tail) == compare_key(text)


@given(st.text())
def test_decomposed_characters_compare_equal(text: str) -> None:
    assert compare_key(unicodedata.normalize("NFD", text)) == compare_key(unicodedata.normalize("NFC", text))


def test_the_digest_is_blake2b_of_the_utf8_bytes() -> None:
    assert key_digest("größe") == hashlib.blake2b("größe".encode(), digest_size=16).digest()
    assert len(key_digest("")) == 16
