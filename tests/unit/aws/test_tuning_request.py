"""Tunings and AutoML jobs as requests: within AWS's limits, the same for the same work."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intermodal.aws import automl, tuning
from intermodal.aws.automl import rows_uri
from intermodal.aws.job_kinds import AUTOML, TUNING
from intermodal.aws.jobs import same_work
from intermodal.aws.metrics import REPORTED
from intermodal.aws.request import Request, TaskPlan
from intermodal.aws.service_model import problems
from intermodal.aws.settings import JobSettings
from intermodal.core.metric_lines import metric_line
from intermodal.core.registry import load_spec
from intermodal.errors import UsageError
from intermodal.runtime.sagemaker.render import render_task
from intermodal.runtime.sagemaker_local.tuning_job import read_ranges
from sagemaker_plans import a_catalogue_plan

NAMES = st.text("abcdefghijklmnopqrstuvwxyzABC-_ 0123456789é", min_size=1, max_size=90)
NUMBERS = st.floats(-1e6, 1e6).map(lambda value: round(value, 6))


def plan_of(step: str = "tune", job: JobSettings | None = None, **changes: Any) -> TaskPlan:
    given_ = {name: changes.pop(name) for name in list(changes) if name in {p.name for p in load_spec(step).parameters}}
    task = {"task": changes.pop("task")} if "task" in changes else {}
    plan = a_catalogue_plan(step, job, **changes)
    return dataclasses.replace(plan, parameters={**plan.parameters, **given_}, **task)


def request_of(plan: TaskPlan) -> Request:
    (request,) = render_task(plan)
    return request


@st.composite
def ranges(draw: st.DrawFn) -> dict[str, Any]:
    low, first = draw(NUMBERS), draw(st.integers(-1000, 1000))
    positive = draw(st.floats(1e-8, 1e3))
    share = draw(st.floats(0.0, 0.5))
    known: dict[str, Any] = {
        "learning_rate": draw(
            st.sampled_from(
                [
                    {"type": "continuous", "min": low, "max": low + 1},
                    {"type": "continuous", "min": positive, "max": positive * 2, "scale": "log"},
                    {"type": "continuous", "min": share, "max": share + 0.4, "scale": "reverse_log"},
                ]
            )
        ),
        "epochs": {"type": "integer", "min": first, "max": first + draw(st.integers(1, 99))},
        "strategy": draw(st.lists(st.text(max_size=30).filter(str.isprintable), min_size=1, max_size=30)),
        "average_with_tfidf": draw(st.lists(st.booleans(), min_size=1, max_size=2)),
    }
    chosen = draw(st.lists(st.sampled_from(sorted(known)), min_size=1, unique=True))
    return {name: known[name] for name in chosen}


@settings(max_examples=60, deadline=None)
@given(
    pipeline=NAMES, task=NAMES, ranges=ranges(), trials=st.integers(1, 500), parallel=st.integers(1, 500),
    strategy=st.sampled_from(["bayesian", "random", "hyperband"]), early=st.booleans(),
    seconds=st.integers(0, 15768000), seed=st.integers(0, 2**31 - 1), attempt=st.integers(1, 999), spot=st.booleans(),
)  # fmt: skip
def test_every_tuning_request_is_within_aws_s_limits(
    pipeline: str, task: str, ranges: dict[str, Any], trials: int, parallel: int, strategy: str, early: bool,
    seconds: int, seed: int, attempt: int, spot: bool,
) -> None:  # fmt: skip
    plan = plan_of(
        job=JobSettings(spot=spot), pipeline=pipeline, task=task, attempt=attempt, train="train_pytorch",
        ranges=ranges, trial_count=trials, parallel=parallel, strategy=strategy, early_stopping=early,
        max_seconds=seconds, seed=seed, warm_start=["earlier-one"],
    )  # fmt: skip
    request = request_of(plan)
    assert problems(request.service, request.operation, request.parameters) == []
    assert len(request.parameters["HyperParameterTuningJobName"]) <= 32
    config = request.parameters["HyperParameterTuningJobConfig"]
    limits = config["ResourceLimits"]
    assert limits["MaxParallelTrainingJobs"] <= limits["MaxNumberOfTrainingJobs"] == trials
    assert limits.get("MaxRuntimeInSeconds", 120) >= 120
    assert (config["TrainingJobEarlyStoppingType"] == "Auto") == (early and strategy != "hyperband")
    back = {item.name: item for item in read_ranges(config["ParameterRanges"])}
    assert sorted(back) == sorted(ranges)
    for name, item in back.items():
        if item.kind != "categorical":
            assert (item.low, item.high) == (ranges[name]["min"], ranges[name]["max"])


def test_the_same_work_is_the_same_job_in_every_run_and_other_work_is_not() -> None:
    one = request_of(plan_of(run_id="a"))
    assert (
        one.parameters["HyperParameterTuningJobName"]
        == (request_of(plan_of(run_id="b")).parameters["HyperParameterTuningJobName"])
    )
    others = [plan_of(seed=8), plan_of(trial_count=11), plan_of(nonce="x"), plan_of(attempt=2)]
    names = {request_of(plan).parameters["HyperParameterTuningJobName"] for plan in others}
    assert len(names | {one.parameters["HyperParameterTuningJobName"]}) == 5
    assert same_work({**one.parameters, "HyperParameterTuningJobStatus": "InProgress"}, one.parameters)
    assert not same_work(request_of(plan_of(seed=8)).parameters, one.parameters)


def test_the_objective_is_defined_and_found_nowhere_else() -> None:
    request = request_of(plan_of(metric="accuracy"))
    definitions = request.parameters["TrainingJobDefinition"]["AlgorithmSpecification"]["MetricDefinitions"]
    assert definitions[0]["Name"] == "accuracy"
    lines = [
        metric_line({"event": "metric", "name": name, "value": 0.25, "step": 3})
        for name in ("accuracy", "val_accuracy", "validation_accuracy", "accuracy_2", "x accuracy")
    ]
    assert [re.findall(definitions[0]["Regex"], line) for line in lines] == [["0.25"], [], [], [], []]
    assert {item["Name"] for item in definitions} == {"accuracy", *REPORTED["baseline"]}


def test_everything_that_training_needs_is_a_hyperparameter_as_text() -> None:
    plan = plan_of(fixed={"min_texts": 3}, seed=11)
    definition = request_of(plan).parameters["TrainingJobDefinition"]
    assert definition["StaticHyperParameters"] == {
        "intermodal_step": "intermodal.steps.baseline:baseline", "min_texts": "3", "seed": "11",
    }  # fmt: skip
    assert "ContainerEntrypoint" not in definition["AlgorithmSpecification"]
    (channel,) = definition["InputDataConfig"]
    assert channel["DataSource"]["S3DataSource"]["S3Uri"] == f"{plan.inputs['features'][0]}/"


def test_what_is_known_only_while_it_runs_is_said() -> None:
    request = request_of(dataclasses.replace(plan_of(), unknown_inputs=("features",)))
    assert set(request.unknown) == {
        "HyperParameterTuningJobName",
        "TrainingJobDefinition.InputDataConfig.0.DataSource.S3DataSource.S3Uri",
        "TrainingJobDefinition.OutputDataConfig.S3OutputPath",
        "TrainingJobDefinition.Environment.INTERMODAL_REQUEST",
    }
    assert request_of(plan_of()).unknown == ()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"strategy": "grid", "ranges": {"min_texts": [1, 2, 3]}, "trial_count": 2}, "whole grid"),
        (
            {"strategy": "grid", "ranges": {"min_texts": [1]}, "trial_count": 2, "warm_start": ["a"]},
            "learns nothing",
        ),
        ({"warm_start": ["a", "b", "c", "d", "e", "f"]}, "too many earlier"),
        ({"ranges": {"min_texts": list(range(1, 40))}}, "too many values"),
        ({"warm_start": ["a" * 40]}, "would refuse"),
    ],
)
def test_what_sagemaker_would_refuse_is_refused_before(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        request_of(plan_of(**changes))


def test_settings_of_the_training_step_count_unless_tune_has_its_own() -> None:
    of_baseline = {"steps": {"baseline": JobSettings(instance_type="ml.c5.xlarge", max_runtime=77)}}
    both = {"steps": {**of_baseline["steps"], "tune": JobSettings(instance_type="ml.m5.4xlarge")}}
    found = [
        request_of(plan_of(settings=item)).parameters["TrainingJobDefinition"]["ResourceConfig"]["InstanceType"]
        for item in (of_baseline, both)
    ]
    assert found == ["ml.c5.xlarge", "ml.m5.4xlarge"]


def test_no_secret_stands_in_a_request() -> None:
    with pytest.raises(UsageError, match="plain text"):
        request_of(plan_of(job=JobSettings(env={"API_TOKEN": "canary"})))
    with pytest.raises(UsageError, match="plain text") as caught:
        tuning.render(plan_of(fixed={"api_token": "canary"}))
    assert "canary" not in str(caught.value)


@settings(max_examples=40, deadline=None)
@given(
    pipeline=NAMES, task=NAMES, problem=st.sampled_from(["text", "tabular"]), candidates=st.integers(1, 750),
    seconds=st.integers(0, 10**6), metric=st.sampled_from(sorted(automl.OBJECTIVES)), attempt=st.integers(1, 999),
)  # fmt: skip
def test_every_automl_request_is_within_aws_s_limits(
    pipeline: str, task: str, problem: str, candidates: int, seconds: int, metric: str, attempt: int
) -> None:
    plan = plan_of(
        "autopilot", pipeline=pipeline, task=task, problem=problem, candidates=candidates, max_seconds=seconds,
        metric=metric, attempt=attempt,
    )  # fmt: skip
    request = request_of(plan)
    assert problems(request.service, request.operation, request.parameters) == []
    assert len(request.parameters["AutoMLJobName"]) <= 32
    (config,) = request.parameters["AutoMLProblemTypeConfig"].values()
    criteria = config["CompletionCriteria"]
    assert criteria["MaxCandidates"] == (1 if problem == "text" else candidates)
    assert criteria["MaxRuntimePerTrainingJobInSeconds"] <= criteria["MaxAutoMLJobRuntimeInSeconds"]


def test_an_automl_job_is_known_by_where_its_output_goes() -> None:
    one, two = (request_of(plan_of("autopilot", seed=seed)) for seed in (1, 1))
    other = request_of(plan_of("autopilot", candidates=3, problem="tabular"))
    assert one == two
    assert same_work(one.parameters, two.parameters)
    assert not same_work(one.parameters, other.parameters)
    assert AUTOML.name_member in one.parameters
    assert TUNING.name_member not in one.parameters


def test_rows_of_text_and_of_tables_lie_apart() -> None:
    text, table = (plan_of("autopilot", problem=problem) for problem in ("text", "tabular"))
    uris = {rows_uri(plan, split) for plan in (text, table) for split in ("train", "validation")}
    assert len(uris) == 4


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"problem": "images"}, "unknown kind of problem"),
        ({"metric": "qwk"}, "does not know this metric"),
        ({"candidates": 0}, "out of range"),
        ({"algorithms": ["xgboost"]}, "no such algorithm"),
        ({"problem": "tabular", "algorithms": ["magic"]}, "no such algorithm"),
    ],
)
def test_what_automl_would_refuse_is_refused_before(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        request_of(plan_of("autopilot", **changes))


def test_the_modules_that_render_are_those_that_the_steps_name() -> None:
    assert load_spec("tune").needs.managed == f"{tuning.__name__}:render"
    assert load_spec("autopilot").needs.managed == f"{automl.__name__}:render"
