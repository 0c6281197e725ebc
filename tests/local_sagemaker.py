"""A local SageMaker for tests, with the clients' variables pointing at it.

`conftest.py` gives every test its fixtures, `local_sagemaker` and `open_sagemaker`.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tarfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from intermodal.runtime.sagemaker_local.server import LocalSageMaker
from intermodal.runtime.sagemaker_local.service import LocalOptions

PATIENCE = 150.0  # seconds: a machine may have other things to do
BUCKET = "bucket"
ROLE = "arn:aws:iam::123456789012:role/intermodal-execution"
OpenSageMaker = Callable[..., LocalSageMaker]
# Of this image's folder, `bin` has this Python as python and python3, and what `add_program` adds.
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/toy:1"


def point_at(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Let this process's clients, and those of the processes it starts, use a local SageMaker."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    variables = {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def open_sagemaker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenSageMaker]:
    """Opens local SageMakers, the last of which the variables point at; they are stopped at the test's end."""
    opened: list[LocalSageMaker] = []

    def go(name: str = "sagemaker", **options: Any) -> LocalSageMaker:
        folder = tmp_path / "images" / "toy"
        (folder / "bin").mkdir(parents=True, exist_ok=True)
        for python in ("python", "python3"):
            if not (folder / "bin" / python).exists():
                add_program(folder, python, f'exec {sys.executable} "$@"', shell="sh")
        images = {IMAGE: folder, **options.pop("images", {})}
        given = {"engine": "namespaces", "grace": 5.0, **options}
        if given["engine"] == "namespaces" and not namespaces_work():
            given["engine"] = "processes"
        local = LocalSageMaker(LocalOptions(home=tmp_path / name, images=images, **given)).start()
        opened.append(local)
        point_at(monkeypatch, local.url)
        if BUCKET not in [item["Name"] for item in client("s3").list_buckets()["Buckets"]]:
            client("s3").create_bucket(Bucket=BUCKET)
        return local

    yield go
    for local in opened:
        local.stop()


@pytest.fixture
def local_sagemaker(open_sagemaker: OpenSageMaker) -> LocalSageMaker:
    """A local SageMaker with a bucket `bucket` and an image `IMAGE`."""
    return open_sagemaker()


@pytest.fixture
def managed_sagemaker(local_sagemaker: LocalSageMaker, home: Path, monkeypatch: pytest.MonkeyPatch) -> LocalSageMaker:
    """A local SageMaker to which steps called here delegate; the variable STORE_KEY has the key of the jobs' store."""
    from hosted import configure

    monkeypatch.setenv("STORE_KEY", configure(home.parent / "work"))
    monkeypatch.setenv("INTERMODAL_SERVICE", "sagemaker")
    return local_sagemaker


def namespaces_work() -> bool:
    """Whether this machine lets us make namespaces."""
    from intermodal.runtime.sagemaker_local import namespaces

    return namespaces.namespaces_work()


def add_program(folder: Path, name: str, text: str, shell: str = "") -> None:
    """Put a program into an image's folder: Python, or a shell script."""
    path = folder / "bin" / name
    first = f"#!/bin/{shell}" if shell else f"#!{sys.executable}"
    path.write_text(f"{first}\n{text}\n")
    path.chmod(0o755)


def image_folder(local: LocalSageMaker, reference: str = IMAGE) -> Path:
    """The folder that stands for an image."""
    return local.service.options.images[reference]


def client(name: str = "sagemaker") -> Any:
    """A boto3 client as the variables say; it tries each call once."""
    import boto3
    from botocore.config import Config

    return boto3.client(name, config=Config(retries={"total_max_attempts": 1}))


def put(key: str, body: str | bytes) -> str:
    """Write an object into the bucket; its URI."""
    client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)
    return f"s3://{BUCKET}/{key}"


def read(uri: str) -> bytes:
    """An object's bytes."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bytes(client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())


def keys(prefix: str = "") -> list[str]:
    """Keys in the bucket."""
    found = client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return [item["Key"] for item in found.get("Contents", [])]


def training_request(name: str, script: str, **more: Any) -> dict[str, Any]:
    """A request for a training job that runs a Python script, brought in a channel `code`.

    Args:
        name: The job's name.
        script: Python.
        more: Members of the request; those of AlgorithmSpecification are merged, channels come after `code`.
    """
    source = {"S3DataType": "S3Prefix", "S3Uri": put(f"code/{name}/main.py", script).rpartition("/")[0]}
    channels = [{"ChannelName": "code", "DataSource": {"S3DataSource": source}}, *more.pop("InputDataConfig", [])]
    spec = {
        "TrainingImage": IMAGE,
        "TrainingInputMode": "File",
        "ContainerEntrypoint": ["python", "-u", "/opt/ml/input/data/code/main.py"],
        **more.pop("AlgorithmSpecification", {}),
    }
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": spec,
        "RoleArn": ROLE,
        "InputDataConfig": channels,
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/output"},
        "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 10},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        **more,
    }


def processing_request(name: str, script: str, **more: Any) -> dict[str, Any]:
    """A request for a processing job that runs a Python script."""
    cluster = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 10}
    uri = put(f"code/{name}/main.py", script).rpartition("/")[0]
    code = processing_input("code", uri, "/opt/ml/processing/code")
    command = ["python", "-u", "/opt/ml/processing/code/main.py"]
    return {
        "ProcessingJobName": name,
        "AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": command},
        "ProcessingInputs": [code, *more.pop("ProcessingInputs", [])],
        "ProcessingResources": {"ClusterConfig": cluster},
        "RoleArn": ROLE,
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        **more,
    }


def processing_input(name: str, uri: str, path: str, **more: Any) -> dict[str, Any]:
    """One of ProcessingInputs."""
    given = {"S3Uri": uri, "LocalPath": path, "S3DataType": "S3Prefix", "S3InputMode": "File", **more}
    return {"InputName": name, "S3Input": given}


def channel(name: str, uri: str, **more: Any) -> dict[str, Any]:
    """One of InputDataConfig; `more` goes to the source or, where the API has it there, to the channel."""
    own = ("InputMode", "CompressionType", "RecordWrapperType", "ShuffleConfig", "ContentType")
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, **{key: more[key] for key in more if key not in own}}
    rest = {key: value for key, value in more.items() if key in own}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, **rest}


def ended(name: str, kind: str = "Training") -> dict[str, Any]:
    """What Describe says of a job as soon as it has ended."""
    return until(name, lambda told: told[f"{kind}JobStatus"] in ("Completed", "Failed", "Stopped"), kind)


def until(name: str, holds: Callable[[dict[str, Any]], bool], kind: str = "Training") -> dict[str, Any]:
    """What Describe says of a job as soon as something holds."""
    describe, limit = getattr(client(), f"describe_{kind.lower()}_job"), time.monotonic() + PATIENCE
    while time.monotonic() < limit:
        told = dict(describe(**{f"{kind}JobName": name}))
        if holds(told):
            return told
        time.sleep(0.03)
    raise TimeoutError(f"{name}: {json.dumps(told, default=str)}")


def lines(name: str, group: str = "TrainingJobs") -> list[str]:
    """What a job has printed, by CloudWatch."""
    events = client("logs").filter_log_events(logGroupName=f"/aws/sagemaker/{group}", logStreamNamePrefix=f"{name}/")
    return [event["message"] for event in events["events"]]


def wait_for(holds: Callable[[], Any], what: str = "") -> Any:
    """What a function gives as soon as that is anything."""
    limit = time.monotonic() + PATIENCE
    while time.monotonic() < limit:
        if found := holds():
            return found
        time.sleep(0.03)
    raise TimeoutError(what or "it never came to pass")


def run_training(name: str, script: str, **more: Any) -> dict[str, Any]:
    """What Describe says of a training job at its end; the arguments are those of `training_request`."""
    client().create_training_job(**training_request(name, script, **more))
    return ended(name)


def members(uri: str) -> dict[str, bytes]:
    """The files in an archive, such as model.tar.gz."""
    with tarfile.open(fileobj=io.BytesIO(read(uri))) as archive:
        return {item.name: archive.extractfile(item).read() for item in archive if item.isfile()}  # type: ignore[union-attr]


def printed(name: str, group: str = "TrainingJobs") -> list[str]:
    """As `lines`; nothing while the job has no log."""
    from botocore.exceptions import ClientError

    try:
        return lines(name, group)
    except ClientError:
        return []


def post(url: str, content: Any = None) -> None:
    """Tell the local service something, such as a fault, at a path of its own."""
    data = json.dumps(content).encode() if content is not None else b""
    with urllib.request.urlopen(urllib.request.Request(url, data=data, method="POST")) as answer:
        assert answer.status == 200


def streams(group: str, prefix: str) -> list[str]:
    """Names of the log streams of a group that begin so; none while there is no such group."""
    from botocore.exceptions import ClientError

    try:
        told = client("logs").describe_log_streams(logGroupName=group, logStreamNamePrefix=prefix)
    except ClientError:
        return []
    return [item["logStreamName"] for item in told["logStreams"]]
