"""Pipelines on the local SageMaker: what is refused, what runs in which order, what is reused, stopped, retried."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_sagemaker import (
    BUCKET,
    IMAGE,
    ROLE,
    LocalSageMaker,
    OpenSageMaker,
    client,
    put,
    read,
    training_request,
    wait_for,
)

TOKEN = "0" * 32
ENDED = ("Succeeded", "Failed", "Stopped")
WRITE = "import os, pathlib; pathlib.Path('/opt/ml/processing/out/said.json').write_text(os.environ['SAID'])"
WAIT = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(1)); time.sleep(600)"


def step(name: str, script: str = WRITE, said: Any = "{}", **more: Any) -> dict[str, Any]:
    """A processing step that runs a script, which may write /opt/ml/processing/out/said.json."""
    place = {"Std:Join": {"On": "/", "Values": [f"s3://{BUCKET}", {"Get": "Execution.PipelineExecutionId"}, name]}}
    output = {"S3Uri": place, "LocalPath": "/opt/ml/processing/out", "S3UploadMode": "EndOfJob"}
    cluster = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 10}
    arguments = {
        "RoleArn": ROLE,
        "AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": ["python", "-c", script]},
        "Environment": {"SAID": said},
        "ProcessingResources": {"ClusterConfig": cluster},
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "out", "S3Output": output}]},
    }
    file = {"PropertyFileName": "said", "OutputName": "out", "FilePath": "said.json"}
    return {"Name": name, "Type": "Processing", "Arguments": arguments, "PropertyFiles": [file], **more}


def condition(name: str, conditions: list[Any], then: list[Any], other: list[Any] | None = None) -> dict[str, Any]:
    """A condition step."""
    arguments = {"Conditions": conditions, "IfSteps": then, "ElseSteps": other or []}
    return {"Name": name, "Type": "Condition", "Arguments": arguments}


def said_by(name: str, path: str) -> dict[str, Any]:
    """What a step's file says."""
    return {"Std:JsonGet": {"PropertyFile": {"Get": f"Steps.{name}.PropertyFiles.said"}, "Path": path}}


def definition(*steps: dict[str, Any], parameters: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    """A definition."""
    return {"Version": "2020-12-01", "Metadata": {}, "Parameters": list(parameters), "Steps": list(steps)}


def create(body: dict[str, Any], name: str = "toy", token: str = TOKEN, **more: Any) -> str:
    """Make a pipeline; its ARN."""
    given = {"PipelineName": name, "PipelineDefinition": json.dumps(body), "RoleArn": ROLE, **more}
    return str(client().create_pipeline(ClientRequestToken=token, **given)["PipelineArn"])


def start(token: str = TOKEN, name: str = "toy", parallel: int = 0, **parameters: str) -> str:
    """Start an execution; its ARN."""
    given = [{"Name": key, "Value": value} for key, value in parameters.items()]
    more = {"ParallelismConfiguration": {"MaxParallelExecutionSteps": parallel}} if parallel else {}
    answer = client().start_pipeline_execution(
        PipelineName=name, ClientRequestToken=token, PipelineParameters=given, **more
    )
    return str(answer["PipelineExecutionArn"])


def ended(arn: str) -> dict[str, Any]:
    """An execution at its end."""

    def look() -> dict[str, Any] | None:
        found = dict(client().describe_pipeline_execution(PipelineExecutionArn=arn))
        return found if found["PipelineExecutionStatus"] in ENDED else None

    found: dict[str, Any] = wait_for(look, f"the end of {arn}")
    return found


def steps_of(arn: str) -> dict[str, dict[str, Any]]:
    """The steps of an execution."""
    listed = client().list_pipeline_execution_steps(PipelineExecutionArn=arn, SortOrder="Ascending")
    return {item["StepName"]: item for item in listed["PipelineExecutionSteps"]}


def states(arn: str) -> dict[str, str]:
    """Step → state."""
    return {name: item["StepStatus"] for name, item in steps_of(arn).items()}


def said(arn: str, name: str) -> Any:
    """What a step of an execution wrote."""
    return json.loads(read(f"s3://{BUCKET}/{arn.rpartition('/')[2]}/{name}/said.json"))


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


def without(body: dict[str, Any], *path: str) -> dict[str, Any]:
    """A step without one member."""
    copy = json.loads(json.dumps(body))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return dict(copy)


TRUE = {"Type": "Equals", "LeftValue": 1, "RightValue": 1}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown type": (definition({**step("a"), "Type": "Magic"}), "the type 'Magic' is not known"),
    "a name twice": (definition(step("a"), step("a")), "a is there twice"),
    "a name twice, once in a branch": (definition(step("a"), condition("c", [TRUE], [step("a")])), "a is there twice"),
    "a bad name": (definition(step("a b")), "letters, digits"),
    "no steps": (definition(), "at least one step"),
    "another version": ({**definition(step("a")), "Version": "1"}, "2020-12-01"),
    "an unknown step": (definition(step("a", said={"Get": "Steps.b.ProcessingJobName"})), "there is no such step"),
    "an unknown property": (
        definition(step("b"), step("a", said={"Get": "Steps.b.Nonsense"})),
        "a Processing step has no such property",
    ),
    "an unknown parameter": (definition(step("a", said={"Get": "Parameters.x"})), "there is no such parameter"),
    "an unknown variable": (definition(step("a", said={"Get": "Execution.x"})), "no such execution variable"),
    "an unknown property file": (
        definition(step("a"), condition("c", [{**TRUE, "LeftValue": said_by("b", "x")}], [])),
        "there is no such step",
    ),
    "a wait for nothing": (definition(step("a", DependsOn=["b"])), "DependsOn names b"),
    "a circle": (definition(step("a", DependsOn=["b"]), step("b", DependsOn=["a"])), "in a circle: a, b"),
    "a circle through a branch": (
        definition(condition("c", [{**TRUE, "LeftValue": said_by("a", "x")}], [step("a")])),
        "in a circle",
    ),
    "a condition in a condition": (
        definition(condition("c", [TRUE], [condition("d", [TRUE], [step("a")])])),
        "condition steps cannot be nested: d",
    ),
    "an unknown condition": (definition(condition("c", [{"Type": "Like"}], [])), "no condition of type 'Like'"),
    "a request without its image": (
        definition(without(step("a"), "Arguments", "AppSpecification", "ImageUri")),
        "ImageUri is missing",
    ),
    "an unknown argument": (
        definition({**step("a"), "Arguments": {**step("a")["Arguments"], "Nonsense": 1}}),
        "Nonsense: unknown",
    ),
    "a number for a text": (definition(step("a", said=5)), "5 is no string"),
    "a default of another type": (
        definition(step("a"), parameters=({"Name": "n", "Type": "Integer", "DefaultValue": "x"},)),
        "is no Integer",
    ),
    "a file of no output": (
        definition(step("a", PropertyFiles=[{"PropertyFileName": "f", "OutputName": "x", "FilePath": "y"}])),
        "names no output",
    ),
}


@pytest.mark.usefixtures("local_sagemaker")
def test_what_sagemaker_would_refuse_is_refused_when_the_pipeline_is_made() -> None:
    for what, (body, expected) in REFUSED.items():
        with pytest.raises(ClientError, match="ValidationException") as caught:
            create(body)
        assert expected in str(caught.value), what
    assert client().list_pipelines()["PipelineSummaries"] == []


@pytest.mark.usefixtures("local_sagemaker")
def test_one_token_makes_one_pipeline_and_an_update_is_an_update() -> None:
    arn = create(definition(step("a")))
    assert create(definition(step("a"))) == arn
    with pytest.raises(ClientError, match="already exists"):
        create(definition(step("a")), token="1" * 32)
    client().update_pipeline(PipelineName="toy", PipelineDefinition=json.dumps(definition(step("b"))))
    found = client().describe_pipeline(PipelineName="toy")
    assert json.loads(found["PipelineDefinition"])["Steps"][0]["Name"] == "b"
    assert len(client().list_pipelines()["PipelineSummaries"]) == 1
    assert client().delete_pipeline(PipelineName="toy", ClientRequestToken=TOKEN)["PipelineArn"] == arn
    with pytest.raises(ClientError, match="does not exist"):
        client().describe_pipeline(PipelineName="toy")


@pytest.mark.usefixtures("local_sagemaker")
def test_one_token_starts_one_execution_of_the_definition_of_its_time() -> None:
    create(definition(step("a")))
    arn = start()
    assert start() == arn
    client().update_pipeline(PipelineName="toy", PipelineDefinition=json.dumps(definition(step("b"))))
    ended(arn)
    assert set(states(arn)) == {"a"}
    kept = client().describe_pipeline_definition_for_execution(PipelineExecutionArn=arn)["PipelineDefinition"]
    assert json.loads(kept)["Steps"][0]["Name"] == "a"
    listed = client().list_pipeline_executions(PipelineName="toy")["PipelineExecutionSummaries"]
    assert [item["PipelineExecutionArn"] for item in listed] == [arn]


@pytest.mark.usefixtures("local_sagemaker")
def test_arguments_are_checked_before_anything_starts() -> None:
    parameters = ({"Name": "rows", "Type": "Integer"}, {"Name": "fast", "Type": "Boolean", "DefaultValue": False})
    create(definition(step("a"), parameters=parameters))
    for given, expected in (({}, "no value"), ({"rows": "x"}, "no Integer"), ({"rows": "1", "z": "1"}, "Undefined")):
        with pytest.raises(ClientError, match=expected):
            start(**given)
    assert client().list_pipeline_executions(PipelineName="toy")["PipelineExecutionSummaries"] == []


@pytest.mark.usefixtures("local_sagemaker")
def test_a_definition_may_lie_on_s3() -> None:
    put("definition.json", json.dumps(definition(step("a"))))
    place = {"Bucket": BUCKET, "ObjectKey": "definition.json"}
    request = {"PipelineName": "toy", "RoleArn": ROLE, "ClientRequestToken": TOKEN}
    client().create_pipeline(PipelineDefinitionS3Location=place, **request)
    found = client().describe_pipeline(PipelineName="toy")["PipelineDefinition"]
    assert json.loads(found)["Steps"][0]["Name"] == "a"
    put("definition.json", "{")
    with pytest.raises(ClientError, match="Unable to parse"):
        client().update_pipeline(PipelineName="toy", PipelineDefinitionS3Location=place)


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
