"""What the settings of a job promise, seen at work: run by `intermodal run --on sagemaker` on a local SageMaker."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import mlflow
import pytest

from intermodal.runtime.sagemaker_local.server import LocalSageMaker
from launching import TESTS, Answer, intermodal
from local_sagemaker import client, read
from sagemaker_runs import digests, jobs, records
from sdk_environments import sdk_environment, toolkit_image

DLC = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.10.0-cpu-py313"
SETTINGS = """
[sagemaker]
tags = {team = "reviews"}
instance_type = "ml.m5.xlarge"
subnets = ["subnet-1"]
security_groups = ["sg-1"]
encrypt_traffic = true
volume_kms_key = "alias/volumes"
output_kms_key = "alias/outputs"
warm_pool = 600

[sagemaker.steps.share]
instances = 2
sharded = ["data"]
input_mode = "FastFile"

[sagemaker.steps.divide]
instances = 2
sharded = ["data"]

[sagemaker.steps.learn]
tensorboard = true
profiler = true
debugger = true
"""
VPC = {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}
SCRIPTING = """
[sagemaker.steps.train_script]
image = "dlc:pytorch"
source_dir = "mine"
entry_point = "train.py"
input_mode = "Pipe"
metrics = {loss = "loss: ([0-9.]+)"}
"""
SCRIPT = """
import argparse, os, pathlib
given = argparse.ArgumentParser()
given.add_argument("--word")
folder, pipe = pathlib.Path(os.environ["SM_CHANNEL_TRAIN"]), pathlib.Path(os.environ["SM_CHANNEL_TRAIN"] + "_0")
files = sorted(folder.glob("*.txt")) if folder.is_dir() else [pipe]
total = sum(int(line) for item in files for line in item.open())
pathlib.Path(os.environ["SM_MODEL_DIR"], "m.txt").write_text(f"{given.parse_args().word} {total}")
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "notes.txt").write_text("done")
print("val_loss: 9.5 loss: 0.25", flush=True)
"""


def run(name: str, *words: str, **environment: str) -> Answer:
    return intermodal("run", f"{TESTS}/feature_pipelines.py:{name}", "--json", *words, **environment)


def training(prefix: str) -> dict[str, Any]:
    """What the service says of the only training job whose name begins so."""
    (name,) = jobs(prefix)
    return dict(client().describe_training_job(TrainingJobName=name))


def under(uri: str) -> list[str]:
    """Names below a prefix."""
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    found = client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    return [item["Key"].removeprefix(prefix) for item in found]


def local_digests(home: Path) -> dict[tuple[str, str], str]:
    return digests(json.loads(next(home.glob("runs/*/run.json")).read_text()))


def test_machines_share_by_key_and_what_was_set_reaches_the_service(sagemaker: LocalSageMaker, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    (tmp_path / "intermodal.toml").write_text(SETTINGS)
    done = run("featured", "--on", "sagemaker", "-p", f"marks={marks}")
    assert done.code == 0, done.err
    (record,) = records()
    _check_shares(marks)
    shared, learnt = training("featured-share"), training("featured-learn")
    (divided,) = [_described(name) for name in jobs("featured-divide")]
    cluster = divided["ProcessingResources"]["ClusterConfig"]
    assert (cluster["InstanceCount"], cluster["VolumeKmsKeyId"]) == (2, "alias/volumes")
    assert divided["NetworkConfig"]["VpcConfig"] == shared["VpcConfig"] == learnt["VpcConfig"] == VPC
    assert divided["NetworkConfig"]["EnableInterContainerTrafficEncryption"] is True
    for told in (shared, learnt):
        assert told["EnableInterContainerTrafficEncryption"] is True
        assert told["ResourceConfig"]["VolumeKmsKeyId"] == "alias/volumes"
    for arn in (shared["TrainingJobArn"], learnt["TrainingJobArn"], divided["ProcessingJobArn"]):
        tags = {item["Key"]: item["Value"] for item in client().list_tags(ResourceArn=arn)["Tags"]}
        assert (tags["team"], tags["intermodal:run"]) == ("reviews", record["run_id"])
    _check_watching(learnt, marks)
    _check_model(learnt, record)
    _check_keys(learnt, record)
    here = run("featured", "-p", f"marks={tmp_path}", INTERMODAL_HOME=str(tmp_path / "local"))
    assert here.code == 0, here.err
    local, made = local_digests(tmp_path / "local"), digests(record)
    assert made.keys() == local.keys()
    assert {key for key in made if made[key] != local[key]} == {("share", "shares"), ("divide", "divided")}  # 2, not 1


def _check_shares(marks: Path) -> None:
    """Each file is on one host, none is on both, and the manifest is on none."""
    for made in ("shares", "divided"):
        given = [(marks / f"{made}-{host}").read_text().split() for host in ("algo-1", "algo-2")]
        assert all(given)
        assert sorted(given[0] + given[1]) == [f"part-{number}.txt" for number in range(4)]


def _check_watching(told: dict[str, Any], marks: Path) -> None:
    """Event files and tensors lie where the request says, the profiler was told, and each curve is one's own."""
    store = told["TensorBoardOutputConfig"]["S3OutputPath"]
    names = under(f"{store}/{told['TrainingJobName']}/")
    assert any(name.startswith("tensorboard-output/learn/events.out.tfevents.") for name in names)
    assert "debug-output/collections.json" in names
    assert json.loads((marks / "profiler.json").read_text()) == told["ProfilerConfig"]
    assert {item["MetricName"]: item["Value"] for item in told["FinalMetricDataList"]} == {"loss": 2.0, "val_loss": 6.0}


def _check_model(told: dict[str, Any], record: dict[str, Any]) -> None:
    """`model.tar.gz` has the very files of the artifact at its root, its manifest among them."""
    (task,) = [item for item in record["tasks"] if item["name"] == "learn"]
    with tarfile.open(fileobj=io.BytesIO(read(told["ModelArtifacts"]["S3ModelArtifacts"]))) as archive:
        inside = {item.name: archive.extractfile(item).read() for item in archive if item.isfile()}  # type: ignore[union-attr]
    uri = task["artifacts"]["model"]["uri"]
    assert inside == {name: read(f"{uri}/{name}") for name in ("sum.txt", "manifest.json")}
    assert inside["sum.txt"] == b"780\n"


def _check_keys(told: dict[str, Any], record: dict[str, Any]) -> None:
    """What jobs wrote is encrypted by the key: artifacts, and what SageMaker itself brought to S3."""
    archive = told["ModelArtifacts"]["S3ModelArtifacts"]
    artifacts = [item["uri"] for task in record["tasks"] for item in task["artifacts"].values()]
    found = [f"{uri}/{name}".rstrip("/") for uri in artifacts for name in under(f"{uri}/") or [""]]
    assert len(found) > len(artifacts)
    for uri in (archive, *found):
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        head = client("s3").head_object(Bucket=bucket, Key=key)
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", "alias/outputs"), uri


def _described(name: str) -> dict[str, Any]:
    return dict(client().describe_processing_job(ProcessingJobName=name))


@pytest.fixture
def container(sagemaker: LocalSageMaker, tmp_path: Path) -> LocalSageMaker:
    """A local SageMaker with what makes an image a Deep Learning Container: AWS's own training toolkit."""
    if sagemaker.service.executor.name == "processes":
        pytest.skip("the toolkit wants its own /opt/ml, which jobs that are plain processes have not")
    sagemaker.service.images.add(DLC, toolkit_image(tmp_path / "container", sdk_environment("sagemaker-training")))
    return sagemaker


def script_in(folder: Path, text: str = SCRIPT) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "train.py").write_text(text)
    return folder


def planned(*words: str) -> dict[str, str]:
    """Task → whether `intermodal plan` says that it is remembered."""
    done = intermodal("plan", f"{TESTS}/feature_pipelines.py:scripting", "--json", *words)
    assert done.code == 0, done.err
    return {item["name"]: item["verdict"] for item in done.json["tasks"]}


def test_a_script_of_ones_own_in_an_image_of_awss_reads_a_pipe_and_its_metrics_reach_mlflow(
    container: LocalSageMaker, tmp_path: Path
) -> None:
    mine, source = script_in(tmp_path / "mine"), script_in(tmp_path / "copy")
    (tmp_path / "intermodal.toml").write_text(SCRIPTING)
    words = ("--on", "sagemaker", "-p", f"source={source}")
    done = run("scripting", *words)
    assert done.code == 0, done.err
    told, (record,) = training("scripting-train"), records()
    assert told["AlgorithmSpecification"]["TrainingImage"] == DLC
    (channel,) = told["InputDataConfig"]
    assert (channel["ChannelName"], channel["InputMode"]) == ("train", "Pipe")
    task = next(item for item in record["tasks"] if item["name"] == "train-script")
    assert task["metrics"] == {"loss": 0.25}
    tracking = mlflow.MlflowClient(tracking_uri=f"sqlite:///{os.environ['INTERMODAL_HOME']}/mlflow.db")
    assert tracking.get_run(task["mlflow_run_id"]).data.metrics["loss"] == 0.25
    assert intermodal("verify", task["artifacts"]["model"]["uri"], "--json").code == 0
    here = run("scripting", "-p", f"source={source}", INTERMODAL_HOME=str(tmp_path / "local"))
    assert here.code == 0, here.err
    local, made = local_digests(tmp_path / "local"), digests(record)
    for key in (("parts", "data"), ("train-script", "model"), ("train-script", "output")):
        assert made[key] == local[key]
    # The script is what the result depends on: unchanged, it is remembered; changed, there is another job, to which
    # SageMaker itself brings the script, since it has no network.
    assert planned(*words) == {"parts": "hit", "train-script": "hit"}
    assert run("scripting", *words).code == 0
    assert len(jobs("scripting-train")) == 1
    (tmp_path / "intermodal.toml").write_text(f"{SCRIPTING}network_isolation = true\n")
    script_in(mine, SCRIPT.replace("{total}", "{total + 1}"))
    assert planned(*words) == {"parts": "hit", "train-script": "miss"}
    assert run("scripting", *words).code == 0
    both = jobs("scripting-train")
    isolated = [client().describe_training_job(TrainingJobName=name)["EnableNetworkIsolation"] for name in both]
    assert sorted(isolated) == [False, True]
    model = next(item for item in records()[-1]["tasks"] if item["name"] == "train-script")["artifacts"]["model"]
    assert read(f"{model['uri']}/m.txt") == b"a word 781"
