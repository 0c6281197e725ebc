"""What pods of Kubeflow are told whose step is done on EMR, and which placements are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from intermodal.aws.data_settings import emr_settings
from intermodal.core.config import load_settings
from intermodal.errors import UsageError
from intermodal.runtime.base import RunRequest
from intermodal.runtime.kubeflow.delegation import delegations
from intermodal.runtime.pipeline import Pipeline, load_pipeline
from intermodal.runtime.placements import read_placements

TESTS = Path(__file__).resolve().parents[3]
SECTION: dict[str, Any] = {"application": "00abc1", "executors": 5, "configuration": {"spark.executor.memory": "6g"}}


@pytest.fixture
def squaring(monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    monkeypatch.syspath_prepend(str(TESTS))
    return load_pipeline(f"{TESTS / 'spark_pipelines.py'}:squaring")


def test_a_pod_reads_the_section_from_its_variables(squaring: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    request = RunRequest(squaring, {}, placements={"square": "emr-serverless"})
    told = delegations(request, {"emr": SECTION})["square"]
    assert told["INTERMODAL_ON"] == "emr-serverless"
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    inside = emr_settings(replace(load_settings(), extra={}))
    assert inside == emr_settings(replace(load_settings(), extra={"emr": SECTION}))
    assert (inside.application, inside.executors) == ("00abc1", 5)


def test_a_place_that_is_not_named_is_refused_before_a_pod_finds_out(squaring: Pipeline) -> None:
    request = RunRequest(squaring, {}, placements={"square": "emr-eks"})
    with pytest.raises(UsageError, match="virtual cluster"):
        delegations(request, {"emr": SECTION})


@pytest.mark.parametrize("runtime", ["local", "sagemaker", "kubeflow"])
def test_only_steps_for_spark_are_placed_there(squaring: Pipeline, runtime: str) -> None:
    assert read_placements(["square=emr-eks"], runtime, squaring, {}) == {"square": "emr-eks"}
    assert read_placements([], runtime, squaring, {"place": {"square": "emr-serverless"}}) == {
        "square": "emr-serverless"
    }
    with pytest.raises(UsageError, match="step count is not one for Spark"):
        read_placements(["count=emr-eks"], runtime, squaring, {})
