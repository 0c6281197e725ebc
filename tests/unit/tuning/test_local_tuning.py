"""Tunings on this machine, over toy training steps that only say a number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from intermodal.core.tuning_plan import TuningPlan, read_tuning_plan
from intermodal.errors import ArtifactCorrupt, StepFailed
from intermodal.tuning.engine import Given, tune_locally
from intermodal.tuning.records import TrialRecord, describe, read_trials, write_trials

CURVE = "toy_training:toy_training"
X = {"type": "continuous", "min": -4.0, "max": 4.0, "scale": "linear"}


def plan_of(**changes: Any) -> TuningPlan:
    parameters = {
        "train": CURVE, "ranges": {"x": X}, "fixed": {}, "metric": "score", "direction": "maximize",
        "trial_count": 6, "parallel": 2, "strategy": "bayesian", "early_stopping": False, "max_seconds": 0,
        "warm_start": [], "transfer": False, "seed": 5,
    }  # fmt: skip
    return read_tuning_plan({**parameters, **changes})


@pytest.fixture
def given(tmp_path: Path) -> Given:
    (tmp_path / "features").mkdir()
    return Given(tmp_path / "features", {"who": "me"}, {})


def test_the_best_trial_s_model_is_kept_and_no_other(given: Given, tmp_path: Path) -> None:
    work = tmp_path / "work"
    tuned = tune_locally(plan_of(), given, tmp_path / "model", work)
    scores = [trial.objective for trial in tuned.trials]
    assert tuned.best.objective == max(scores)  # type: ignore[type-var]
    told = json.loads((tmp_path / "model" / "told.json").read_text())
    assert told == {"seed": 5, "x": tuned.best.parameters["x"], "who": "me"}
    assert tuned.metadata == {"x": tuned.best.parameters["x"]}
    assert len(list(work.iterdir())) == 1


def test_the_same_seed_gives_the_same_trials_however_many_run_at_a_time_end_first(given: Given, tmp_path: Path) -> None:
    one, two = (
        [trial.to_json() for trial in tune_locally(plan_of(), given, tmp_path / name, tmp_path / f"{name}-w").trials]
        for name in ("one", "two")
    )
    assert one == two


def test_a_trial_that_fails_or_vanishes_ends_nothing(given: Given, tmp_path: Path) -> None:
    ranges = {"ending": ["well", "raise", "vanish", "silent"]}
    tuned = tune_locally(plan_of(ranges=ranges, strategy="grid"), given, tmp_path / "model", tmp_path / "work")
    by = {trial.parameters["ending"]: trial for trial in tuned.trials}
    assert by["well"].state == "COMPLETED"
    assert "ValueError: asked for" in by["raise"].reason
    assert "without a word" in by["vanish"].reason
    assert "the step logged no score; it logged other" in by["silent"].reason
    assert tuned.best == by["well"]


def test_when_all_trials_fail_the_reason_is_told(given: Given, tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="none of 1 trials") as caught:
        tune_locally(plan_of(ranges={"ending": ["raise"]}, trial_count=1), given, tmp_path / "model", tmp_path / "work")
    assert "asked for" in caught.value.seen


def test_values_that_were_tried_are_not_trained_again(given: Given, tmp_path: Path) -> None:
    ranges = {"x": [1.0, 2.0]}
    tuned = tune_locally(plan_of(ranges=ranges, strategy="random"), given, tmp_path / "model", tmp_path / "work")
    assert len(tuned.trials) == 6
    assert sum(trial.seconds > 0 for trial in tuned.trials) == 2
    assert tuned.best.number == min(trial.number for trial in tuned.trials if trial.parameters == {"x": 1.0})


def test_a_trial_behind_the_median_is_stopped_at_the_same_step_every_time(given: Given, tmp_path: Path) -> None:
    ranges = {"x": [0.0, 0.1, 0.2, 3.9, 4.0]}
    plan = plan_of(ranges=ranges, strategy="grid", early_stopping=True, parallel=1, fixed={"steps": 4}, seed=1)
    one, two = (tune_locally(plan, given, tmp_path / name, tmp_path / f"{name}-work") for name in ("one", "two"))
    assert [trial.to_json() for trial in one.trials] == [trial.to_json() for trial in two.trials]
    ends = [(trial.parameters["x"], trial.state) for trial in one.trials]
    assert ends == [(x, "STOPPED" if x > 3 else "COMPLETED") for x in ranges["x"]]
    assert one.trials[-1].objective == -4.0  # a quarter of the way: -16 is where it would have ended
    assert one.best.parameters["x"] == 0.0


def test_a_limit_of_time_ends_the_tuning_after_a_trial(given: Given, tmp_path: Path) -> None:
    plan = plan_of(max_seconds=1, trial_count=500, parallel=1, fixed={"pause": 1.1})
    tuned = tune_locally(plan, given, tmp_path / "model", tmp_path / "work")
    assert 1 <= len(tuned.trials) < 500


def test_an_earlier_tuning_is_learned_from(given: Given, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    plan = plan_of(trial_count=3)
    first = tune_locally(plan, given, tmp_path / "one", tmp_path / "one-work")
    earlier = describe(plan, first.trials, first.best)
    tune_locally(plan, Given(given.features, {}, earlier), tmp_path / "two", tmp_path / "two-work")
    assert "3 trials of an earlier tuning are known" in capfd.readouterr().out
    other = describe(plan_of(metric="other"), first.trials, first.best)
    tune_locally(plan, Given(given.features, {}, other), tmp_path / "three", tmp_path / "three-work")
    assert "0 trials of an earlier tuning are known" in capfd.readouterr().out


def test_trials_are_written_as_json_and_as_a_table(tmp_path: Path) -> None:
    trials = [
        TrialRecord(0, {"x": 1.5, "kind": "a", "n": 1}, "COMPLETED", 0.5, {"score": 0.5}, seconds=3.0),
        TrialRecord(1, {"x": 2.5, "kind": ["b"], "n": 2}, "FAILED", None, {}, "it broke"),
    ]
    write_trials(tmp_path, describe(plan_of(), trials, trials[0]))
    table = pq.read_table(tmp_path / "trials.parquet").to_pylist()
    assert table[0] == {
        "number": 0, "state": "COMPLETED", "objective": 0.5, "reason": "", "parameter.kind": "a",
        "parameter.n": 1, "parameter.x": 1.5,
    }  # fmt: skip
    assert (table[1]["parameter.kind"], table[1]["objective"], table[1]["reason"]) == ('["b"]', None, "it broke")
    found = read_trials(tmp_path)
    assert (found["best"], found["metric"], found["trials"][1]["reason"]) == (0, "score", "it broke")
    assert "seconds" not in (tmp_path / "trials.json").read_text()


def test_what_are_no_trials_is_refused(tmp_path: Path) -> None:
    (tmp_path / "trials.json").write_text("[]")
    with pytest.raises(ArtifactCorrupt, match="no trials"):
        read_trials(tmp_path)
