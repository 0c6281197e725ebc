"""A pipeline on SageMaker: made once, changed when it differs, started once, followed to a true end."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl

from intermodal import component
from intermodal.aws.calls import Calls
from intermodal.aws.client import place_in
from intermodal.aws.settings import SageMakerSettings
from intermodal.cli.main import main
from intermodal.errors import UsageError
from intermodal.runtime.pipeline import pipeline_of
from intermodal.runtime.sagemaker.pipelines.definition import Definition, render_definition
from intermodal.runtime.sagemaker.pipelines.executions import error_of, follow, outcomes, start, stop
from intermodal.runtime.sagemaker.pipelines.upsert import LARGEST, create_request, upsert
from local_sagemaker import LocalSageMaker, client

SETTINGS = SageMakerSettings(store="s3://bucket/intermodal", poll=0.2, patience=20)
generate, fail = component("generate"), component("fail")


def definition(rows: int = 1, steps: int = 1) -> Definition:
    """A pipeline of generators."""

    @dsl.pipeline(name="toy", description="A toy")
    def toy(framework: str = "none") -> None:
        for _ in range(steps):
            generate(rows=rows)
        with dsl.If(framework == "jax"):
            fail(message=f"no {framework} here", exit_code=2)

    return render_definition(pipeline_of(toy, "test"), SETTINGS, place_in(SETTINGS, "123456789012"))


@pytest.fixture
def calls(local_sagemaker: LocalSageMaker) -> Calls:
    """SageMaker."""
    return Calls("sagemaker", SETTINGS)


def test_upserting_twice_makes_one_pipeline_and_another_definition_is_an_update(calls: Calls) -> None:
    first = upsert(definition(), calls, {"team": "reviews"})
    assert first.change == "created"
    assert upsert(definition(), calls).change == "unchanged"
    changed = upsert(definition(rows=2), calls)
    assert (changed.change, changed.arn) == ("updated", first.arn)
    assert upsert(definition(rows=2), calls).change == "unchanged"
    found = client().describe_pipeline(PipelineName="toy")
    assert json.loads(found["PipelineDefinition"]) == definition(rows=2).body
    assert len(client().list_pipelines()["PipelineSummaries"]) == 1
    tags = {item["Key"]: item["Value"] for item in client().list_tags(ResourceArn=first.arn)["Tags"]}
    assert tags == {"team": "reviews", "intermodal": "1", "intermodal:pipeline": "toy"}


def test_the_token_is_that_of_the_content() -> None:
    token = create_request(definition(), {})["ClientRequestToken"]
    assert token == create_request(definition(), {})["ClientRequestToken"]
    assert token != create_request(definition(rows=2), {})["ClientRequestToken"]
    assert 32 <= len(token) <= 128


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("Rates reviews.\n\n    Every night,\x85 and on\u2028demand.\n", "Rates reviews. Every night, and on demand."),
        (" \n", "toy"),
        ("word " * 1000, ("word " * 1000)[:3072].strip()),
    ],
)
def test_the_description_is_a_line_within_its_length_and_the_same_is_no_change(
    written: str, sent: str, calls: Calls
) -> None:
    described = replace(definition(), description=written)
    assert upsert(described, calls).change == "created"
    assert client().describe_pipeline(PipelineName="toy")["PipelineDescription"] == sent
    assert upsert(described, calls).change == "unchanged"


def test_a_definition_of_more_than_100_kilobytes_goes_through_s3(calls: Calls) -> None:
    large = definition(steps=60)
    assert len(json.dumps(large.body)) > LARGEST
    request = create_request(large, {})
    assert "PipelineDefinition" not in request
    assert upsert(large, calls).change == "created"
    assert upsert(large, calls).change == "unchanged"
    found = client().describe_pipeline(PipelineName="toy")
    assert json.loads(found["PipelineDefinition"]) == large.body


def test_steps_that_need_mlflow_are_refused_before_anything_is_made(calls: Calls) -> None:
    with pytest.raises(UsageError, match="need MLflow"):
        upsert(replace(definition(), untracked=("register",)), calls)
    assert client().list_pipelines()["PipelineSummaries"] == []


def test_images_that_sagemaker_cannot_pull_are_refused_where_it_is_not_local(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    from intermodal.runtime.sagemaker.pipelines import upsert as module

    monkeypatch.setattr(module, "is_local", lambda _settings: False)
    with pytest.raises(UsageError, match="cannot pull this image"):
        upsert(definition(), calls)
    assert client().list_pipelines()["PipelineSummaries"] == []


def test_an_execution_is_started_once_and_followed_to_its_end(calls: Calls) -> None:
    upsert(definition(), calls)
    arn = start("toy", [], "token", calls)
    assert start("toy", [], "token", calls) == arn
    said: list[str] = []
    ended = follow(arn, calls, said.append)
    made = outcomes(ended, SETTINGS.store)
    assert (ended.status, error_of(ended, made)) == ("Succeeded", None)
    assert made["generate"].outputs["raw"].digest
    assert said[-1].startswith("generate: Succeeded")
    again = follow(start("toy", [], "other", calls), calls, said.append)
    assert {step.name: step.cached for step in again.steps if step.job} == {"generate": True}


def test_a_failed_execution_says_why(calls: Calls) -> None:
    upsert(definition(), calls)
    arn = start("toy", [{"Name": "framework", "Value": "jax"}], "token", calls)
    ended = follow(arn, calls, lambda _line: None)
    error = error_of(ended, outcomes(ended, SETTINGS.store))
    assert error is not None
    assert (error.exit_code, error.headline, error.seen) == (4, "step fail failed", "no jax here")


def test_an_execution_is_stopped_once(calls: Calls) -> None:
    upsert(definition(rows=10**8), calls)
    arn = start("toy", [], "token", calls)
    stop(arn, calls)
    stop(arn, calls)
    ended = follow(arn, calls, lambda _line: None)
    assert ended.status == "Stopped"
    error = error_of(ended, {})
    assert error is not None
    assert error.exit_code == 130


@pytest.mark.parametrize(
    "words",
    [
        ["--to", "kfp", "--upsert"],
        ["--to", "sagemaker-pipeline", "--start"],
        ["--to", "sagemaker-pipeline", "--upsert", "-p", "rows=1"],
        ["--to", "kfp", "--model-package-group", "reviews"],
        ["--to", "sagemaker-pipeline", "--json"],
    ],
)
def test_flags_that_mean_nothing_together_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    pipeline = str(Path(__file__).resolve().parents[5] / "pipelines" / "batch.py")
    assert main(["compile", pipeline, *words]) == 2
    assert "error:" in capsys.readouterr().err


def test_compiling_asks_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("INTERMODAL_AWS_ACCOUNT", "123456789012")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    pipeline = str(Path(__file__).resolve().parents[5] / "pipelines" / "reviews.py")
    target = tmp_path / "reviews.json"
    assert main(["compile", pipeline, "--to", "sagemaker-pipeline", "--out", str(target), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["file"] == str(target)
    assert json.loads(target.read_text())["Version"] == "2020-12-01"
    assert "register" in facts["steps"]
