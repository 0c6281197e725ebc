"""Choosing and checking max_seq_length."""

from __future__ import annotations

import numpy as np
import pytest

from intermodal.errors import UsageError
from intermodal.text.lengths import LengthDistribution, check_length, longest_sequence


def filled(*tokens: int) -> LengthDistribution:
    lengths = LengthDistribution.empty()
    lengths.add(np.array(tokens, np.int32))
    return lengths


@pytest.mark.parametrize(
    ("tokens", "limit", "chosen"),
    [
        ([32] * 100, 512, 32),
        ([10] * 95 + [400] * 5, 512, 32),
        ([10] * 94 + [33] * 6, 512, 64),
        ([100] * 100, 512, 128),
        ([9000] * 100, 512, 512),
        ([9000] * 100, 200, 128),
        ([9000] * 100, 20, 20),
        ([], 512, 32),
    ],
)
def test_the_smallest_length_that_covers_95_percent(tokens: list[int], limit: int, chosen: int) -> None:
    assert filled(*tokens).choose(limit) == chosen


def test_batches_add_up() -> None:
    lengths = filled(5, 10)
    lengths.add(np.array([10, 600], np.int32))
    assert [lengths.covered(length) for length in (4, 5, 10, 512)] == [0, 0.25, 0.75, 0.75]
    assert [lengths.quantile(share) for share in (0.25, 0.5, 0.75, 1.0)] == [5, 10, 10, 513]


@pytest.mark.parametrize(
    ("config", "limit"),
    [
        ({"model_type": "bert", "max_position_embeddings": 512, "pad_token_id": 0}, 512),
        ({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ({"model_type": "distilbert", "max_position_embeddings": 512, "pad_token_id": 0}, 512),
    ],
)
def test_the_longest_sequence_of_a_model(config: dict[str, object], limit: int) -> None:
    assert longest_sequence(config) == limit


def test_a_model_that_names_no_limit_has_none() -> None:
    assert longest_sequence({}) > 100_000


@pytest.mark.parametrize("length", [-1, 1, 2, 513, 10**9])
def test_a_length_out_of_range_is_refused(length: int) -> None:
    with pytest.raises(UsageError, match="max_seq_length") as caught:
        check_length(length, 3, 512)
    assert caught.value.seen == str(length)
    assert "3 to 512" in caught.value.expected
    assert caught.value.next_step


@pytest.mark.parametrize("length", [0, 3, 64, 512])
def test_a_length_in_range_passes(length: int) -> None:
    check_length(length, 3, 512)
