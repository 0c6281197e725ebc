"""Pipelines on the local SageMaker: what is refused, and what one token makes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_pipelines import TOKEN, TRUE, condition, create, definition, ended, said_by, start, states, step
from local_sagemaker import (
    BUCKET,
    ROLE,
    client,
    put,
)


def without(body: dict[str, Any], *path: str) -> dict[str, Any]:
    """A step without one member."""
    copy = json.loads(json.dumps(body))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return dict(copy)


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
