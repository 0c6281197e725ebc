"""Token ids are exactly those of Hugging Face's tokenizer, whatever the text."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer

from intermodal.errors import UsageError
from intermodal.text import wordpiece
from intermodal.text.normalise import readable
from intermodal.text.tokens import TextEncoder
from intermodal.text.wordpiece import is_plain_wordpiece
from tokenizers_of import bert, bert_with, roberta

BERT, ENCODER = bert(), TextEncoder(bert())
FRAGMENTS = [
    *("[MASK]", "[mask]", "[CLS]", "[ MASK ]", "[MA", "SK]", "[UNK][SEP]", "[PAD]x", "##ing", "[", "]"),
    *("Café", "cafe\u0301", "I\u0307", "İ", "ß", "ﬁ", "ΑΣ", "K", "Å", "\u0301", "x\u0338", "<\u0338", "é" * 60),
    *("中文", "a中b", "カタカナ", "한국어", "हिन्दी", "ไทย", "שלום", "مرحبا", "𝔘𝔫𝔦", "½", "①"),
    *("👍🏻", "👨‍👩‍👧", "❤️", "\ue415", "\U000e0041", "\ufffd", "\ufeff"),
    *("\x00", "a\x00b", "\x01", "\x0b", "\x0c", "\x1c", "\x7f", "\x85", "\xa0", "\u200b", "\u2028", "\u3000", "\xad"),
    *(
        "a" * 15,
        "b" * 16,
        "c" * 100,
        "d" * 101,
        "e" * 5000,
        "z9" * 8,
        "unbelievably",
        "don't",
        "e-mail",
        "$5.99",
        "¿qué?",
        "“x”",
    ),
    *(" ", "  ", "\t", "\n", "\r\n", "", ".", "...", "-", "_", "`", "^", "A", "Ab1"),
]
TEXT = st.one_of(st.text(), st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join), st.text("aB .[]-é中"))


def expected(tokenizer: Tokenizer, texts: list[str], length: int) -> tuple[list[list[int]], list[int]]:
    """What the real tokenizer says, one text at a time: the ids truncated, and the lengths before."""
    whole = [tokenizer.encode(text).ids for text in texts]
    tokenizer.enable_truncation(length)
    cut = [tokenizer.encode(text).ids for text in texts]
    tokenizer.no_truncation()
    return cut, [len(ids) for ids in whole]


def check(encoder: TextEncoder, tokenizer: Tokenizer, texts: list[str], length: int) -> None:
    found = encoder.encode(texts, length)
    assert (found.ids.rows(), found.tokens.tolist()) == expected(tokenizer, texts, length)


def test_the_default_takes_the_fast_path() -> None:
    assert ENCODER.is_fast
    assert ENCODER.special_tokens == 2


@settings(max_examples=400, deadline=None)
@given(st.lists(TEXT, max_size=6), st.sampled_from([3, 4, 8, 64, 512]))
def test_any_text_gets_the_ids_of_the_real_tokenizer(texts: list[str], length: int) -> None:
    check(ENCODER, BERT, texts, length)


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=ascii)
def test_each_nasty_fragment(fragment: str) -> None:
    texts = [fragment, f"good {fragment} bad", f"x{fragment}y", f"{fragment}{fragment}", "plain"]
    check(ENCODER, BERT, texts, 64)


@settings(max_examples=100, deadline=None)
@given(st.lists(TEXT, max_size=5), st.sampled_from([3, 5, 64]))
def test_roberta_goes_through_the_real_tokenizer(texts: list[str], length: int) -> None:
    tokenizer = roberta_once()
    encoder = TextEncoder(tokenizer)
    assert not encoder.is_fast
    check(encoder, tokenizer, texts, length)


def roberta_once(made: list[Tokenizer] = []) -> Tokenizer:  # noqa: B006 - training takes a moment, once is enough
    if not made:
        made.append(roberta())
    return made[0]


def test_the_slow_path_agrees_for_bert() -> None:
    encoder = TextEncoder(bert(), fast=False)
    assert not encoder.is_fast
    check(encoder, BERT, [*FRAGMENTS, "a longer text, with some words in it"], 8)


def test_forgetting_words_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wordpiece, "_MOST_WORDS", 5)
    encoder = TextEncoder(bert())
    for number in range(20):
        check(
            encoder,
            BERT,
            [f"word{number} another{number} supercalifragilisticexpialidocious{number}", "word1 again"],
            16,
        )


def test_words_met_again_get_the_same_ids() -> None:
    encoder = TextEncoder(bert())
    texts = ["Unbelievably good e-mail", "antidisestablishmentarianism " * 3]
    first, second = encoder.encode(texts, 64), encoder.encode(texts, 64)
    assert first.ids.rows() == second.ids.rows() == expected(BERT, texts, 64)[0]


@pytest.mark.parametrize(
    "added",
    ["myword", AddedToken("<special>", normalized=False), AddedToken("[low]", normalized=True)],
    ids=["a plain word", "angle brackets", "matched after lowering"],
)
def test_unusual_added_tokens_take_the_slow_path(added: AddedToken | str) -> None:
    tokenizer = bert_with(added)
    assert not is_plain_wordpiece(tokenizer)
    check(TextEncoder(tokenizer), tokenizer, ["a myword <special> [LOW] [low] b", "MYWORD"], 16)


def test_a_bracketed_added_token_is_recognised() -> None:
    tokenizer = bert_with(AddedToken("[NEW-One]", normalized=False))
    encoder = TextEncoder(tokenizer)
    assert encoder.is_fast
    check(encoder, tokenizer, ["see [NEW-One] here", "see [new-one] here"], 16)


def test_a_cased_model_takes_the_slow_path() -> None:
    from tokenizers.normalizers import BertNormalizer

    tokenizer = bert()
    tokenizer.normalizer = BertNormalizer(lowercase=False)
    encoder = TextEncoder(tokenizer)
    assert not encoder.is_fast
    check(encoder, tokenizer, ["Hello hello"], 16)


def test_lists_arrays_slices_and_nulls_are_taken_alike() -> None:
    texts = ["one", "two words", "and three words"]
    array = pa.array(["zero", *texts, None], pa.large_string())
    from_list, from_array = ENCODER.encode([*texts, ""], 8), ENCODER.encode(array[1:], 8)
    assert from_list.ids.rows() == from_array.ids.rows()
    assert ENCODER.encode([], 8).ids.rows() == []


def test_no_room_for_a_piece_is_refused() -> None:
    with pytest.raises(UsageError, match="too small"):
        ENCODER.encode(["text"], 2)


def test_a_tokenizer_that_rewrites_the_text_is_refused() -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer = bert()
    tokenizer.post_processor = TemplateProcessing(single="[CLS] [SEP]", special_tokens=[("[CLS]", 101), ("[SEP]", 102)])
    with pytest.raises(UsageError, match="cannot be used"):
        TextEncoder(tokenizer)


@pytest.mark.shared
def test_every_real_review_gets_the_ids_of_the_real_tokenizer(shared: Path) -> None:
    path = shared / "data" / "amazon_reviews_us_Digital_Software_v1_00.tsv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
        column = next(file).rstrip("\n").split("\t").index("review_body")
        texts = [readable(line.rstrip("\n").split("\t")[column]) for line in file]
    assert len(texts) == 102_084
    encoder, tokenizer, different = TextEncoder(bert()), bert(), 0
    for start in range(0, len(texts), 2048):
        batch = texts[start : start + 2048]
        found = encoder.encode(batch, 64)
        whole = [item.ids for item in tokenizer.encode_batch(batch)]
        cut = [ids if len(ids) <= 64 else [*ids[:63], ids[-1]] for ids in whole]
        different += sum(mine != theirs for mine, theirs in zip(found.ids.rows(), cut, strict=True))
        assert found.tokens.tolist() == [len(ids) for ids in whole]
    assert different == 0
