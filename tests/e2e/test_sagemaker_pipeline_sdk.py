"""Pipelines of SageMaker's own SDK, version 2, unchanged: upserted, started and waited for on the local SageMaker."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from local_sagemaker import BUCKET, IMAGE, ROLE, add_program, client, image_folder
from local_sagemaker import open_sagemaker as open_sagemaker  # noqa: PLC0414  a fixture of the other
from sdk_environments import run_client, sdk_environment

_TRAIN = "open('/opt/ml/model/weights', 'w').write('7')"
_PIPELINE = f"""
import json
import sagemaker
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.processing import ProcessingOutput, ScriptProcessor
from sagemaker.workflow.condition_step import ConditionStep
from sagemaker.workflow.conditions import ConditionGreaterThanOrEqualTo, ConditionIn, ConditionNot, ConditionOr
from sagemaker.workflow.execution_variables import ExecutionVariables
from sagemaker.workflow.fail_step import FailStep
from sagemaker.workflow.functions import Join, JsonGet
from sagemaker.workflow.model_step import ModelStep
from sagemaker.model import Model
from sagemaker.workflow.parameters import ParameterFloat, ParameterString
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import PipelineSession
from sagemaker.workflow.properties import PropertyFile
from sagemaker.workflow.retry import SageMakerJobExceptionTypeEnum, SageMakerJobStepRetryPolicy
from sagemaker.workflow.steps import CacheConfig, ProcessingStep, TrainingStep

session = PipelineSession(default_bucket="{BUCKET}")
least = ParameterFloat(name="Least", default_value=0.5)
kind = ParameterString(name="Kind", default_value="plain", enum_values=["plain", "odd"])
with open("judge.py", "w") as stream:
    stream.write(
        "import json, pathlib, sys; folder = pathlib.Path('/opt/ml/processing/out');"
        "(folder / 'said.json').write_text(json.dumps(dict(figures=dict(accuracy=0.75), kind=sys.argv[1])))"
    )
processor = ScriptProcessor(
    role="{ROLE}", image_uri="{IMAGE}", command=["python3"], instance_count=1, instance_type="ml.m5.large",
    sagemaker_session=session,
)
said = PropertyFile(name="said", output_name="out", path="said.json")
judge = ProcessingStep(
    name="Judge",
    step_args=processor.run(
        code="judge.py", arguments=[kind],
        outputs=[ProcessingOutput(
            output_name="out", source="/opt/ml/processing/out",
            destination=Join(on="/", values=["s3://{BUCKET}", ExecutionVariables.PIPELINE_EXECUTION_ID, "judge"]),
        )],
    ),
    property_files=[said],
    cache_config=CacheConfig(enable_caching=True, expire_after="30d"),
    retry_policies=[SageMakerJobStepRetryPolicy(
        exception_types=[SageMakerJobExceptionTypeEnum.CAPACITY_ERROR], interval_seconds=1, max_attempts=2,
    )],
)
estimator = Estimator(
    image_uri="{IMAGE}", role="{ROLE}", instance_count=1, instance_type="ml.m5.large", max_run=600,
    output_path="s3://{BUCKET}/out", sagemaker_session=session,
)
made = judge.properties.ProcessingOutputConfig.Outputs["out"].S3Output.S3Uri
train = TrainingStep(name="Train", step_args=estimator.fit({{"train": TrainingInput(s3_data=made)}}))
model = Model(
    image_uri="{IMAGE}", model_data=train.properties.ModelArtifacts.S3ModelArtifacts, role="{ROLE}",
    sagemaker_session=session,
)
register = ModelStep(name="Keep", step_args=model.register(
    content_types=["text/csv"], response_types=["text/csv"], inference_instances=["ml.m5.large"],
    transform_instances=["ml.m5.large"], model_package_group_name="toys", approval_status="PendingManualApproval",
))
fail = FailStep(name="Fail", error_message=Join(on=" ", values=["less than", least]))
accuracy = JsonGet(step_name="Judge", property_file=said, json_path="figures.accuracy")
enough = ConditionStep(
    name="Enough",
    conditions=[
        ConditionGreaterThanOrEqualTo(left=accuracy, right=least),
        ConditionOr(conditions=[ConditionIn(value=kind, in_values=["plain"]),
                                ConditionNot(ConditionIn(value=kind, in_values=["plain", "odd"]))]),
    ],
    if_steps=[train, register], else_steps=[fail],
)
pipeline = Pipeline(name="toy", parameters=[least, kind], steps=[judge, enough], sagemaker_session=session)
first = pipeline.upsert(role_arn="{ROLE}")["PipelineArn"]
assert pipeline.upsert(role_arn="{ROLE}")["PipelineArn"] == first
good = pipeline.start()
good.wait(delay=1, max_attempts=200)
bad = pipeline.start(parameters={{"Least": 0.9}})
try:
    bad.wait(delay=1, max_attempts=200)
    reason = ""
except Exception as error:
    reason = str(error)
states = [{{item["StepName"]: item["StepStatus"] for item in run.list_steps()}} for run in (good, bad)]
cached = [item["StepName"] for item in bad.list_steps() if "CacheHitResult" in item]
messages = [item.get("FailureReason") for item in bad.list_steps() if item["StepName"] == "Fail"]
ends = [run.describe()["PipelineExecutionStatus"] for run in (good, bad)]
print("TOLD", json.dumps(dict(states=states, cached=cached, messages=messages, ends=ends)))
"""


def test_a_pipeline_of_the_sdk_v2_takes_both_branches(local_sagemaker: Any, tmp_path: Path) -> None:
    environment = sdk_environment("sagemaker-v2")
    add_program(image_folder(local_sagemaker), "train", _TRAIN)
    output = run_client(environment, _PIPELINE, tmp_path)
    told = json.loads(next(line for line in output.splitlines() if line.startswith("TOLD "))[5:])
    good, bad = told["states"]
    assert told["ends"] == ["Succeeded", "Failed"]
    assert set(good.values()) == {"Succeeded"}
    assert {"Judge", "Enough", "Train"} < set(good)
    assert bad == {"Judge": "Succeeded", "Enough": "Succeeded", "Fail": "Failed"}
    assert told["cached"] == ["Judge"]
    assert told["messages"] == ["less than 0.9"]
    (package,) = client().list_model_packages(ModelPackageGroupName="toys")["ModelPackageSummaryList"]
    assert package["ModelApprovalStatus"] == "PendingManualApproval"
    assert len(client().list_pipelines()["PipelineSummaries"]) == 1
    assert not [seen for seen in local_sagemaker.requests if seen.status >= 500]
