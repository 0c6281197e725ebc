"""Which values a search gives."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intermodal.core.search_space import CATEGORICAL, CONTINUOUS, INTEGER, Range
from intermodal.tuning.search import Earlier, Search

SPACE = (
    Range("rate", CONTINUOUS, 1e-4, 1.0, "log"),
    Range("size", INTEGER, 1, 64),
    Range("kind", CATEGORICAL, values=("a", ["b"], {"c": 1})),
    Range("momentum", CONTINUOUS, 0.5, 0.99, "reverse_log"),
)


def score(values: dict[str, object]) -> float:
    return -abs(float(values["size"]) - 20) - (0 if values["kind"] == ["b"] else 5)  # type: ignore[arg-type]


def searched(search: Search, trials: int, of: Callable[[dict[str, object]], float] = score) -> list[dict[str, object]]:
    found = []
    for number in range(trials):
        values = search.ask(number)
        search.tell(number, of(values))
        found.append(values)
    return found


@pytest.mark.parametrize("strategy", ["bayesian", "random", "hyperband"])
def test_the_same_seed_gives_the_same_values(strategy: str) -> None:
    one, two, other = (searched(Search(SPACE, strategy=strategy, seed=seed), 15) for seed in (3, 3, 4))
    assert one == two
    assert one != other


@settings(max_examples=25, deadline=None)
@given(
    low=st.floats(-50, 50), span=st.floats(0.5, 100), first=st.integers(-20, 20), more=st.integers(1, 30),
    seed=st.integers(0, 2**31), chance=st.booleans(),
)  # fmt: skip
def test_values_lie_within_their_ranges(
    low: float, span: float, first: int, more: int, seed: int, chance: bool
) -> None:
    space = (Range("x", CONTINUOUS, low, low + span), Range("n", INTEGER, first, first + more))
    for values in searched(Search(space, strategy="random" if chance else "bayesian", seed=seed), 6, lambda _: 0.0):
        assert low <= values["x"] <= low + span  # type: ignore[operator]
        assert isinstance(values["n"], int)
        assert first <= values["n"] <= first + more


def test_a_bayesian_search_tries_better_values_than_chance() -> None:
    late = {
        name: sum(score(values) for values in searched(Search(SPACE, strategy=name, seed=1), 45)[30:])
        for name in ("bayesian", "random")
    }
    assert late["bayesian"] > late["random"]


def test_a_grid_tries_every_combination_once() -> None:
    space = (Range("a", CATEGORICAL, values=(1, 2, 3)), Range("b", CATEGORICAL, values=("x", "y")))
    found = searched(Search(space, strategy="grid"), 6, lambda _: 0.0)
    assert len({(item["a"], item["b"]) for item in found}) == 6


def test_what_lies_behind_the_median_is_to_be_stopped_and_nothing_else() -> None:
    search = Search(SPACE, early_stopping=True)
    for number in range(4):
        search.ask(number)
        assert not search.report(number, 1, 0.8)
        search.tell(number, 0.8)
    search.ask(4)
    search.ask(5)
    assert not search.report(4, 1, 0.9)
    assert search.report(5, 1, 0.1)
    search.tell(5, None, stopped=True)
    search.tell(4, 0.9)


def test_without_early_stopping_nothing_is_stopped() -> None:
    search = Search(SPACE)
    for number in range(5):
        search.ask(number)
        search.report(number, 1, 0.8)
        search.tell(number, 0.8)
    search.ask(5)
    assert not search.report(5, 1, 0.0)


def test_earlier_trials_are_learned_from_when_they_lie_within_the_ranges() -> None:
    good = {"rate": 0.1, "size": 20, "kind": ["b"], "momentum": 0.9}
    earlier = [Earlier({**good, "size": size}, score({**good, "size": size})) for size in range(1, 60, 3)]
    search = Search(SPACE, seed=2)
    assert search.learn([*earlier, Earlier({**good, "rate": 2.0}, 0.0), Earlier({"rate": 0.1}, 0.0)]) == len(earlier)
    warm = searched(search, 5)
    assert all(values["kind"] == ["b"] for values in warm[:2])
    assert max(map(score, warm)) > max(map(score, searched(Search(SPACE, seed=2), 3)))
