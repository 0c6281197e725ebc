"""Training jobs of the local SageMaker: the contract of /opt/ml, inputs, hosts, isolation, what is left behind."""

from __future__ import annotations

import json
import os
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
    members,
    put,
    read,
    run_training,
    training_request,
    wait_for,
)


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
    told = run_training(
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
    assert members(told["ModelArtifacts"]["S3ModelArtifacts"]) == {"deep/weights": b"7"}
    assert members(f"s3://{BUCKET}/output/promise/output/output.tar.gz") == {"extra": b"8"}
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
    told = run_training("wrong", script)
    assert told["TrainingJobStatus"] == told["SecondaryStatus"] == "Failed"
    assert told["FailureReason"].startswith("AlgorithmError: no such column")
    assert told["FailureReason"].endswith(", exit code: 3")
    assert len(told["FailureReason"]) == 1024
    assert "ModelArtifacts" not in told or not told["ModelArtifacts"].get("S3ModelArtifacts")


def test_an_input_that_is_not_there_fails_the_job_before_it_starts(local_sagemaker: Any) -> None:
    told = run_training("empty", "print('ran')", InputDataConfig=[channel("train", f"s3://{BUCKET}/nothing/")])
    assert told["TrainingJobStatus"] == "Failed"
    assert "No S3 objects found" in told["FailureReason"]
    assert told["FailureReason"].startswith("ClientError")


def test_metrics_are_the_last_values_that_the_expressions_find(local_sagemaker: Any) -> None:
    definitions = [
        {"Name": "loss", "Regex": "(?<!val_)loss=([0-9.]+)"},
        {"Name": "val_loss", "Regex": "val_loss=([0-9.]+)"},
    ]
    script = "print('loss=0.9 val_loss=1.5'); print('loss=0.25 val_loss=0.5'); print('done')"
    told = run_training("measured", script, AlgorithmSpecification={"MetricDefinitions": definitions})
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
    told = run_training("two", script, InputDataConfig=both, ResourceConfig=resources)
    assert told["TrainingJobStatus"] == "Completed"
    assert sorted(lines("two")) == ["algo-1 ['0.csv', '2.csv', '4.csv'] 5", "algo-2 ['1.csv', '3.csv'] 5"]
    model = members(told["ModelArtifacts"]["S3ModelArtifacts"])
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
    told = run_training("torn", script, ResourceConfig=resources)
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
    told = run_training("piped", script, InputDataConfig=channels)
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
    run_training("named", script, InputDataConfig=[source])
    assert lines("named") == ["['a.csv', 'c.csv']"]


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
    run_training("alone", script, EnableNetworkIsolation=True)
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
    for _ in range(2000):
        try: peer = socket.create_connection(("algo-1", 5005)); break
        except OSError: time.sleep(0.05)
    peer.sendall(me.encode())
"""
    resources = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 10}
    told = run_training("apart", script, ResourceConfig=resources, EnableNetworkIsolation=True)
    assert told["TrainingJobStatus"] == "Completed", lines("apart")
    assert lines("apart") == ["algo-2"]


def test_a_job_has_credentials_of_its_own_that_work(local_sagemaker: Any) -> None:
    script = """
import os, boto3
print(os.environ["AWS_ACCESS_KEY_ID"][:4], os.environ["AWS_SESSION_TOKEN"])
print(boto3.client("s3").get_object(Bucket="bucket", Key="mine")["Body"].read().decode())
"""
    put("mine", "here it is")
    told = run_training("keyed", script)
    assert lines("keyed") == [f"ASIA {told['TrainingJobArn']}", "here it is"]


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
    told = run_training("loose", "open('/opt/ml/model/weights', 'w').write('7')", OutputDataConfig=place)
    assert told["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{BUCKET}/output/loose/output/model/"
    assert read(f"s3://{BUCKET}/output/loose/output/model/weights") == b"7"


def test_kept_instances_are_told_and_reused(local_sagemaker: Any) -> None:
    resources = {
        "InstanceType": "ml.m5.xlarge",
        "InstanceCount": 1,
        "VolumeSizeInGB": 10,
        "KeepAlivePeriodInSeconds": 600,
    }
    assert run_training("warm", "print(1)", ResourceConfig=resources)["WarmPoolStatus"]["Status"] == "Available"
    run_training("next", "print(1)", ResourceConfig=resources)
    told = client().describe_training_job(TrainingJobName="warm")["WarmPoolStatus"]
    assert (told["Status"], told["ReusedByJob"]) == ("Reused", "next")
    network = {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}
    run_training("elsewhere", "print(1)", ResourceConfig=resources, VpcConfig=network)
    assert client().describe_training_job(TrainingJobName="next")["WarmPoolStatus"]["Status"] == "Available"
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
    told = run_training("plain", script, InputDataConfig=[channel("train", f"s3://{BUCKET}/in/")])
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
