"""Executions on the local SageMaker: what runs in which order, what is reused, stopped, retried."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_pipelines import (
    TOKEN,
    TRUE,
    WAIT,
    condition,
    create,
    definition,
    ended,
    said,
    said_by,
    start,
    states,
    step,
    steps_of,
)
from local_sagemaker import (
    BUCKET,
    IMAGE,
    ROLE,
    LocalSageMaker,
    OpenSageMaker,
    client,
    put,
    training_request,
    wait_for,
)

LESS = {"Name": "limit", "Type": "Float", "DefaultValue": 0.5}


@pytest.mark.usefixtures("local_sagemaker")
def test_values_flow_and_the_branch_that_holds_is_taken() -> None:
    first = step("first", said='{"figures": {"accuracy": 0.75}, "names": ["a", "b"]}')
    place = {"Get": "Steps.first.ProcessingOutputConfig.Outputs['out'].S3Output.S3Uri"}
    told = {"Std:Join": {"On": "", "Values": ['{"place": "', place, '", "rows": ', {"Get": "Parameters.rows"}, "}"]}}
    enough = {"Type": "GreaterThan", "LeftValue": said_by("first", "figures.accuracy"), "RightValue": LESS_GET}
    named = {"Type": "Equals", "LeftValue": said_by("first", "names[1]"), "RightValue": "b"}
    body = definition(
        first,
        step("second", said=told),
        condition("judged", [enough, named], [step("good")], [step("bad")]),
        step("last", DependsOn=["good"]),
        step("never", DependsOn=["bad"]),
        parameters=({"Name": "rows", "Type": "Integer", "DefaultValue": 3}, LESS),
    )
    create(body)
    arn = start(rows="7")
    assert ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    assert states(arn) == dict.fromkeys(("first", "second", "judged", "good", "last"), "Succeeded")
    identity = arn.rpartition("/")[2]
    assert said(arn, "second") == {"place": f"s3://{BUCKET}/{identity}/first", "rows": 7}
    assert steps_of(arn)["judged"]["Metadata"]["Condition"]["Outcome"] == "True"
    job = steps_of(arn)["first"]["Metadata"]["ProcessingJob"]["Arn"].rpartition("/")[2]
    assert job.startswith(f"pipelines-{identity}-first-")
    assert client().describe_processing_job(ProcessingJobName=job)["ProcessingJobStatus"] == "Completed"


LESS_GET = {"Get": "Parameters.limit"}


@pytest.mark.usefixtures("local_sagemaker")
def test_another_argument_takes_the_other_branch() -> None:
    enough = {"Type": "GreaterThan", "LeftValue": 0.75, "RightValue": LESS_GET}
    unlike = {"Type": "Not", "Condition": {"Type": "Or", "Conditions": [enough, enough]}}
    body = definition(
        condition("judged", [enough], [step("good")], [step("bad")]),
        condition("turned", [unlike], [step("small")]),
        parameters=(LESS,),
    )
    create(body)
    arn = start(limit="0.9")
    assert ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    assert set(states(arn)) == {"judged", "bad", "turned", "small"}


@pytest.mark.usefixtures("local_sagemaker")
def test_a_cached_step_is_not_run_again_unless_its_arguments_differ() -> None:
    cached = {"CacheConfig": {"Enabled": True, "ExpireAfter": "P30D"}}
    first = step("first", said={"Std:Join": {"On": "", "Values": ['{"x": "', {"Get": "Parameters.x"}, '"}']}}, **cached)
    second = step("second", said=said_by("first", "x"))
    old = step("old", CacheConfig={"Enabled": True, "ExpireAfter": "T0M"})
    body = definition(first, second, old, parameters=({"Name": "x", "Type": "String", "DefaultValue": "1"},))
    create(body)
    one = start("1" * 32)
    ended(one)
    again, other = start("2" * 32), start("3" * 32, x="2")
    assert {ended(again)["PipelineExecutionStatus"], ended(other)["PipelineExecutionStatus"]} == {"Succeeded"}
    assert steps_of(again)["first"]["CacheHitResult"]["SourcePipelineExecutionArn"] == one
    assert steps_of(again)["first"]["Metadata"] == steps_of(one)["first"]["Metadata"]
    assert said(again, "second") == 1
    assert "CacheHitResult" not in {**steps_of(again)["second"], **steps_of(again)["old"], **steps_of(other)["first"]}
    assert len(client().list_processing_jobs(NameContains="first", MaxResults=100)["ProcessingJobSummaries"]) == 2


def test_capacity_that_is_wanting_is_asked_for_again_where_a_policy_says_so(
    local_sagemaker: LocalSageMaker,
) -> None:
    policy = {"ExceptionType": ["SageMaker.CAPACITY_ERROR"], "IntervalSeconds": 0, "BackoffRate": 1.0, "MaxAttempts": 2}
    create(definition(step("patient", RetryPolicies=[policy])))
    create(definition(step("hasty")), name="other")
    local_sagemaker.service.faults.add({"fault": "capacity", "job": "pipelines-*", "times": 2})
    arn = start()
    assert ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    assert steps_of(arn)["patient"]["AttemptCount"] == 3
    local_sagemaker.service.faults.add({"fault": "capacity", "job": "pipelines-*", "times": 1})
    hasty = start(name="other")
    assert ended(hasty)["PipelineExecutionStatus"] == "Failed"
    assert "CapacityError" in steps_of(hasty)["hasty"]["FailureReason"]


@pytest.mark.usefixtures("local_sagemaker")
def test_a_failure_starts_nothing_new_and_a_retry_goes_on_from_there() -> None:
    script = (
        "import os, pathlib, urllib.request, sys, boto3;"
        f"found = boto3.client('s3').list_objects_v2(Bucket='{BUCKET}', Prefix='mended').get('KeyCount');"
        "sys.exit(0 if found else 3)"
    )
    create(definition(step("fine"), step("broken", script, DependsOn=["fine"]), step("after", DependsOn=["broken"])))
    arn = start()
    found = ended(arn)
    assert found["PipelineExecutionStatus"] == "Failed"
    assert found["FailureReason"].startswith("Step failure")
    assert states(arn) == {"fine": "Succeeded", "broken": "Failed"}
    assert "exit code: 3" in steps_of(arn)["broken"]["FailureReason"]
    job = steps_of(arn)["fine"]["Metadata"]
    put("mended", "yes")
    client().retry_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken="4" * 32)
    assert ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    assert states(arn) == dict.fromkeys(("fine", "broken", "after"), "Succeeded")
    assert steps_of(arn)["fine"]["Metadata"] == job
    with pytest.raises(ClientError, match="cannot be retried"):
        client().retry_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken="5" * 32)


@pytest.mark.usefixtures("local_sagemaker")
def test_a_fail_step_stops_what_runs_and_says_why() -> None:
    message = {"Std:Join": {"On": " ", "Values": ["no", {"Get": "Parameters.what"}]}}
    fail = {"Name": "fail", "Type": "Fail", "Arguments": {"ErrorMessage": message}, "DependsOn": ["quick"]}
    parameters = ({"Name": "what", "Type": "String", "DefaultValue": "luck"},)
    create(definition(step("slow", WAIT), step("quick"), fail, parameters=parameters))
    arn = start()
    assert ended(arn)["PipelineExecutionStatus"] == "Failed"
    assert states(arn) == {"slow": "Stopped", "quick": "Succeeded", "fail": "Failed"}
    assert steps_of(arn)["fail"]["Metadata"]["Fail"]["ErrorMessage"] == "no luck"
    assert steps_of(arn)["fail"]["FailureReason"] == "no luck"


@pytest.mark.usefixtures("local_sagemaker")
def test_stopping_an_execution_stops_its_jobs() -> None:
    create(definition(step("slow", WAIT), step("after", DependsOn=["slow"])))
    arn = start()
    wait_for(lambda: steps_of(arn).get("slow", {}).get("Metadata"), "a job")
    client().stop_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken=TOKEN)
    assert ended(arn)["PipelineExecutionStatus"] == "Stopped"
    assert states(arn) == {"slow": "Stopped"}
    job = steps_of(arn)["slow"]["Metadata"]["ProcessingJob"]["Arn"].rpartition("/")[2]
    assert client().describe_processing_job(ProcessingJobName=job)["ProcessingJobStatus"] == "Stopped"
    with pytest.raises(ClientError, match="cannot be stopped"):
        client().stop_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken=TOKEN)


@pytest.mark.usefixtures("local_sagemaker")
def test_no_more_steps_run_at_once_than_the_execution_allows() -> None:
    create(definition(*(step(name) for name in ("a", "b", "c"))))
    arn = start(parallel=1)
    assert ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    times = sorted((item["StartTime"], item["EndTime"]) for item in steps_of(arn).values())
    assert len(times) == 3
    assert all(first[1] <= second[0] for first, second in zip(times, times[1:], strict=False))


@pytest.mark.usefixtures("local_sagemaker")
def test_a_value_that_is_not_there_fails_its_step_and_says_so() -> None:
    create(definition(step("a"), condition("c", [{**TRUE, "LeftValue": said_by("a", "missing")}], [step("b")])))
    arn = start()
    assert ended(arn)["PipelineExecutionStatus"] == "Failed"
    assert states(arn) == {"a": "Succeeded", "c": "Failed"}
    assert "missing is not there" in steps_of(arn)["c"]["FailureReason"]


def test_an_execution_does_not_outlive_the_service(open_sagemaker: OpenSageMaker) -> None:
    local = open_sagemaker()
    create(definition(step("slow", WAIT)))
    arn = start()
    wait_for(lambda: steps_of(arn).get("slow", {}).get("Metadata"), "a job")
    local.stop()
    open_sagemaker()
    assert ended(arn)["PipelineExecutionStatus"] in ("Failed", "Stopped")
    assert client().describe_pipeline(PipelineName="toy")["PipelineName"] == "toy"


TRAIN = (
    "import json, os, pathlib, boto3\n"
    "pathlib.Path('/opt/ml/model/model.txt').write_text('trained')\n"
    f"boto3.client('s3').put_object(Bucket='{BUCKET}', Key=f\"said/{{os.environ['TRAINING_JOB_NAME']}}.json\", "
    "Body=json.dumps({'loss': 0.25}))"
)


def training_step(name: str, **more: Any) -> dict[str, Any]:
    """A training step that leaves a model, and a JSON object under its job's name."""
    arguments = training_request("unused", TRAIN)
    del arguments["TrainingJobName"]
    return {"Name": name, "Type": "Training", "Arguments": arguments, **more}


@pytest.mark.usefixtures("local_sagemaker")
def test_a_trained_model_becomes_a_model_and_a_package_that_waits() -> None:
    archive = {"Get": "Steps.train.ModelArtifacts.S3ModelArtifacts"}
    model = {
        "Name": "model",
        "Type": "Model",
        "Arguments": {"ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": archive}},
    }
    specification = {
        "Containers": [{"Image": IMAGE, "ModelDataUrl": archive}],
        "SupportedContentTypes": ["text/csv"],
        "SupportedResponseMIMETypes": ["text/csv"],
    }
    package = {
        "Name": "package",
        "Type": "RegisterModel",
        "Arguments": {
            "ModelPackageGroupName": "toys",
            "ModelApprovalStatus": "PendingManualApproval",
            "InferenceSpecification": specification,
        },
    }
    place = [f"s3://{BUCKET}/said", {"Get": "Steps.train.TrainingJobName"}]
    named = {"Std:Join": {"On": "", "Values": [{"Std:Join": {"On": "/", "Values": place}}, ".json"]}}
    loss = {"Std:JsonGet": {"S3Uri": named, "Path": "loss"}}
    low = {"Type": "LessThan", "LeftValue": loss, "RightValue": 0.5}
    create(definition(training_step("train"), condition("good", [low], [model, package])))
    arn = start()
    assert ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    assert states(arn) == dict.fromkeys(("train", "good", "model", "package"), "Succeeded")
    metadata = {name: item["Metadata"] for name, item in steps_of(arn).items()}
    job = metadata["train"]["TrainingJob"]["Arn"].rpartition("/")[2]
    made = client().describe_training_job(TrainingJobName=job)["ModelArtifacts"]["S3ModelArtifacts"]
    name = metadata["model"]["Model"]["Arn"].rpartition("/")[2]
    assert client().describe_model(ModelName=name)["PrimaryContainer"]["ModelDataUrl"] == made
    found = client().describe_model_package(ModelPackageName=metadata["package"]["RegisterModel"]["Arn"])
    assert (found["ModelApprovalStatus"], found["ModelPackageGroupName"]) == ("PendingManualApproval", "toys")
    assert found["InferenceSpecification"]["Containers"][0]["ModelDataUrl"] == made


@pytest.mark.usefixtures("local_sagemaker")
def test_a_cached_training_hands_on_its_earlier_model() -> None:
    cached = training_step("train", CacheConfig={"Enabled": True})
    place = {"Get": "Steps.train.ModelArtifacts.S3ModelArtifacts"}
    told = {"Std:Join": {"On": "", "Values": ['"', place, '"']}}
    create(definition(cached, step("after", said=told)))
    one = start("1" * 32)
    ended(one)
    two = start("2" * 32)
    assert ended(two)["PipelineExecutionStatus"] == "Succeeded"
    assert steps_of(two)["train"]["CacheHitResult"]["SourcePipelineExecutionArn"] == one
    assert said(two, "after") == said(one, "after")
    assert said(two, "after").endswith("model.tar.gz")
