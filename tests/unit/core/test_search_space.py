"""Ranges of parameters, and tunings as values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given as cases
from hypothesis import strategies as st

from intermodal.core.registry import load_spec
from intermodal.core.search_space import CATEGORICAL, Range, read_space, text_of
from intermodal.core.tuning_plan import MAXIMIZE, grid_size, read_tuning_plan
from intermodal.core.values import from_text
from intermodal.errors import UsageError

BASELINE = load_spec("baseline")
PARAMETERS: dict[str, Any] = {
    "train": "baseline", "ranges": {"min_texts": [1, 2]}, "fixed": {}, "metric": "validation_accuracy",
    "direction": "maximize", "trial_count": 4, "parallel": 9, "strategy": "Bayesian", "early_stopping": False,
    "max_seconds": 0, "warm_start": [], "transfer": False, "seed": 3,
}  # fmt: skip


def test_ranges_are_read_in_the_order_of_their_names() -> None:
    space = read_space(
        {"regularisation": {"type": "continuous", "min": 1, "max": 2.5}, "min_texts": [3, 1.0]}, BASELINE
    )
    assert space == (
        Range("min_texts", CATEGORICAL, values=(3, 1)),
        Range("regularisation", "continuous", 1.0, 2.5, "auto"),
    )


@pytest.mark.parametrize(
    ("ranges", "why"),
    [
        ({}, "nothing is to be tuned"),
        ({"min_words": [1]}, "no parameter of that name"),
        ({"min_texts": []}, "range of min_texts is wrong"),
        ({"min_texts": {"type": "continuous", "min": 1, "max": 2}}, "range of min_texts is wrong"),
        ({"min_texts": {"type": "integer", "min": 1.5, "max": 2}}, "range of min_texts is wrong"),
        ({"min_texts": ["a"]}, "wrong type"),
        ({"regularisation": {"type": "continuous", "min": 2, "max": 2}}, "range of regularisation is wrong"),
        ({"regularisation": {"type": "continuous", "min": 0, "max": 2, "scale": "log"}}, "regularisation is wrong"),
        ({"regularisation": {"type": "continuous", "min": 0, "max": 2, "scale": "reverse_log"}}, "is wrong"),
        ({"regularisation": {"type": "continuous", "min": 0, "max": 2, "step": 1}}, "regularisation is wrong"),
        ({"regularisation": {"type": "continuous", "min": True, "max": 2}}, "regularisation is wrong"),
    ],
)
def test_ranges_that_cannot_be_searched_are_refused(ranges: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        read_space(ranges, BASELINE)


@cases(st.one_of(st.text(max_size=20), st.integers(-(2**40), 2**40), st.booleans(), st.floats(allow_nan=False)))
def test_a_value_as_text_comes_back(value: Any) -> None:
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return
    assert from_text("x", type(value), text_of(value)) == value


def test_a_wide_positive_range_is_searched_by_magnitude() -> None:
    assert Range("x", "continuous", 0.1, 10.0).by_magnitude
    assert not Range("x", "continuous", 1.0, 2.0).by_magnitude
    assert not Range("x", "continuous", 0.0, 10.0).by_magnitude
    assert not Range("x", "continuous", 0.1, 10.0, "linear").by_magnitude


def test_a_plan_takes_the_seed_and_no_more_trials_at_a_time_than_there_are() -> None:
    plan = read_tuning_plan(PARAMETERS)
    assert (plan.fixed, plan.parallel, plan.strategy) == ({"seed": 3}, 4, "bayesian")
    assert read_tuning_plan({**PARAMETERS, "fixed": {"seed": 5}}).fixed == {"seed": 5}
    assert read_tuning_plan({**PARAMETERS, "ranges": {"seed": [1, 2]}}).fixed == {}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"train": "featurize"}, "cannot be tuned"),
        ({"train": "nothing"}, "no step of that name"),
        ({"fixed": {"min_texts": 1}}, "both fixed and tuned"),
        ({"fixed": {"other": 1}}, "no parameter of that name"),
        ({"direction": "up"}, "direction is unknown"),
        ({"strategy": "genetic"}, "strategy is unknown"),
        ({"trial_count": 0}, "trials is too small"),
        ({"metric": ""}, "no metric"),
        ({"max_seconds": -1}, "negative"),
        (
            {"strategy": "grid", "ranges": {"regularisation": {"type": "continuous", "min": 1, "max": 2}}},
            "categorical ranges alone",
        ),
    ],
)
def test_a_plan_that_cannot_be_done_is_refused_before_anything_starts(change: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        read_tuning_plan({**PARAMETERS, **change})


def test_a_score_that_is_not_known_is_worse_than_all() -> None:
    plan = read_tuning_plan(PARAMETERS)
    assert plan.direction == MAXIMIZE
    assert plan.better(0.5, 0.4)
    assert plan.better(0.1, None)
    assert not plan.better(None, 0.1)
    assert not plan.better(None, None)
    assert not plan.better(0.5, 0.5)


def test_a_grid_has_as_many_points_as_its_ranges_multiply_to() -> None:
    ranges = {"min_texts": [1, 2, 3], "regularisation": [0.5, 1.0]}
    assert grid_size(read_tuning_plan({**PARAMETERS, "strategy": "grid", "ranges": ranges})) == 6
