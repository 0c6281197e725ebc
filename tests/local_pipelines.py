"""Pipelines of processing steps for tests of the local SageMaker: definitions, executions, and what came of them."""

from __future__ import annotations

import json
from typing import Any

from local_sagemaker import (
    BUCKET,
    IMAGE,
    ROLE,
    client,
    read,
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


TRUE = {"Type": "Equals", "LeftValue": 1, "RightValue": 1}
