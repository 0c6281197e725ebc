"""What a step says a service charged stands in its task's record, however it runs; a cached task costs nothing."""

from __future__ import annotations

import pytest

from intermodal.cli.main import main
from intermodal.core.config import load_settings
from intermodal.runtime.record import find_record
from launching import pipeline

BILLED = pipeline("billed", "billed_pipelines.py")


@pytest.mark.parametrize("words", [["--debug"], []], ids=["in this process", "in a process of its own"])
def test_the_last_bill_counts(home, words):
    assert main(["run", BILLED, "-q", *words]) == 0
    (task,) = find_record(load_settings().runs).tasks
    assert task.bill == {"jobs": 2.0, "billed_seconds": 120.0, "cost_usd": 0.5}
    page = (load_settings().runs / find_record(load_settings().runs).run_id / "report.html").read_text()
    assert ">Cost<" in page and "$0.5000" in page


def test_a_remembered_result_costs_nothing(home):
    assert main(["run", BILLED, "--debug", "-q"]) == 0
    assert main(["run", BILLED, "--debug", "-q"]) == 0
    (task,) = find_record(load_settings().runs).tasks
    assert (task.cached, task.bill) == (True, {})
