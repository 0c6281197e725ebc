"""Training jobs of the local SageMaker: the contract of /opt/ml, states, stops, checkpoints, spot capacity."""

from __future__ import annotations

import io
import json
import os
import tarfile
import urllib.error
import urllib.request
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_sagemaker import (
    BUCKET,
    OpenSageMaker,
    add_program,
    channel,
    client,
    ended,
    image_folder,
    keys,
    lines,
    put,
    read,
    training_request,
    until,
    wait_for,
)

_SPOT = {
    "EnableManagedSpotTraining": True,
    "StoppingCondition": {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 900},
    "CheckpointConfig": {"S3Uri": f"s3://{BUCKET}/checkpoints"},
}
# Counts to 6, a checkpoint for each number; whoever starts it again goes on from the last.
_COUNTING = """
import os, time, sys
folder = "/opt/ml/checkpoints"
known = sorted(int(name) for name in os.listdir(folder) if name.isdigit())
at = known[-1] if known else 0
print("start at", at, flush=True)
while at < 6:
    at += 1
    with open(f"{folder}/{at}.tmp", "w") as stream:
        stream.write("x" * 100_000)
    os.rename(f"{folder}/{at}.tmp", f"{folder}/{at}")
    print("done", at, flush=True)
    if at == 3 and not known:
        time.sleep(600)
"""


def _run(name: str, script: str, **more: Any) -> dict[str, Any]:
    client().create_training_job(**training_request(name, script, **more))
    return ended(name)


def _members(uri: str) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(read(uri))) as archive:
        return {item.name: archive.extractfile(item).read() for item in archive if item.isfile()}  # type: ignore[union-attr]


def test_a_job_finds_what_sagemaker_promises_and_its_model_comes_back(local_sagemaker: Any) -> None:
    put("in/a/1.csv", "1")
    put("in/a/2.csv", "2")
    script = """
import json, os
config = "/opt/ml/input/config"
names = ("hyperparameters", "inputdataconfig", "resourceconfig")
told = {name: json.load(open(f"{config}/{name}.json")) for name in names}
told["files"] = sorted(os.listdir("/opt/ml/input/data/train/a"))
told["env"] = {name: os.environ.get(name) for name in ("TRAINING_JOB_NAME", "TRAINING_JOB_ARN", "MINE", "AWS_REGION")}
print(json.dumps(told))
os.makedirs("/opt/ml/model/deep")
open("/opt/ml/model/deep/weights", "w").write("7")
open("/opt/ml/output/data/extra", "w").write("8")
"""
    told = _run(
        "promise",
        script,
        InputDataConfig=[channel("train", f"s3://{BUCKET}/in/", ContentType="text/csv")],
        HyperParameters={"epochs": "3"},
        Environment={"MINE": "yes"},
    )
    assert told["TrainingJobStatus"] == told["SecondaryStatus"] == "Completed"
    seen = json.loads(lines("promise")[0])
    assert seen["files"] == ["1.csv", "2.csv"]
    assert seen["hyperparameters"] == {"epochs": "3"}
    assert seen["inputdataconfig"]["train"] == {
        "TrainingInputMode": "File",
        "S3DistributionType": "FullyReplicated",
        "RecordWrapperType": "None",
        "ContentType": "text/csv",
    }
    assert seen["resourceconfig"]["hosts"] == ["algo-1"]
    assert seen["env"] == {
        "TRAINING_JOB_NAME": "promise",
        "TRAINING_JOB_ARN": told["TrainingJobArn"],
        "MINE": "yes",
        "AWS_REGION": "us-east-1",
    }
    assert told["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{BUCKET}/output/promise/output/model.tar.gz"
    assert _members(told["ModelArtifacts"]["S3ModelArtifacts"]) == {"deep/weights": b"7"}
    assert _members(f"s3://{BUCKET}/output/promise/output/output.tar.gz") == {"extra": b"8"}
    went = [item["Status"] for item in told["SecondaryStatusTransitions"]]
    assert went == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert all("EndTime" in item for item in told["SecondaryStatusTransitions"])
    assert told["TrainingStartTime"] <= told["TrainingEndTime"]
    assert told["BillableTimeInSeconds"] >= 1


def test_without_an_entry_point_the_images_own_train_runs(local_sagemaker: Any) -> None:
    add_program(image_folder(local_sagemaker), "train", "import sys; print('own train', sys.argv[1:])")
    request = training_request("own", "")
    del request["AlgorithmSpecification"]["ContainerEntrypoint"]
    client().create_training_job(**request)
    assert ended("own")["TrainingJobStatus"] == "Completed"
    assert lines("own") == ["own train []"]


def test_a_failure_is_told_in_the_jobs_own_words(local_sagemaker: Any) -> None:
    script = "open('/opt/ml/output/failure', 'w').write('no such column' + 'x' * 2000); raise SystemExit(3)"
    told = _run("wrong", script)
    assert told["TrainingJobStatus"] == told["SecondaryStatus"] == "Failed"
    assert told["FailureReason"].startswith("AlgorithmError: no such column")
    assert told["FailureReason"].endswith(", exit code: 3")
    assert len(told["FailureReason"]) == 1024
    assert "ModelArtifacts" not in told or not told["ModelArtifacts"].get("S3ModelArtifacts")


def test_an_input_that_is_not_there_fails_the_job_before_it_starts(local_sagemaker: Any) -> None:
    told = _run("empty", "print('ran')", InputDataConfig=[channel("train", f"s3://{BUCKET}/nothing/")])
    assert told["TrainingJobStatus"] == "Failed"
    assert "No S3 objects found" in told["FailureReason"]
    assert told["FailureReason"].startswith("ClientError")


def test_metrics_are_the_last_values_that_the_expressions_find(local_sagemaker: Any) -> None:
    definitions = [
        {"Name": "loss", "Regex": "(?<!val_)loss=([0-9.]+)"},
        {"Name": "val_loss", "Regex": "val_loss=([0-9.]+)"},
    ]
    script = "print('loss=0.9 val_loss=1.5'); print('loss=0.25 val_loss=0.5'); print('done')"
    told = _run("measured", script, AlgorithmSpecification={"MetricDefinitions": definitions})
    found = {item["MetricName"]: item["Value"] for item in told["FinalMetricDataList"]}
    assert found == {"loss": 0.25, "val_loss": 0.5}


def test_hosts_know_one_another_and_share_by_key(local_sagemaker: Any) -> None:
    for number in range(5):
        put(f"in/{number}.csv", str(number))
    script = """
import json, os, socket
told = json.load(open("/opt/ml/input/config/resourceconfig.json"))
me = told["current_host"]
assert socket.gethostname() == me or os.environ.get("SM_LOCAL_PREFIX")
print(me, sorted(os.listdir("/opt/ml/input/data/shared")), len(os.listdir("/opt/ml/input/data/whole")))
open(f"/opt/ml/model/{me}", "w").write(me)
open("/opt/ml/model/both", "w").write(me)
"""
    both = [
        channel("shared", f"s3://{BUCKET}/in/", S3DataDistributionType="ShardedByS3Key"),
        channel("whole", f"s3://{BUCKET}/in/"),
    ]
    resources = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 10}
    told = _run("two", script, InputDataConfig=both, ResourceConfig=resources)
    assert told["TrainingJobStatus"] == "Completed"
    assert sorted(lines("two")) == ["algo-1 ['0.csv', '2.csv', '4.csv'] 5", "algo-2 ['1.csv', '3.csv'] 5"]
    model = _members(told["ModelArtifacts"]["S3ModelArtifacts"])
    assert model == {"algo-1": b"algo-1", "algo-2": b"algo-2", "both": b"algo-1"}
    streams = client("logs").describe_log_streams(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix="two/"
    )["logStreams"]
    assert sorted(item["logStreamName"].rpartition("-")[0] for item in streams) == ["two/algo-1", "two/algo-2"]


def test_when_one_host_fails_the_others_end(local_sagemaker: Any) -> None:
    script = """
import json, time
me = json.load(open("/opt/ml/input/config/resourceconfig.json"))["current_host"]
if me == "algo-2":
    raise SystemExit(5)
time.sleep(600)
"""
    resources = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 10}
    told = _run("torn", script, ResourceConfig=resources)
    assert told["TrainingJobStatus"] == "Failed"
    assert told["FailureReason"].endswith("exit code: 5")


def test_a_pipe_gives_every_epoch_and_records_when_asked(local_sagemaker: Any) -> None:
    put("in/1", "one\n")
    put("in/2", "two\n")
    manifest = (
        '{"text": "hello", "thing-ref": "s3://bucket/in/1"}\n{"text": "again", "thing-ref": "s3://bucket/in/2"}\n'
    )
    put("lines.manifest", manifest)
    script = """
data = "/opt/ml/input/data"
for epoch in range(3):
    print(open(f"{data}/plain_{epoch}").read().split())
print(open(f"{data}/lines_0").read())
raw = open(f"{data}/records_0", "rb").read()
print(raw[:8].hex(), raw[8:12])
"""
    channels = [
        channel("plain", f"s3://{BUCKET}/in/", InputMode="Pipe"),
        channel("records", f"s3://{BUCKET}/in/", InputMode="Pipe", RecordWrapperType="RecordIO"),
        channel(
            "lines",
            f"s3://{BUCKET}/lines.manifest",
            InputMode="Pipe",
            S3DataType="AugmentedManifestFile",
            AttributeNames=["text", "thing-ref"],
        ),
    ]
    told = _run("piped", script, InputDataConfig=channels)
    assert told["TrainingJobStatus"] == "Completed", told.get("FailureReason")
    printed = lines("piped")
    assert printed[:3] == ["['one', 'two']"] * 3
    assert printed[3:5] == ["helloone", "againtwo"]
    assert printed[-1] == "0a23d7ce04000000 b'one\\n'"


def test_a_manifest_names_the_objects(local_sagemaker: Any) -> None:
    for name in ("a", "b", "c"):
        put(f"in/{name}.csv", name)
    put("some.manifest", json.dumps([{"prefix": f"s3://{BUCKET}/in/"}, "a.csv", "c.csv"]))
    script = "import os; print(sorted(os.listdir('/opt/ml/input/data/train')))"
    source = channel("train", f"s3://{BUCKET}/some.manifest", S3DataType="ManifestFile")
    _run("named", script, InputDataConfig=[source])
    assert lines("named") == ["['a.csv', 'c.csv']"]


def test_a_stopped_job_is_told_and_its_model_is_kept(local_sagemaker: Any) -> None:
    script = """
import signal, sys, time
def told(*_):
    open("/opt/ml/model/late", "w").write("saved"); print("told"); sys.exit(0)
signal.signal(signal.SIGTERM, told)
print("ready", flush=True)
time.sleep(600)
"""
    client().create_training_job(**training_request("halt", script))
    wait_for(lambda: "ready" in _printed("halt"))
    client().stop_training_job(TrainingJobName="halt")
    told = ended("halt")
    assert (told["TrainingJobStatus"], told["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert "Stopping" in [item["Status"] for item in told["SecondaryStatusTransitions"]]
    assert _members(told["ModelArtifacts"]["S3ModelArtifacts"]) == {"late": b"saved"}
    assert lines("halt").count("told") == 1
    with pytest.raises(ClientError, match="Stopped"):
        client().stop_training_job(TrainingJobName="halt")


def test_a_job_that_does_not_listen_is_ended_after_the_grace(open_sagemaker: OpenSageMaker) -> None:
    open_sagemaker(grace=0.3)
    client().create_training_job(**training_request("deaf", "import time; print('up', flush=True); time.sleep(600)"))
    wait_for(lambda: "up" in _printed("deaf"))
    client().stop_training_job(TrainingJobName="deaf")
    assert ended("deaf")["TrainingJobStatus"] == "Stopped"


def test_a_job_that_takes_too_long_is_stopped_and_says_so(open_sagemaker: OpenSageMaker) -> None:
    open_sagemaker(grace=0.3)
    script = "import time; open('/opt/ml/model/part', 'w').write('1'); time.sleep(600)"
    told = _run("slow", script, StoppingCondition={"MaxRuntimeInSeconds": 1})
    assert (told["TrainingJobStatus"], told["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert _members(told["ModelArtifacts"]["S3ModelArtifacts"]) == {"part": b"1"}


def test_a_preempted_job_goes_on_from_its_last_checkpoint(local_sagemaker: Any) -> None:
    client().create_training_job(**training_request("spot", _COUNTING, **_SPOT))
    wait_for(lambda: "checkpoints/3" in keys("checkpoints/"))
    _post(f"{local_sagemaker.url}/_local/preempt/spot")
    told = ended("spot")
    assert told["TrainingJobStatus"] == "Completed"
    went = [item["Status"] for item in told["SecondaryStatusTransitions"]]
    assert went.count("Interrupted") == 1
    assert went.count("Training") == 2
    starts = [line for line in lines("spot") if line.startswith("start")]
    assert starts == ["start at 0", "start at 3"]
    assert [line for line in lines("spot") if line.startswith("done")] == [f"done {at}" for at in range(1, 7)]
    assert not [key for key in keys("checkpoints/") if key.endswith(".tmp")]
    assert all(len(read(f"s3://{BUCKET}/{key}")) == 100_000 for key in keys("checkpoints/"))
    assert told["BillableTimeInSeconds"] <= told["TrainingTimeInSeconds"]


def test_a_fault_preempts_too_and_a_job_on_demand_cannot_be(local_sagemaker: Any) -> None:
    _post(f"{local_sagemaker.url}/_local/faults", {"fault": "preempt", "job": "sp*", "seconds": 1.5, "times": 1})
    client().create_training_job(**training_request("spotty", _COUNTING, **_SPOT))
    assert ended("spotty")["TrainingJobStatus"] == "Completed"
    client().create_training_job(**training_request("bought", "import time; time.sleep(600)"))
    until("bought", lambda told: told["SecondaryStatus"] == "Training")
    with pytest.raises(urllib.error.HTTPError, match="400"):
        _post(f"{local_sagemaker.url}/_local/preempt/bought")


def test_waiting_for_spot_capacity_has_an_end(open_sagemaker: OpenSageMaker) -> None:
    open_sagemaker(grace=0.3)
    limits = {"MaxRuntimeInSeconds": 2, "MaxWaitTimeInSeconds": 2}
    local_request = training_request(
        "waits", "import time; time.sleep(600)", EnableManagedSpotTraining=True, StoppingCondition=limits
    )
    client().create_training_job(**local_request)
    told = ended("waits")
    assert told["TrainingJobStatus"] == "Stopped"
    assert told["SecondaryStatus"] == "MaxWaitTimeExceeded"


def test_isolated_means_no_network_and_no_credentials(local_sagemaker: Any) -> None:
    if local_sagemaker.service.executor.name == "processes":
        pytest.skip("plain processes cannot be isolated")
    port = local_sagemaker.url.rpartition(":")[2]
    script = f"""
import os, socket
print(sorted(name for name in os.environ if name.startswith("AWS")))
try:
    socket.create_connection(("127.0.0.1", {port}), 2); print("reached")
except OSError:
    print("alone")
"""
    _run("alone", script, EnableNetworkIsolation=True)
    assert lines("alone") == [str(["AWS_DEFAULT_REGION", "AWS_REGION"]), "alone"]


def test_isolated_hosts_still_reach_one_another(local_sagemaker: Any) -> None:
    if local_sagemaker.service.executor.name == "processes" or os.geteuid():
        pytest.skip("a network that hosts share needs root")
    script = f"""
import json, socket, time
me = json.load(open("/opt/ml/input/config/resourceconfig.json"))["current_host"]
try:
    socket.create_connection(("127.0.0.1", {local_sagemaker.url.rpartition(":")[2]}), 2); print("reached")
except OSError:
    pass
if me == "algo-1":
    print(socket.create_server((me, 5005)).accept()[0].recv(100).decode())
else:
    for _ in range(200):
        try: peer = socket.create_connection(("algo-1", 5005)); break
        except OSError: time.sleep(0.05)
    peer.sendall(me.encode())
"""
    resources = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 10}
    told = _run("apart", script, ResourceConfig=resources, EnableNetworkIsolation=True)
    assert told["TrainingJobStatus"] == "Completed", lines("apart")
    assert lines("apart") == ["algo-2"]


def test_a_job_has_credentials_of_its_own_that_work(local_sagemaker: Any) -> None:
    script = """
import os, boto3
print(os.environ["AWS_ACCESS_KEY_ID"][:4], os.environ["AWS_SESSION_TOKEN"])
print(boto3.client("s3").get_object(Bucket="bucket", Key="mine")["Body"].read().decode())
"""
    put("mine", "here it is")
    told = _run("keyed", script)
    assert lines("keyed") == [f"ASIA {told['TrainingJobArn']}", "here it is"]


def test_internal_failures_are_repeated_as_often_as_was_asked(local_sagemaker: Any) -> None:
    _post(f"{local_sagemaker.url}/_local/faults", {"fault": "internal", "job": "again", "times": 1})
    told = _run("again", "print('run')", RetryStrategy={"MaximumRetryAttempts": 2})
    assert told["TrainingJobStatus"] == "Completed"
    assert "Restarting" in [item["Status"] for item in told["SecondaryStatusTransitions"]]
    assert lines("again") == ["run", "run"]


def test_no_capacity_is_a_failure_that_names_itself(local_sagemaker: Any) -> None:
    _post(f"{local_sagemaker.url}/_local/faults", {"fault": "capacity", "job": "*", "times": 1})
    assert _run("full", "print(1)")["FailureReason"].startswith("CapacityError: ")
    assert _run("room", "print(1)")["TrainingJobStatus"] == "Completed"


def test_tensorboard_events_go_to_s3_while_it_runs(local_sagemaker: Any) -> None:
    script = """
import os, time
open("/opt/ml/output/tensorboard/events", "w").write("e")
time.sleep(600)
"""
    place = {"S3OutputPath": f"s3://{BUCKET}/board"}
    client().create_training_job(**training_request("board", script, TensorBoardOutputConfig=place))
    wait_for(lambda: keys("board/") == ["board/board/tensorboard-output/events"])
    assert client().describe_training_job(TrainingJobName="board")["TrainingJobStatus"] == "InProgress"
    client().stop_training_job(TrainingJobName="board")


def test_a_model_may_stay_as_files(local_sagemaker: Any) -> None:
    place = {"S3OutputPath": f"s3://{BUCKET}/output", "CompressionType": "NONE"}
    told = _run("loose", "open('/opt/ml/model/weights', 'w').write('7')", OutputDataConfig=place)
    assert told["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{BUCKET}/output/loose/output/model/"
    assert read(f"s3://{BUCKET}/output/loose/output/model/weights") == b"7"


def test_kept_instances_are_told_and_reused(local_sagemaker: Any) -> None:
    resources = {
        "InstanceType": "ml.m5.xlarge",
        "InstanceCount": 1,
        "VolumeSizeInGB": 10,
        "KeepAlivePeriodInSeconds": 600,
    }
    assert _run("warm", "print(1)", ResourceConfig=resources)["WarmPoolStatus"]["Status"] == "Available"
    _run("next", "print(1)", ResourceConfig=resources)
    told = client().describe_training_job(TrainingJobName="warm")["WarmPoolStatus"]
    assert (told["Status"], told["ReusedByJob"]) == ("Reused", "next")
    client().update_training_job(TrainingJobName="next", ResourceConfig={"KeepAlivePeriodInSeconds": 0})
    assert "WarmPoolStatus" not in client().describe_training_job(TrainingJobName="next")


def test_without_namespaces_paths_lead_to_the_jobs_own_folder(open_sagemaker: OpenSageMaker) -> None:
    open_sagemaker(engine="processes")
    put("in/a", "hello")
    script = """
import os
root = os.environ["SM_LOCAL_PREFIX"]
print(open(f"{root}/input/data/train/a").read())
open(f"{root}/model/m", "w").write("1")
"""
    told = _run("plain", script, InputDataConfig=[channel("train", f"s3://{BUCKET}/in/")])
    assert told["TrainingJobStatus"] == "Completed", lines("plain")
    assert lines("plain") == ["hello"]


def test_what_the_api_refuses_although_its_model_allows_it(local_sagemaker: Any) -> None:
    refused = {
        "MaxWaitTimeInSeconds must be equal": {
            "EnableManagedSpotTraining": True,
            "StoppingCondition": {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 5},
        },
        "only valid when": {"StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 61}},
        "ChannelName must be unique": {"InputDataConfig": [channel("code", f"s3://{BUCKET}/in/")]},
    }
    for words, more in refused.items():
        with pytest.raises(ClientError, match=words):
            client().create_training_job(**training_request("never", "", **more))
    with pytest.raises(ClientError, match="nobody:1=FOLDER"):
        client().create_training_job(
            **training_request("never", "", AlgorithmSpecification={"TrainingImage": "nobody:1"})
        )
    assert client().list_training_jobs()["TrainingJobSummaries"] == []


def _printed(name: str) -> list[str]:
    try:
        return lines(name)
    except ClientError:
        return []


def _post(url: str, content: Any = None) -> None:
    data = json.dumps(content).encode() if content is not None else b""
    with urllib.request.urlopen(urllib.request.Request(url, data=data, method="POST")) as answer:
        assert answer.status == 200
