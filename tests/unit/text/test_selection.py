"""Deduplicating, splitting and balancing, on digests alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intermodal.errors import DataRejected, UsageError
from intermodal.text.balance import downsample, seeded_ranks
from intermodal.text.dedupe import first_occurrences
from intermodal.text.selection import UNUSED, Survey, select
from intermodal.text.split import SPLITS, TEST, TRAIN, VALIDATION, Shares, assign, positions

PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=40)


def made_up(rows: int, weights: tuple[float, ...], seed: int = 1) -> Survey:
    """Distinct reviews with ratings in the given proportions."""
    random = np.random.default_rng(seed)
    digests = random.integers(0, 2**64, (rows, 2), np.uint64)
    labels = random.choice(len(weights), rows, p=np.array(weights) / sum(weights)).astype(np.int8)
    return Survey(digests, random.integers(0, 2**64, rows, np.uint64), labels, np.ones(rows, bool))


def part(found: Survey, rows: np.ndarray) -> Survey:
    return Survey(found.digests[rows], found.groups[rows], found.labels[rows], found.texts[rows])


@given(PAIRS)
def test_the_first_of_each_digest_is_marked(pairs: list[tuple[int, int]]) -> None:
    marks = first_occurrences(np.array(pairs, np.uint64).reshape(-1, 2)).tolist()
    assert marks == [pair not in pairs[:index] for index, pair in enumerate(pairs)]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(0, 99))
def test_downsampling_keeps_the_lowest_ranks_of_each_class(labels: list[int], seed: int) -> None:
    ranks = np.random.default_rng(seed).permutation(len(labels))
    kept = downsample(np.array(labels), ranks)
    rarest = min(labels.count(label) for label in set(labels))
    for label in set(labels):
        mine = [int(ranks[row]) for row in range(len(labels)) if labels[row] == label]
        assert sorted(ranks[kept & (np.array(labels) == label)].tolist()) == sorted(mine)[:rarest]


def test_seeds_give_unrelated_orders_and_no_ties() -> None:
    keys = np.arange(10_000, dtype=np.uint64)
    one, two = seeded_ranks(keys, 7), seeded_ranks(keys, 8)
    assert len(np.unique(one)) == len(keys)
    assert abs(np.corrcoef(one.astype(float), two.astype(float))[0, 1]) < 0.05
    assert abs(np.corrcoef(one.astype(float), keys.astype(float))[0, 1]) < 0.05
    assert (seeded_ranks(keys[::-1], 7) == one[::-1]).all()
    assert (seeded_ranks(keys, -7) != one).any()


def test_positions_are_shares_of_the_whole_range() -> None:
    assert positions(np.array([0, 2**63, 2**64 - 1], np.uint64)).tolist() == pytest.approx([0, 0.5, 1])
    assert positions(np.array([2**64 - 1], np.uint64))[0] < 1


def test_shares_hold_in_every_class() -> None:
    found = made_up(100_000, (5, 1, 1, 3, 10))
    split = assign(positions(found.groups), found.labels, Shares(0.05, 0.05, 0))
    for label in range(5):
        mine = split.codes[found.labels == label]
        for code in (VALIDATION, TEST):
            # Five standard deviations of a binomial share.
            assert (mine == code).mean() == pytest.approx(0.05, abs=5 * (0.05 * 0.95 / len(mine)) ** 0.5)


@pytest.mark.parametrize(
    ("rows", "least", "most"),
    [(20_000, 0.05, 0.05), (6_800, 0.06, 0.09), (5_500, 0.08, 0.10), (3_000, 0.05, 0.05)],
    ids=["five percent suffice", "widened", "widened to the limit", "too few rows: not widened"],
)
def test_the_test_part_widens_for_a_class_of_some_thousands(rows: int, least: float, most: float) -> None:
    found = made_up(rows, (1,))
    split = assign(positions(found.groups), found.labels, Shares())
    assert least <= split.test_shares[0] <= most
    if rows > 5_000:
        assert (split.codes == TEST).sum() >= 500


def test_no_class_widens_when_one_cannot() -> None:
    found = made_up(40_000, (10, 10, 1))
    split = assign(positions(found.groups), found.labels, Shares())
    assert set(split.test_shares.values()) == {0.05}
    fewer = assign(positions(found.groups), found.labels, Shares(min_test_rows=110)).test_shares
    assert (fewer[0], fewer[1]) == (0.05, 0.05)
    assert 0.05 < fewer[2] <= 0.1


def test_nothing_widens_without_balancing() -> None:
    found = made_up(30_000, (1, 1, 1, 1, 1))
    assert min(select(found, Shares(), balance=True, seed=7).test_shares.values()) > 0.05
    assert set(select(found, Shares(), balance=False, seed=7).test_shares.values()) == {0.05}


@given(st.integers(3, 60), st.integers(0, 200))
def test_even_a_tiny_class_has_a_row_in_each_split(rows: int, seed: int) -> None:
    groups = np.random.default_rng(seed).permutation(np.linspace(0, 0.999, rows))
    split = assign(groups, np.zeros(rows, np.int8), Shares())
    assert {TRAIN, VALIDATION, TEST} == set(split.codes.tolist())


def test_a_tiny_class_is_split_as_its_texts_allow() -> None:
    codes = assign(np.array([0.2, 0.5, 0.6, 0.75]), np.zeros(4, np.int8), Shares()).codes
    assert codes.tolist() == [TEST, TRAIN, TRAIN, VALIDATION]
    codes = assign(np.array([0.4, 0.5, 0.6]), np.zeros(3, np.int8), Shares()).codes
    assert codes.tolist() == [TRAIN, TRAIN, TRAIN]


def test_other_rows_do_not_move_a_text_to_another_split() -> None:
    found, shares = made_up(20_000, (1, 1, 1, 1, 1)), Shares(min_test_rows=0)
    fewer = np.flatnonzero(np.random.default_rng(2).random(20_000) < 0.4)
    for balance in (True, False):
        whole = select(found, shares, balance=balance, seed=7).destinations[fewer]
        alone = select(part(found, fewer), shares, balance=balance, seed=7).destinations
        both = (whole != UNUSED) & (alone != UNUSED)
        assert both.sum() > 1_000
        assert (whole[both] == alone[both]).all()


def test_the_order_of_the_rows_does_not_matter() -> None:
    found = made_up(5_000, (3, 1, 1, 2, 6))
    order = np.random.default_rng(3).permutation(5_000)
    straight = select(found, Shares(), balance=True, seed=7).destinations
    assert (select(part(found, order), Shares(), balance=True, seed=7).destinations == straight[order]).all()


def test_every_split_is_balanced() -> None:
    found = made_up(30_000, (5, 1, 1, 3, 10))
    selection = select(found, Shares(), balance=True, seed=7)
    for code, name in enumerate(SPLITS):
        counts = np.bincount(found.labels[selection.destinations == code], minlength=5)
        assert len(set(counts.tolist())) == 1
        assert counts.sum() == selection.counts[f"rows_{name}"] > 0


def test_the_seed_changes_what_is_trained_on_and_nothing_else() -> None:
    found = made_up(20_000, (5, 1, 1, 3, 10))
    one, two = (select(found, Shares(), balance=True, seed=seed).destinations for seed in (7, 8))
    assert ((one == TRAIN) != (two == TRAIN)).any()
    assert ((one == TEST) == (two == TEST)).all()
    assert ((one == VALIDATION) == (two == VALIDATION)).all()


def test_unbalanced_keeps_every_text() -> None:
    found = made_up(5_000, (5, 1, 1, 3, 10))
    selection = select(found, Shares(), balance=False, seed=7)
    assert (selection.destinations != UNUSED).all()
    assert selection.counts["rows_balanced_away"] == 0


def test_near_copies_with_the_same_group_stay_together() -> None:
    found = made_up(4_000, (1, 1, 1, 1, 1))
    twice = part(found, np.tile(np.arange(4_000), 2))
    digests = twice.digests.copy()
    digests[4_000:] += np.uint64(1)  # other texts, but the same letters
    destinations = select(
        Survey(digests, twice.groups, twice.labels, twice.texts), Shares(min_test_rows=0), balance=False, seed=7
    ).destinations
    assert (destinations[:4_000] == destinations[4_000:]).all()


def test_rows_are_counted_at_each_stage() -> None:
    found = made_up(2_000, (1, 1, 1, 1, 1))
    twice = part(found, np.concatenate([np.arange(2_000), np.arange(100)]))
    texts = twice.texts.copy()
    texts[:30] = False  # of which 30 come again at the end, with text
    counts = select(Survey(twice.digests, twice.groups, twice.labels, texts), Shares(), balance=True, seed=7).counts
    assert (counts["rows_in"], counts["rows_without_text"], counts["rows_duplicate"]) == (2_100, 30, 70)
    assert counts["rows_deduplicated"] == 2_000
    used = counts["rows_train"] + counts["rows_validation"] + counts["rows_test"]
    assert used == counts["rows_deduplicated"] - counts["rows_balanced_away"]


def test_the_first_of_two_equal_texts_gives_the_rating() -> None:
    found = made_up(1_000, (1, 1))
    twice = part(found, np.tile(np.arange(1_000), 2))
    twice.labels[1_000:] = 1 - twice.labels[1_000:]
    destinations = select(twice, Shares(), balance=False, seed=7).destinations
    assert (destinations[:1_000] != UNUSED).all()
    assert (destinations[1_000:] == UNUSED).all()


def test_no_text_at_all_is_refused() -> None:
    found = made_up(10, (1, 1))
    with pytest.raises(DataRejected, match="no review has a text"):
        select(Survey(found.digests, found.groups, found.labels, np.zeros(10, bool)), Shares(), balance=True, seed=7)


def test_a_rating_too_rare_to_split_is_refused_by_name() -> None:
    found = made_up(500, (1, 1, 1))
    found.labels[:] = np.where(np.arange(500) < 2, 2, 0)
    with pytest.raises(DataRejected, match="of rating 3") as caught:
        select(found, Shares(), balance=True, seed=7)
    assert "3: 2" in caught.value.seen
    assert "balance=false" in caught.value.next_step
    assert (select(found, Shares(), balance=False, seed=7).destinations != UNUSED).all()


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ((0.0, 0.05), "validation_share"),
        ((0.05, 0.3), "test_share"),
        ((0.05, -0.1), "test_share"),
        ((0.05, 0.05, -1), "min_test_rows"),
    ],
)
def test_shares_out_of_range_are_refused(values: tuple[float, ...], name: str) -> None:
    with pytest.raises(UsageError, match=name):
        Shares(*values)
