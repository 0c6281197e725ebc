"""The champion gate as a pure function."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intermodal.errors import ArtifactCorrupt
from intermodal.tracking.gate import Decision, Standing, Terms, judge, without_comparison
from mlflow_cases import standing

accuracies = st.floats(0, 1, allow_nan=False).map(lambda value: round(value, 4))


def test_the_first_model_passes_the_floor_or_does_not() -> None:
    terms = Terms(floor=0.3, margin=0.0)
    assert judge(standing("a", 0.30), None, terms).accepted
    refused = judge(standing("a", 0.2999), None, terms)
    assert not refused.accepted
    assert refused.reasons == ("accuracy 0.2999 is below the floor 0.3000",)


def test_an_equal_score_does_not_replace_the_champion() -> None:
    decision = judge(standing("new", 0.5), standing("old", 0.5), Terms(0.3, 0.0))
    assert not decision.accepted
    assert decision.champion_digest == "old"
    assert "not above the champion's 0.5000" in decision.reasons[0]


def test_the_margin_counts() -> None:
    champion = standing("old", 0.50)
    assert judge(standing("new", 0.53), champion, Terms(0.3, 0.02)).accepted
    assert not judge(standing("new", 0.515), champion, Terms(0.3, 0.02)).accepted


def test_a_difference_within_the_interval_is_said() -> None:
    near = judge(standing("new", 0.52), standing("old", 0.5), Terms(0.3, 0.0))
    far = judge(standing("new", 0.60), standing("old", 0.5), Terms(0.3, 0.0))
    assert any("within the 95 % interval" in reason for reason in near.reasons)
    assert not any("within" in reason for reason in far.reasons)


def test_the_champion_itself_keeps_its_place() -> None:
    assert judge(standing("same", 0.2), standing("same", 0.2), Terms(0.3, 0.5)).accepted


def test_scores_on_different_splits_do_not_compare() -> None:
    with pytest.raises(ValueError, match="different test splits"):
        judge(standing("new", 0.9), standing("old", 0.5, test="another"), Terms(0.3, 0.0))


@given(accuracies, accuracies, accuracies, st.floats(0, 0.2))
def test_who_is_accepted_beats_floor_and_champion(mine: float, theirs: float, floor: float, margin: float) -> None:
    decision = judge(standing("new", mine), standing("old", theirs), Terms(floor, margin))
    assert decision.accepted == (mine >= floor and mine > theirs + margin)
    assert decision.reasons


def test_a_decision_survives_json() -> None:
    decisions = [
        judge(standing("new", 0.6), standing("old", 0.5), Terms(0.3, 0.0)),
        judge(standing("new", 0.6), None, Terms(0.3, 0.0)),
        without_comparison(standing("new", 0.6), "old", "no torch", Terms(0.3, 0.0)),
    ]
    for decision in decisions:
        assert Decision.from_json(json.loads(json.dumps(decision.to_json()))) == decision


def test_an_evaluation_without_an_accuracy_is_refused() -> None:
    with pytest.raises(ArtifactCorrupt, match="lacks what the gate needs"):
        Standing.of_evaluation({"test_digest": "t", "rows": 5}, "digest")
