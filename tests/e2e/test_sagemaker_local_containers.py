"""Jobs of the local SageMaker in real containers."""

from __future__ import annotations

import io
import json
import os
import signal
import tarfile
from pathlib import Path
from typing import Any

import pytest

from container_engine import docker
from launching import start
from local_sagemaker import (
    BUCKET,
    OpenSageMaker,
    channel,
    client,
    ended,
    lines,
    point_at,
    processing_request,
    put,
    read,
    training_request,
    until,
    wait_for,
)

PYTHON = "python:3.11-slim-bookworm"
_LABEL = "intermodal.sagemaker-local"


@pytest.fixture
def in_containers(engine: str, open_sagemaker: OpenSageMaker, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("DOCKER_HOST", engine)
    if docker(engine, "image", "inspect", PYTHON).returncode:
        pytest.skip(f"the engine has no image {PYTHON}")
    local = open_sagemaker(engine="containers")
    assert local.service.executor.name == "containers"
    return local


def _training(name: str, script: str, **more: Any) -> dict[str, Any]:
    made = training_request(name, script, **more)
    made["AlgorithmSpecification"]["TrainingImage"] = PYTHON
    return made


def test_a_container_has_the_contract_and_leaves_nothing(in_containers: Any, engine: str) -> None:
    uri = put("in/a.txt", "hello").rpartition("/")[0]
    script = (
        "import os, json\n"
        "print(open('/opt/ml/input/data/train/a.txt').read(), os.environ['TRAINING_JOB_NAME'])\n"
        "print(sorted(os.listdir('/opt/ml')))\n"
        "open('/opt/ml/model/weights', 'w').write('7')\n"
    )
    client().create_training_job(**_training("boxed", script, InputDataConfig=[channel("train", uri)]))
    told = ended("boxed")
    assert told["TrainingJobStatus"] == "Completed", told.get("FailureReason")
    assert lines("boxed")[0] == "hello boxed"
    with tarfile.open(fileobj=io.BytesIO(read(told["ModelArtifacts"]["S3ModelArtifacts"]))) as archive:
        assert archive.extractfile("weights").read() == b"7"  # type: ignore[union-attr]
    in_containers.service.executor.sweep()
    assert not docker(engine, "ps", "-aq", "--filter", f"label={_LABEL}").stdout.split()


def test_two_containers_reach_one_another_by_name(in_containers: Any) -> None:
    script = (
        "import json, socket, time\n"
        "told = json.load(open('/opt/ml/input/config/resourceconfig.json'))\n"
        "if told['current_host'] == 'algo-1':\n"
        "    server = socket.create_server((socket.gethostbyname('algo-1'), 5005))\n"
        "    print(server.accept()[0].recv(100).decode())\n"
        "else:\n"
        "    for _ in range(2000):\n"
        "        try: peer = socket.create_connection(('algo-1', 5005)); break\n"
        "        except OSError: time.sleep(0.05)\n"
        "    peer.sendall(('from ' + socket.gethostname()).encode())\n"
    )
    resources = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 10}
    client().create_training_job(**_training("pair", script, ResourceConfig=resources))
    assert ended("pair")["TrainingJobStatus"] == "Completed"
    assert "from algo-2" in lines("pair")
    client().create_training_job(**_training("apart", script, ResourceConfig=resources, EnableNetworkIsolation=True))
    assert ended("apart")["TrainingJobStatus"] == "Completed", "isolated hosts still reach one another"
    assert "from algo-2" in lines("apart")


def test_an_isolated_container_reaches_nothing_and_has_no_credentials(in_containers: Any) -> None:
    port = in_containers.url.rpartition(":")[2]
    script = (
        "import os, socket\n"
        "print(sorted(name for name in os.environ if name.startswith('AWS')))\n"
        f"try: socket.create_connection(('127.0.0.1', {port}), 2); print('reached')\n"
        "except OSError as error: print('alone')\n"
    )
    request = processing_request("alone", script)
    request["AppSpecification"]["ImageUri"] = PYTHON
    client().create_processing_job(**request, NetworkConfig={"EnableNetworkIsolation": True})
    assert ended("alone", "Processing")["ProcessingJobStatus"] == "Completed"
    assert lines("alone", "ProcessingJobs") == [str(["AWS_DEFAULT_REGION", "AWS_REGION"]), "alone"]


def test_a_stopped_container_is_told_first(in_containers: Any) -> None:
    script = (
        "import signal, sys, time\n"
        "def told(*_):\n"
        "    open('/opt/ml/model/saved', 'w').write('in time'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, told)\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n"
    )
    client().create_training_job(**_training("halted", script))
    until("halted", lambda told: told["SecondaryStatus"] == "Training")
    client().stop_training_job(TrainingJobName="halted")
    told = ended("halted")
    assert told["TrainingJobStatus"] == "Stopped"
    with tarfile.open(fileobj=io.BytesIO(read(told["ModelArtifacts"]["S3ModelArtifacts"]))) as archive:
        assert archive.getnames() == ["saved"]


def test_an_image_that_is_nowhere_is_refused_with_advice(in_containers: Any) -> None:
    from botocore.exceptions import ClientError

    request = _training("nowhere", "")
    request["AlgorithmSpecification"]["TrainingImage"] = "nobody/knows:this"
    with pytest.raises(ClientError, match="--image nobody/knows:this=FOLDER") as caught:
        client().create_training_job(**request)
    assert json.dumps(caught.value.response["Error"]["Code"]) == '"ValidationException"'


def test_after_kill_9_no_container_goes_on(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", engine)
    if docker(engine, "image", "inspect", PYTHON).returncode:
        pytest.skip(f"the engine has no image {PYTHON}")
    home = str(tmp_path / "home")
    served = start("sagemaker-local", "--port", "0", "--home", home, "--engine", "containers", "--json")
    assert served.stdout is not None
    point_at(monkeypatch, json.loads(served.stdout.readline())["url"])
    client("s3").create_bucket(Bucket=BUCKET)
    arn = client().create_training_job(**_training("doomed", "import time; time.sleep(600)"))["TrainingJobArn"]
    mine = ("ps", "-q", "--filter", f"label={_LABEL}.for={arn}")
    wait_for(lambda: docker(engine, *mine).stdout.split())
    os.kill(served.pid, signal.SIGKILL)
    served.wait()
    wait_for(lambda: not docker(engine, *mine).stdout.split(), "the container has ended")
    assert served.returncode == -signal.SIGKILL
