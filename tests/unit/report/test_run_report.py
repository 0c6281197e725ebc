"""The value of a run: JSON in and out, forgiving where a run left things unfinished."""

from __future__ import annotations

import json

import pytest

from intermodal.errors import UsageError
from intermodal.report.model import RunReport, TaskRow
from intermodal.report.scores import Evaluation
from intermodal.report.sections import Registration
from intermodal.report.views.candidates import chosen_evaluation, with_candidate_names
from report_cases import failed_run, full_run


@pytest.mark.parametrize("run", [full_run(), failed_run(), RunReport("bare")], ids=["full", "failed", "bare"])
def test_json_there_and_back_is_the_same_value(run):
    text = json.dumps(run.to_json(), allow_nan=False)
    assert RunReport.from_json(json.loads(text)) == run


def test_constraints_below_their_checks_become_one_list():
    found = full_run().sections.validation
    assert [row.passed for row in found.constraints] == [True, True, False]
    assert (found.rows_clean, found.rows_quarantined) == (996, 4)


def test_unknown_keys_are_ignored_and_numbers_that_are_none_dropped():
    read = RunReport.from_json(
        {"run_id": 7, "seconds": float("nan"), "new": 1, "tasks": [{"name": "a", "seconds": "x"}]}
    )
    assert (read.run_id, read.seconds, read.tasks[0].seconds) == ("7", None, None)
    assert RunReport.from_json({"run_id": "a", "tasks": None, "parameters": []}).tasks == ()


def test_a_bare_number_reads_as_an_estimate():
    read = RunReport.from_json({"run_id": "a", "sections": {"evaluations": [{"accuracy": 0.5}]}})
    assert read.sections.evaluations[0].accuracy.value == 0.5


@pytest.mark.parametrize("data", [{}, [], "x", {"run_id": "a", "tasks": [{}]}, {"run_id": "a", "sections": 3}])
def test_what_is_no_report_is_refused(data):
    with pytest.raises(UsageError):
        RunReport.from_json(data)


def test_infinite_numbers_become_null():
    fields = RunReport("a", parameters={"x": float("inf"), "y": (1, {2: None})}).to_json()
    assert fields["parameters"] == {"x": None, "y": [1, {"2": None}]}


def test_a_task_that_succeeded_from_the_cache_is_shown_as_cached():
    assert TaskRow("a", state="succeeded", cached=True).shown_state == "CACHED"
    assert TaskRow("a", state="FAILED", cached=True).shown_state == "FAILED"


def test_a_failed_run_names_its_failed_tasks_or_its_own_error():
    assert [(name, error.headline) for name, error in failed_run().failures()] == [("validate", "1 Error check failed")]
    own = RunReport.from_json({"run_id": "a", "state": "FAILED", "error": {"headline": "no store"}})
    assert [(name, error.headline) for name, error in own.failures()] == [("", "no store")]


def test_candidates_are_named_after_the_tasks_that_trained_them():
    named = with_candidate_names(full_run())
    assert [item.name for item in named.sections.evaluations] == ["baseline", "train-pytorch"]


def test_candidates_with_one_name_are_told_apart():
    fields = full_run().to_json()
    fields["tasks"] = []
    for item in fields["sections"]["evaluations"]:
        item["name"] = "same"
    names = [item.name for item in with_candidate_names(RunReport.from_json(fields)).sections.evaluations]
    assert names == ["same (1)", "same (2)"]


def test_the_candidate_of_the_gate_is_the_one_the_page_is_about():
    run = full_run()
    assert chosen_evaluation(run).name == "evaluate-2"
    fields = run.to_json()
    fields["sections"]["registration"]["model_digest"] = "sha256:evaluate"
    assert chosen_evaluation(RunReport.from_json(fields)).name == "evaluate"
    fields["sections"]["registration"] = None
    assert chosen_evaluation(RunReport.from_json(fields)).name == "evaluate-2"
    assert chosen_evaluation(RunReport("bare")) is None


def test_what_the_gate_said():
    assert Registration(decision="accepted").accepted
    assert not Registration(decision="rejected").accepted
    assert Registration(model_digest="a", champion_digest="a").unchanged
    assert not Registration().unchanged


def test_class_names_come_from_the_labels_the_scores_or_the_size():
    assert Evaluation(labels=("x",)).class_names() == ["x"]
    assert Evaluation(confusion=((1, 0), (0, 1))).class_names() == ["1", "2"]
