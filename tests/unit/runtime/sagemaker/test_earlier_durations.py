"""How long tasks took before: what SageMaker charged first, then this machine's runs, then what the store remembers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from intermodal.aws.cost import dollars
from intermodal.aws.request import Place
from intermodal.aws.settings import JobSettings, SageMakerSettings
from intermodal.core.config import load_settings
from intermodal.runtime.pipeline import load_pipeline
from intermodal.runtime.record import RunRecord, TaskRecord
from intermodal.runtime.sagemaker.cost_plan import earlier_durations, estimate_pipeline, estimate_rendered
from intermodal.runtime.sagemaker.rendered_pipeline import rendered_pipeline
from launching import TESTS

PLACE = Place("123456789012", "us-east-1", "arn:aws:iam::123456789012:role/r", "s3://b/intermodal")


@pytest.fixture
def tiny(home: Path):
    shutil.copy(TESTS / "tiny_pipeline.py", "tiny.py")
    return load_pipeline("tiny.py")


def record(name: str, *tasks: TaskRecord, started: str = "2030-01-01", pipeline: str = "tiny") -> None:
    RunRecord(name, pipeline, "tiny.py", {}, {}, state="SUCCEEDED", started=started, tasks=tasks).save(
        load_settings().runs
    )


def done(name: str, seconds: float, **more) -> TaskRecord:
    return TaskRecord(name, state="SUCCEEDED", seconds=seconds, **more)


def test_nothing_is_known_of_what_never_ran(tiny):
    assert earlier_durations(tiny, load_settings()) == {}


def test_the_newest_run_counts_and_a_bill_counts_more(tiny):
    bill = {"billed_seconds": 60.0, "cost_usd": 1.0}
    record("old", done("generate", 9.0, bill=bill), done("ingest", 7.0), started="2030-01-01")
    record("new", done("generate", 3.0), done("ingest", 5.0), started="2030-01-02")
    found = earlier_durations(tiny, load_settings())
    assert (found["generate"].instance_seconds, found["generate"].basis) == (60.0, "as in old")
    assert (found["ingest"].seconds, found["ingest"].basis) == (5.0, "as in new, on local")


def test_cached_and_failed_tasks_and_other_pipelines_tell_nothing(tiny):
    record("cached", done("generate", 0.1, cached=True), TaskRecord("ingest", state="FAILED", seconds=4.0))
    record("other", done("generate", 5.0), pipeline="another")
    assert earlier_durations(tiny, load_settings()) == {}


def test_iterations_of_a_loop_are_one_task(tiny):
    record("loop", done("generate.0", 2.0), done("generate.1", 3.0))
    assert earlier_durations(tiny, load_settings())["generate"].seconds == 2.0


def test_the_store_remembers_what_no_record_does(tiny, capfd):
    from shutil import rmtree

    from intermodal.cli.main import main

    assert main(["run", "tiny.py", "--debug", "-q"]) == 0
    rmtree(load_settings().runs)
    found = earlier_durations(tiny, load_settings())
    assert set(found) == {"generate", "ingest"}
    assert all(item.seconds > 0 and item.basis == "as the store remembers" for item in found.values())
    planned, costs = estimate_pipeline(tiny, {}, load_settings(), SageMakerSettings(), PLACE)
    assert [item.verdict for item in planned] == ["hit", "hit"]
    assert costs.tasks == () and costs.usd == 0


def test_a_price_table_of_the_users_own_counts(tiny, tmp_path):
    path = tmp_path / "prices.json"
    path.write_text('{"date": "d", "region": "us-east-1", "source": "ours", "hour": {"ml.m5.xlarge": 36.0}}')
    settings = SageMakerSettings(prices=str(path), job=JobSettings(instance_type="ml.m5.xlarge", max_runtime=100))
    rendered = rendered_pipeline(tiny, {}, load_settings(), settings, PLACE)
    made = estimate_rendered(tiny, rendered, [], load_settings(), settings)
    assert made.usd == pytest.approx(2 * 1.0)
    assert dollars(made.usd) == "$2.00"


def test_a_step_that_is_placed_elsewhere_costs_nothing(tiny):
    settings = SageMakerSettings()
    _, costs = estimate_pipeline(tiny, {}, load_settings(), settings, PLACE, {"generate": "local"})
    assert [item.task for item in costs.tasks] == ["ingest"]
