"""What a run was charged with stands on its page, in its record and in MLflow's metrics; without jobs, nowhere."""

from __future__ import annotations

import json
from dataclasses import replace

from intermodal.aws.billing import shared_bill
from intermodal.report.model import RunReport
from intermodal.report.page import build_report
from intermodal.report.wording import dollars
from intermodal.runtime.record import RunRecord, TaskRecord, load_record
from intermodal.runtime.report import gather
from intermodal.runtime.tracker import bill_metrics

BILL = {
    "jobs": 2.0,
    "billed_seconds": 120.0,
    "saved_seconds": 60.0,
    "instance_type": "ml.m5.xlarge",
    "instances": 1.0,
    "prices": "prices of 2030-01-01 for us-east-1, a test",
    "cost_usd": 0.0077,
}
BARE = {name: value for name, value in BILL.items() if name != "cost_usd"}


def page(*bills: dict) -> str:
    tasks = [{"name": f"task-{number}", "state": "SUCCEEDED", "bill": bill} for number, bill in enumerate(bills)]
    return build_report(RunReport.from_json({"run_id": "r", "state": "SUCCEEDED", "tasks": tasks}))


def test_a_page_with_bills_tells_each_and_their_sum():
    html = page(BILL, {**BILL, "cost_usd": 1.5}, {})
    assert ">Cost<" in html
    assert "$1.51" in html
    assert "4 min 00 s billed" in html
    assert "$0.0077" in html
    assert "2 min 00 s of ml.m5.xlarge in 2 jobs; $0.0077; 1 min 00 s of spare capacity were not charged" in html
    assert html.count("What it cost") == 2
    assert "prices of 2030-01-01" in html


def test_a_bill_for_one_job_names_it():
    html = page({**BILL, "jobs": 1.0, "job": "reviews-ingest-5b5d4dac3016"})
    assert "2 min 00 s of ml.m5.xlarge in 1 job reviews-ingest-5b5d4dac3016; $0.0077" in html


def test_a_task_without_a_price_is_said_to_have_none():
    html = page(BILL, BARE)
    assert "without 1 of 2 tasks that have no price" in html
    assert "no price is known" in html


def test_a_page_without_bills_has_no_word_on_cost():
    html = page({}, {})
    assert ">Cost<" not in html
    assert "What it cost" not in html


def test_bills_go_from_the_record_to_the_page(home, tmp_path):
    from intermodal.core.config import load_settings

    record = RunRecord("r-1", "p", "p.py", {}, {}, tasks=(TaskRecord("a", state="SUCCEEDED", bill=BILL),))
    assert gather(record, load_settings()).tasks[0].bill == BILL


def test_a_record_keeps_bills_and_an_old_record_has_none(tmp_path):
    record = RunRecord("r-1", "p", "p.py", {}, {}, tasks=(TaskRecord("a", bill=BILL),))
    record.save(tmp_path)
    assert load_record(tmp_path / "r-1") == record
    path = tmp_path / "r-1" / "run.json"
    fields = json.loads(path.read_text())
    del fields["tasks"][0]["bill"]
    path.write_text(json.dumps(fields))
    assert load_record(tmp_path / "r-1") == replace(record, tasks=(TaskRecord("a"),))


def test_metrics_of_a_run_are_the_sums_of_its_tasks():
    assert bill_metrics(TaskRecord("a")) == {}
    assert bill_metrics(TaskRecord("a", bill=BILL)) == {
        "sagemaker.billed_seconds": 120.0,
        "sagemaker.cost_usd": 0.0077,
    }
    both = bill_metrics(TaskRecord("a", bill=BILL), TaskRecord("b", bill=BARE), TaskRecord("c"))
    assert both == {"sagemaker.billed_seconds": 240.0, "sagemaker.cost_usd": 0.0077}


def test_what_another_run_pays_is_told_with_its_seconds_and_counts_for_nothing():
    shared = shared_bill(BILL, "p-earlier")
    html = page(shared, BILL)
    assert "2 min 00 s of ml.m5.xlarge in 2 jobs; paid by p-earlier, which started the work" in html
    assert html.count("2 min 00 s billed") == 1  # the sum is of what this run pays
    assert "$0.0077" in html and "$0.0154" not in html
    tasks = TaskRecord("a", bill=shared), TaskRecord("b", bill=BILL)
    assert bill_metrics(*tasks) == {"sagemaker.billed_seconds": 120.0, "sagemaker.cost_usd": 0.0077}
    assert bill_metrics(tasks[0]) == {"sagemaker.billed_seconds": 0.0, "sagemaker.cost_usd": 0.0}


def test_a_bill_without_a_price_is_another_runs_too_and_none_stays_none():
    assert shared_bill(BARE, "p-earlier") == {**BARE, "cost_usd": 0.0, "paid_by": "p-earlier"}
    assert shared_bill(BILL, "") == BILL
    assert shared_bill({}, "p-earlier") == {}


def test_mlflow_is_told_which_run_pays(tmp_path, monkeypatch):
    from intermodal.core.config import load_settings
    from intermodal.runtime.outcome import Outcome
    from intermodal.runtime.tracker import Tracker

    monkeypatch.setenv("INTERMODAL_HOME", str(tmp_path))
    told = {}

    class Recorder:
        def log_batch(self, run, metrics, tags):
            told.update(tags)

        def end(self, run, state):
            told["state"] = state

    tracker = Tracker(load_settings(), tmp_path)
    tracker._recorder = Recorder()
    tracker.end_task("run", TaskRecord("a", state="SUCCEEDED", bill=shared_bill(BILL, "p-1")), Outcome("SUCCEEDED"), 0)
    assert (told["intermodal.paid_by"], told["state"]) == ("p-1", "FINISHED")


def test_small_amounts_do_not_read_as_nothing():
    assert [dollars(value) for value in (None, 0, 0.0077, 12.345)] == ["–", "$0.00", "$0.0077", "$12.35"]
