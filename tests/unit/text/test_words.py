"""Cutting texts at bytes, packing words, and the table of words."""

from __future__ import annotations

import re
import string

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from intermodal.text.words import WordTable, cut, pack

CUT = re.compile("[{0}]|[^ \\t\\n\\r{0}]+".format(re.escape(string.punctuation)))
LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
NASTY = st.text(
    alphabet=st.one_of(st.sampled_from(" \t\n\r\x00\x0b\x7f\xa0.,-'[]aAzZ09éÉß中👍"), st.characters(codec="utf-8"))
)


def words_of(texts: list[str]) -> list[list[str]]:
    words = cut(pa.array(texts, pa.string()))
    spelled = iter([word.decode() for word in words.spelled(np.arange(len(words.starts)))])
    return [[next(spelled) for _ in range(count)] for count in words.counts.tolist()]


@given(st.lists(NASTY, max_size=6))
def test_cut_is_the_regular_expression(texts: list[str]) -> None:
    assert words_of(texts) == [CUT.findall(text.translate(LOWER)) for text in texts]


def test_no_word_crosses_from_one_text_to_the_next() -> None:
    assert words_of(["foo", "", "bar", ""]) == [["foo"], [], ["bar"], []]
    assert words_of([]) == []
    assert words_of([""]) == [[]]


def test_a_slice_of_an_array_is_cut_as_itself() -> None:
    array = pa.array(["one two", "three", "four five six"], pa.string())[1:]
    assert cut(array).counts.tolist() == [1, 3]


WORD = st.one_of(st.binary(min_size=1, max_size=20), st.text("ab\0", min_size=1, max_size=16).map(str.encode))


def packed(words: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    lengths = np.array([len(word) for word in words], np.int64)
    return pack(b"".join(words) + bytes(16), np.cumsum(lengths) - lengths, lengths)


@given(st.lists(WORD, unique=True, min_size=1))
def test_different_words_have_different_keys(words: list[bytes]) -> None:
    low, high = packed(words)
    short = [
        pair for word, pair in zip(words, zip(low.tolist(), high.tolist(), strict=True), strict=True) if len(word) < 16
    ]
    assert len(set(short)) == len(short)
    assert [bool(value) for value in high.tolist()] == [len(word) < 16 for word in words]


@given(st.lists(WORD, unique=True, min_size=2), st.integers(1, 4))
def test_a_crowded_table_may_forget_but_never_lies(words: list[bytes], bits: int) -> None:
    table, half = WordTable(bits), len(words) // 2
    low, high = packed(words)
    table.add(low[: half // 2], high[: half // 2])
    table.add(low[half // 2 : half], high[half // 2 : half])
    found = table.find(low, high).tolist()
    assert all(number in (0, position + 1) for position, number in enumerate(found[:half]))
    assert not any(found[half:])
    assert any(found[:half]) == any(len(word) < 16 for word in words[:half])


def test_a_roomy_table_finds_almost_all() -> None:
    low, high = packed([b"word%d" % number for number in range(20_000)])
    table = WordTable(18)
    table.add(low, high)
    found = table.find(low, high)
    assert (found > 0).mean() > 0.99
    assert (found[found > 0] == np.flatnonzero(found) + 1).all()
