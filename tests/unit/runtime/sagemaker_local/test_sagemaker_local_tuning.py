"""Tuning and AutoML jobs of the local SageMaker, as any client sees them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError

from intermodal.runtime.sagemaker_local.server import LocalSageMaker
from intermodal.tuning.search import Earlier, Search
from local_sagemaker import BUCKET, IMAGE, ROLE, add_program, client, image_folder, put, read, wait_for
from tiny_models import review

# Prints a curve of its score, best at x = 0; fails when it is told to, or waits where x is large enough.
TRAIN = """
import json, os, sys, time
root = os.environ.get("SM_LOCAL_PREFIX", "/opt/ml")
given = json.load(open(f"{root}/input/config/hyperparameters.json"))
x = float(given["x"])
if given.get("mode") == "fail":
    sys.exit(3)
for step in range(4):
    print(f"metric val_score={x}")
    print(f"metric score={-x * x}", flush=True)
    time.sleep(float(given.get("pause", 0)) if x >= float(given.get("from", -4)) else 0)
json.dump(given, open(f"{root}/model/given.json", "w"))
"""


@pytest.fixture
def tuner(local_sagemaker: LocalSageMaker) -> LocalSageMaker:
    add_program(image_folder(local_sagemaker), "train", TRAIN)
    return local_sagemaker


def request_of(name: str, **changes: Any) -> dict[str, Any]:
    limits = changes.pop("limits", {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2})
    ranges = changes.pop("ranges", {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "-4", "MaxValue": "4"}]})
    static = changes.pop("static", {})
    config = {
        "Strategy": "Bayesian",
        "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "score"},
        "ResourceLimits": limits,
        "ParameterRanges": ranges,
        "RandomSeed": 3,
        **changes.pop("config", {}),
    }
    definition = {
        "StaticHyperParameters": static,
        "AlgorithmSpecification": {
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "score", "Regex": "^metric score=([-0-9.e]+)"}],
        },
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/tuned"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    }
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": config,
        "TrainingJobDefinition": definition,
        **changes,
    }


def create(name: str, **changes: Any) -> None:
    client().create_hyper_parameter_tuning_job(**request_of(name, **changes))


def describe(name: str) -> dict[str, Any]:
    return dict(client().describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name))


def ended(name: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        told = describe(name)
        return told if told["HyperParameterTuningJobStatus"] in ("Completed", "Failed", "Stopped") else None

    return dict(wait_for(look, name))


def children(name: str, **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        page = client().list_training_jobs_for_hyper_parameter_tuning_job(HyperParameterTuningJobName=name, **more)
        found += page["TrainingJobSummaries"]
        if "NextToken" not in page:
            return found
        more["NextToken"] = page["NextToken"]


def test_a_tuning_runs_real_training_jobs_and_names_the_best(tuner: LocalSageMaker) -> None:
    create("one", static={"mode": "well"}, Tags=[{"Key": "who", "Value": "me"}])
    told = ended("one")
    assert told["HyperParameterTuningJobStatus"] == "Completed"
    assert told["TrainingJobStatusCounters"] == {
        "Completed": 4, "InProgress": 0, "RetryableError": 0, "NonRetryableError": 0, "Stopped": 0,
    }  # fmt: skip
    assert told["ObjectiveStatusCounters"] == {"Succeeded": 4, "Pending": 0, "Failed": 0}
    found = children("one", SortBy="FinalObjectiveMetricValue", SortOrder="Descending", MaxResults=1)
    assert len(found) == 4
    values = [item["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for item in found]
    assert values == sorted(values, reverse=True)
    assert told["BestTrainingJob"]["TrainingJobName"] == found[0]["TrainingJobName"]
    x = float(found[0]["TunedHyperParameters"]["x"])
    assert values[0] == pytest.approx(-x * x)
    job = client().describe_training_job(TrainingJobName=found[0]["TrainingJobName"])
    assert job["TuningJobArn"] == told["HyperParameterTuningJobArn"]
    assert job["HyperParameters"] == {
        "mode": "well", "x": found[0]["TunedHyperParameters"]["x"], "_tuning_objective_metric": "score",
    }  # fmt: skip
    assert job["ModelArtifacts"]["S3ModelArtifacts"].startswith(f"s3://{BUCKET}/tuned/one-00")
    tags = client().list_tags(ResourceArn=job["TrainingJobArn"])["Tags"]
    assert tags == [{"Key": "who", "Value": "me"}]


def test_the_same_seed_tries_the_same_values(tuner: LocalSageMaker) -> None:
    limits = {"MaxNumberOfTrainingJobs": 3, "MaxParallelTrainingJobs": 1}
    for name in ("one", "two"):
        create(name, limits=limits)
    for name in ("one", "two"):
        ended(name)
    one, two = ([item["TunedHyperParameters"] for item in children(name)] for name in ("one", "two"))
    assert one == two


def test_no_more_run_at_a_time_than_may_and_stopping_stops_all(tuner: LocalSageMaker) -> None:
    create("one", static={"pause": "30"}, limits={"MaxNumberOfTrainingJobs": 9, "MaxParallelTrainingJobs": 2})
    wait_for(lambda: describe("one")["TrainingJobStatusCounters"]["InProgress"] == 2)
    assert len(children("one")) == 2
    client().stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="one")
    told = ended("one")
    assert told["HyperParameterTuningJobStatus"] == "Stopped"
    assert {item["TrainingJobStatus"] for item in children("one")} == {"Stopped"}
    assert len(children("one")) == 2
    with pytest.raises(ClientError, match="cannot be stopped"):
        client().stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="one")


def test_a_tuning_of_which_all_fail_has_failed(tuner: LocalSageMaker) -> None:
    create("one", static={"mode": "fail"}, limits={"MaxNumberOfTrainingJobs": 2, "MaxParallelTrainingJobs": 2})
    told = ended("one")
    assert told["HyperParameterTuningJobStatus"] == "Failed"
    assert "All training jobs failed" in told["FailureReason"]
    assert told["TrainingJobStatusCounters"]["NonRetryableError"] == 2
    assert "BestTrainingJob" not in told


def test_a_training_job_behind_the_median_is_stopped_early(tuner: LocalSageMaker) -> None:
    ranges = {"CategoricalParameterRanges": [{"Name": "x", "Values": ["0.0", "0.1", "0.2", "4.0"]}]}
    config = {"Strategy": "Grid", "TrainingJobEarlyStoppingType": "Auto"}
    static = {"pause": "60", "from": "3"}
    create("one", ranges=ranges, config=config, static=static, limits={"MaxParallelTrainingJobs": 1})
    told = ended("one")
    by = {item["TunedHyperParameters"]["x"]: item["TrainingJobStatus"] for item in children("one")}
    assert by == {"0.0": "Completed", "0.1": "Completed", "0.2": "Completed", "4.0": "Stopped"}
    assert told["BestTrainingJob"]["TunedHyperParameters"] == {"x": "0.0"}


def test_a_target_that_is_reached_is_enough(tuner: LocalSageMaker) -> None:
    config = {"TuningJobCompletionCriteria": {"TargetObjectiveMetricValue": -17.0}}
    create("one", config=config, limits={"MaxNumberOfTrainingJobs": 50, "MaxParallelTrainingJobs": 1})
    assert ended("one")["HyperParameterTuningJobStatus"] == "Completed"
    assert len(children("one")) == 1


def test_a_child_learns_from_its_parent(tuner: LocalSageMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    learned: dict[float, float] = {}
    learn = Search.learn

    def noted(search: Search, earlier: Sequence[Earlier]) -> int:
        learned.update({item.parameters["x"]: item.objective for item in earlier})
        return learn(search, earlier)

    monkeypatch.setattr(Search, "learn", noted)
    create("parent", limits={"MaxNumberOfTrainingJobs": 2, "MaxParallelTrainingJobs": 2})
    parents = [{"HyperParameterTuningJobName": "parent"}]
    warm = {"ParentHyperParameterTuningJobs": parents, "WarmStartType": "IdenticalDataAndAlgorithm"}
    ended("parent")
    assert learned == {}
    create("child", WarmStartConfig=warm, limits={"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1})
    assert ended("child")["WarmStartConfig"] == warm
    tried = [float(item["TunedHyperParameters"]["x"]) for item in children("parent")]
    assert len(tried) == 2
    assert learned == pytest.approx({x: -x * x for x in tried})
    listed = client().list_hyper_parameter_tuning_jobs(SortBy="Name", SortOrder="Ascending")
    summaries = listed["HyperParameterTuningJobSummaries"]
    assert [item["HyperParameterTuningJobName"] for item in summaries] == ["child", "parent"]
    client().delete_hyper_parameter_tuning_job(HyperParameterTuningJobName="child")
    with pytest.raises(ClientError, match="not found"):
        describe("child")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda request: request.pop("TrainingJobDefinition"), "TrainingJobDefinition"),
        (
            lambda request: request["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"].update(
                MetricName="other"
            ),
            "not among the metric definitions",
        ),
        (lambda request: request["HyperParameterTuningJobConfig"].pop("ParameterRanges"), "At least one"),
        (lambda request: request["TrainingJobDefinition"]["StaticHyperParameters"].update(x="1"), "both static"),
        (
            lambda request: request["HyperParameterTuningJobConfig"]["ResourceLimits"].update(
                MaxParallelTrainingJobs=9
            ),
            "must not be greater",
        ),
        (lambda request: request["HyperParameterTuningJobConfig"].update(Strategy="Grid"), "categorical"),
        (
            lambda request: request["HyperParameterTuningJobConfig"].update(
                Strategy="Hyperband", TrainingJobEarlyStoppingType="Auto"
            ),
            "must be Off",
        ),
        (lambda request: request.update(HyperParameterTuningJobName="x" * 33), "32"),
    ],
)
def test_what_aws_refuses_is_refused(change: Callable[[dict[str, Any]], Any], why: str, tuner: LocalSageMaker) -> None:
    request = request_of("one")
    change(request)
    with pytest.raises(ClientError, match=why):
        client().create_hyper_parameter_tuning_job(**request)


def test_a_name_is_taken_once(tuner: LocalSageMaker) -> None:
    create("one", limits={"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1})
    with pytest.raises(ClientError, match="ResourceInUse"):
        create("one")


def rows(count: int) -> str:
    random_ = random.Random(5)
    lines = [f'{number % 5 + 1},"{review(number % 5, random_)}, and so on"' for number in range(count)]
    return "\n".join(["stars,body", *lines]) + "\n"


def automl_request(name: str, uri: str, **problem: Any) -> dict[str, Any]:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}
    criteria = {"MaxCandidates": 2, "MaxAutoMLJobRuntimeInSeconds": 600}
    config = {"TabularJobConfig": {"TargetAttributeName": "stars", "CompletionCriteria": criteria}}
    return {
        "AutoMLJobName": name,
        "AutoMLJobInputDataConfig": [{"ChannelType": "training", "DataSource": source}],
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/automl"},
        "AutoMLProblemTypeConfig": problem or config,
        "RoleArn": ROLE,
    }


def automl_ended(name: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        told = dict(client().describe_auto_ml_job_v2(AutoMLJobName=name))
        return told if told["AutoMLJobStatus"] in ("Completed", "Failed", "Stopped") else None

    return dict(wait_for(look, name))


def test_an_automl_job_tries_candidates_and_leaves_models_and_notebooks(local_sagemaker: LocalSageMaker) -> None:
    client().create_auto_ml_job_v2(**automl_request("one", put("rows/rows.csv", rows(150))))
    told = automl_ended("one")
    assert (told["AutoMLJobStatus"], told["AutoMLJobSecondaryStatus"]) == ("Completed", "Completed"), told
    listed = client().list_candidates_for_auto_ml_job(
        AutoMLJobName="one", SortBy="FinalObjectiveMetricValue", SortOrder="Descending"
    )["Candidates"]
    assert len(listed) == 2
    assert told["BestCandidate"]["CandidateName"] in {item["CandidateName"] for item in listed}
    best = told["BestCandidate"]["FinalAutoMLJobObjectiveMetric"]
    assert (best["MetricName"], best["Value"]) == ("Accuracy", listed[0]["FinalAutoMLJobObjectiveMetric"]["Value"])
    assert best["Value"] > 0.5
    assert read(told["BestCandidate"]["InferenceContainers"][0]["ModelDataUrl"])[:2] == b"\x1f\x8b"
    assert len(told["AutoMLJobArtifacts"]) == 2
    for uri in told["AutoMLJobArtifacts"].values():
        notebook = json.loads(read(uri))
        assert notebook["nbformat"] == 4
        assert any("TEXT, LABEL = 'body', 'stars'" in "".join(cell["source"]) for cell in notebook["cells"])


def test_an_automl_job_over_rows_that_cannot_be_used_fails_with_the_reason(local_sagemaker: LocalSageMaker) -> None:
    client().create_auto_ml_job_v2(
        **automl_request("one", put("rows/rows.csv", "other,body\n1,some words that are long\n"))
    )
    told = automl_ended("one")
    assert told["AutoMLJobStatus"] == "Failed"
    assert "a column is missing" in told["FailureReason"]


def test_an_automl_job_is_stopped(local_sagemaker: LocalSageMaker) -> None:
    request = automl_request("one", put("rows/rows.csv", rows(2000)))
    request["AutoMLProblemTypeConfig"]["TabularJobConfig"]["CompletionCriteria"]["MaxCandidates"] = 200
    client().create_auto_ml_job_v2(**request)
    client().stop_auto_ml_job(AutoMLJobName="one")
    assert automl_ended("one")["AutoMLJobStatus"] == "Stopped"
    (summary,) = client().list_auto_ml_jobs(StatusEquals="Stopped")["AutoMLJobSummaries"]
    assert summary["AutoMLJobName"] == "one"


@pytest.mark.parametrize(
    ("problem", "why"),
    [
        ({"ImageClassificationJobConfig": {}}, "Here run"),
        (
            {
                "TextClassificationJobConfig": {
                    "ContentColumn": "body", "TargetLabelColumn": "stars", "CompletionCriteria": {"MaxCandidates": 2},
                }
            },
            "must be 1",
        ),
        (
            {"TabularJobConfig": {"TargetAttributeName": "stars", "ProblemType": "Regression"}},
            "together",
        ),
    ],
)  # fmt: skip
def test_what_does_not_run_here_is_refused(problem: dict[str, Any], why: str, local_sagemaker: LocalSageMaker) -> None:
    with pytest.raises(ClientError, match=why):
        client().create_auto_ml_job_v2(**automl_request("one", "s3://bucket/rows.csv", **problem))
