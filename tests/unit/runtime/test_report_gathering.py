"""What a run's page is drawn from, and what happens when it cannot be drawn."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from intermodal.core.config import load_settings
from intermodal.runtime.record import RunRecord, find_record
from intermodal.runtime.report import command_of, gather
from launching import TESTS, intermodal

LINE = f"{TESTS / 'toy_pipelines.py'}:line"


def test_the_page_holds_tasks_artifacts_lineage_and_the_command(home: Path) -> None:
    run = intermodal("run", LINE, "-p", "n=4", "--json").json
    settings = load_settings()
    record = find_record(settings.runs, run["run_id"])
    report = gather(record, settings)
    assert [task.name for task in report.tasks] == ["make", "spread", "total"]
    assert report.tasks[0].parameters["n"] == 4
    assert ("make/data", "spread/parts") in {(edge.source, edge.target) for edge in report.lineage}
    assert command_of(record) == f"intermodal run {LINE} -p n=4"
    assert json.loads((settings.runs / record.run_id / "report.json").read_text())["run_id"] == record.run_id
    page = (settings.runs / record.run_id / "report.html").read_text()
    assert page.count("<svg") >= 1


def test_the_page_says_where_the_tasks_ran_and_the_command_goes_there_again(home: Path) -> None:
    settings, ran = load_settings(), RunRecord("r-1", "p", "p.py", {"n": 4}, {}, mode="jobs", runtime="sagemaker")
    assert gather(ran, settings).runtime == "sagemaker"
    assert command_of(ran) == "intermodal run p.py --on sagemaker -p n=4"
    mixed = replace(ran, mode="subprocess", runtime="local", placements={"train": "sagemaker"})
    assert gather(mixed, settings).runtime == "local, subprocess; train on sagemaker"
    assert command_of(mixed) == "intermodal run p.py --place train=sagemaker -p n=4"
    assert command_of(replace(ran, reference="step:tune")) == "intermodal step tune --n=4 --on sagemaker"


def test_a_page_that_cannot_be_drawn_is_a_warning_not_a_failure(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from intermodal.report import page
    from intermodal.runtime import report

    intermodal("run", LINE)
    settings = load_settings()
    record = find_record(settings.runs)

    def broken(_report: object) -> str:
        raise RuntimeError("no ink")

    monkeypatch.setattr(page, "build_report", broken)
    assert report.write_report(record, settings) is None
    assert "no ink" in (settings.runs / record.run_id / "report-error.txt").read_text()


def test_the_report_verb_writes_the_page_anew(home: Path) -> None:
    intermodal("run", LINE)
    page = Path(intermodal("report", "--json").json["report"])
    page.unlink()
    assert intermodal("report").out.strip() == str(page)
    assert page.is_file()


def test_a_failed_step_keeps_its_remains_for_the_page(home: Path) -> None:
    made = intermodal(
        "run", f"{TESTS / 'toy_pipelines.py'}:guarded", "-p", f"folder={home}", "-p", "message=broken", "--json"
    )
    assert made.code == 4
    page = Path(made.json["report"]).read_text()
    assert "broken" in page
