"""Clients that nobody changed: SageMaker's SDK in versions 2 and 3, and AWS's training toolkit in the job."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from local_sagemaker import BUCKET, IMAGE, ROLE, OpenSageMaker, add_program, client, image_folder, lines, put, read
from sdk_environments import run_client, sdk_environment, toolkit_image

_TRAIN = """
import json
print(json.load(open("/opt/ml/input/config/hyperparameters.json")))
print("loss=0.25")
open("/opt/ml/model/weights", "w").write(open("/opt/ml/input/data/train/a.txt").read())
"""
_ESTIMATOR = f"""
import sagemaker
from sagemaker.estimator import Estimator
from sagemaker.processing import ProcessingInput, ProcessingOutput, ScriptProcessor

session = sagemaker.Session(default_bucket="{BUCKET}")
estimator = Estimator(
    image_uri="{IMAGE}", role="{ROLE}", instance_count=1, instance_type="ml.m5.large", max_run=600,
    output_path="s3://{BUCKET}/out", hyperparameters={{"epochs": 3}}, base_job_name="estimator",
    metric_definitions=[{{"Name": "loss", "Regex": "loss=([0-9.]+)"}}], sagemaker_session=session,
)
estimator.fit({{"train": "s3://{BUCKET}/in/"}}, logs="All")
print("MODEL", estimator.model_data)
print("METRIC", estimator.latest_training_job.describe()["FinalMetricDataList"][0]["Value"])
with open("work.py", "w") as stream:
    stream.write(
        "import shutil, sys; print('ARGUMENTS', sys.argv[1:]);"
        "shutil.copy('/opt/ml/processing/input/a.txt', '/opt/ml/processing/output/b.txt')"
    )
processor = ScriptProcessor(
    role="{ROLE}", image_uri="{IMAGE}", command=["python3"], instance_count=1, instance_type="ml.m5.large",
    sagemaker_session=session,
)
processor.run(
    code="work.py",
    inputs=[ProcessingInput(source="s3://{BUCKET}/in/", destination="/opt/ml/processing/input")],
    outputs=[ProcessingOutput(source="/opt/ml/processing/output", destination="s3://{BUCKET}/processed")],
    arguments=["--x", "1"],
)
"""
_PYTORCH = f"""
import os
import sagemaker
from sagemaker.pytorch import PyTorch

os.makedirs("source/inner")
with open("source/inner/__init__.py", "w") as stream:
    stream.write("WORD = 'imported'")
with open("source/fit.py", "w") as stream:
    stream.write(
        "import argparse, os, inner\\n"
        "parser = argparse.ArgumentParser()\\n"
        "parser.add_argument('--epochs', type=int)\\n"
        "parser.add_argument('--model_dir')\\n"
        "given, _ = parser.parse_known_args()\\n"
        "print('SCRIPT', inner.WORD, given.epochs, sorted(os.listdir(os.environ['SM_CHANNEL_TRAIN'])), flush=True)\\n"
        "open(os.path.join(os.environ['SM_MODEL_DIR'], 'weights'), 'w').write('7')\\n"
    )
estimator = PyTorch(
    entry_point="fit.py", source_dir="source", image_uri="{IMAGE}", role="{ROLE}", instance_count=1,
    instance_type="ml.m5.large", max_run=600, output_path="s3://{BUCKET}/out", hyperparameters={{"epochs": 2}},
    base_job_name="pytorch", sagemaker_session=sagemaker.Session(default_bucket="{BUCKET}"),
)
estimator.fit({{"train": "s3://{BUCKET}/in/"}}, logs=None)
print("MODEL", estimator.model_data)
print("JOB", estimator.latest_training_job.name)
"""
_TRAINER = f"""
import os
from sagemaker.core.helper.session_helper import Session
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, OutputDataConfig, SourceCode, StoppingCondition

os.makedirs("source")
with open("source/fit.py", "w") as stream:
    stream.write(
        "import os; print('SCRIPT', os.listdir('/opt/ml/input/data/train'), os.environ['SM_HPS'], flush=True)\\n"
        "open('/opt/ml/model/weights', 'w').write('7')\\n"
    )
trainer = ModelTrainer(
    training_image="{IMAGE}", role="{ROLE}", base_job_name="trainer",
    sagemaker_session=Session(default_bucket="{BUCKET}"),
    source_code=SourceCode(source_dir="source", command="python fit.py"),
    compute=Compute(instance_type="ml.m5.large", instance_count=1), hyperparameters={{"epochs": 3}},
    stopping_condition=StoppingCondition(max_runtime_in_seconds=600),
    output_data_config=OutputDataConfig(s3_output_path="s3://{BUCKET}/out"),
)
trainer.train(input_data_config=[InputData(channel_name="train", data_source="s3://{BUCKET}/in/")], logs=True)
job = trainer._latest_training_job
job.refresh()
print("JOB", job.training_job_name, job.training_job_status)
print("MODEL", job.model_artifacts.s3_model_artifacts)
"""


def _told(output: str, word: str) -> str:
    found = [line for line in output.splitlines() if line.startswith(f"{word} ")]
    assert found, output
    return found[-1].removeprefix(f"{word} ")


def _model(uri: str) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(read(uri))) as archive:
        return {item.name: archive.extractfile(item).read() for item in archive if item.isfile()}  # type: ignore[union-attr]


def _make_role() -> None:
    statement = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client("iam").create_role(RoleName=ROLE.rpartition("/")[2], AssumeRolePolicyDocument=trust)


def test_estimator_and_script_processor_of_the_sdk_v2(local_sagemaker: Any, tmp_path: Path) -> None:
    environment = sdk_environment("sagemaker-v2")
    put("in/a.txt", "hello")
    add_program(image_folder(local_sagemaker), "train", _TRAIN)
    output = run_client(environment, _ESTIMATOR, tmp_path)
    assert "loss=0.25" in output.splitlines(), "the job's log was followed"
    assert "Training job completed" in output
    assert _model(_told(output, "MODEL")) == {"weights": b"hello"}
    assert _told(output, "METRIC") == "0.25"
    assert _told(output, "ARGUMENTS") == "['--x', '1']"
    assert read(f"s3://{BUCKET}/processed/b.txt") == b"hello"
    assert not [seen for seen in local_sagemaker.requests if seen.status >= 500]


def test_script_mode_of_the_sdk_v2_through_awss_training_toolkit(open_sagemaker: OpenSageMaker, tmp_path: Path) -> None:
    environment, toolkit = sdk_environment("sagemaker-v2"), sdk_environment("sagemaker-training")
    local = open_sagemaker(images={IMAGE: toolkit_image(tmp_path / "image", toolkit)})
    if local.service.executor.name == "processes":
        pytest.skip("the toolkit wants its own /opt/ml")
    put("in/a.txt", "hello")
    output = run_client(environment, _PYTORCH, tmp_path)
    assert _model(_told(output, "MODEL")) == {"weights": b"7"}
    printed = lines(_told(output, "JOB"))
    assert "SCRIPT imported 2 ['a.txt']" in printed, printed[-20:]


def test_model_trainer_of_the_sdk_v3(local_sagemaker: Any, tmp_path: Path) -> None:
    environment = sdk_environment("sagemaker-v3")
    put("in/a.txt", "hello")
    _make_role()
    output = run_client(environment, _TRAINER, tmp_path)
    name, status = _told(output, "JOB").split()
    assert status == "Completed"
    assert _model(_told(output, "MODEL")) == {"weights": b"7"}
    assert "SCRIPT ['a.txt'] {\"epochs\": 3}" in lines(name)
