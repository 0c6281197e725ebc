"""Bills of services' own jobs reach the journal of the step that follows them, and end no step."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from intermodal.aws.calls import Refused
from intermodal.aws.job_kinds import AUTOML, TRANSFORM, TUNING
from intermodal.aws.service_bills import log_bills
from intermodal.aws.settings import SageMakerSettings
from intermodal.core.events import JOURNAL_VARIABLE

START = datetime(2030, 1, 1, tzinfo=UTC)
CHILD = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 0}


class Answers:
    """Stands for `Calls`: two children of a tuning job, each charged for an hour."""

    settings = SageMakerSettings()

    def __init__(self, refuses: bool = False) -> None:
        self.refuses = refuses

    def __call__(self, operation: str, **given: Any) -> dict[str, Any]:
        assert operation == "DescribeTrainingJob"
        if self.refuses:
            raise Refused("sagemaker refused DescribeTrainingJob", code="AccessDeniedException", seen="no")
        return {**given, "BillableTimeInSeconds": 3600, "ResourceConfig": CHILD}

    def pages(self, operation: str, member: str, **given: Any) -> list[dict[str, str]]:
        assert (operation, member) == ("ListTrainingJobsForHyperParameterTuningJob", "TrainingJobSummaries")
        return [{"TrainingJobName": "a"}, {"TrainingJobName": "b"}]


@pytest.fixture
def journal(tmp_path, monkeypatch):
    path = tmp_path / "journal.jsonl"
    monkeypatch.setenv(JOURNAL_VARIABLE, str(path))
    return lambda: [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_tuning_job_costs_what_its_children_do(journal):
    log_bills(Answers(), TUNING, {"HyperParameterTuningJobName": "t"})
    (event,) = journal()
    assert event["event"] == "bill"
    assert (event["bill"]["jobs"], event["bill"]["billed_seconds"]) == (2, 7200)
    assert event["bill"]["cost_usd"] == pytest.approx(2 * 0.23)


def test_a_transform_job_costs_from_start_to_end(journal):
    times = {"TransformStartTime": START, "TransformEndTime": START + timedelta(hours=1)}
    resources = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1}
    log_bills(Answers(), TRANSFORM, {"TransformJobName": "x", "TransformResources": resources, **times})
    assert journal()[0]["bill"]["cost_usd"] == pytest.approx(0.23)


def test_autopilot_does_not_say_what_it_cost(journal):
    log_bills(Answers(), AUTOML, {"AutoMLJobName": "a"})
    assert journal() == []


def test_a_bill_that_may_not_be_asked_for_ends_no_step(journal, capsys):
    log_bills(Answers(refuses=True), TUNING, {"HyperParameterTuningJobName": "t"})
    assert journal() == []
    assert "not known" in capsys.readouterr().out
