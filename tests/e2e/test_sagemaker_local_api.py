"""The local SageMaker as an API: refusals, lists, tags, logs, faults, moto behind, another S3, kill -9."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from launching import start
from local_sagemaker import (
    BUCKET,
    OpenSageMaker,
    client,
    ended,
    lines,
    namespaces_work,
    point_at,
    processing_request,
    training_request,
    until,
    wait_for,
)
from seaweedfs import S3Server

_FOREVER = "import time; print('up', flush=True); time.sleep(600)"


def _post(url: str, content: Any) -> Any:
    request = urllib.request.Request(url, data=json.dumps(content).encode(), method="POST")
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())


def test_a_request_that_breaks_the_model_is_refused_in_awss_words(local_sagemaker: Any) -> None:
    import boto3
    from botocore.client import Config

    frank = boto3.client("sagemaker", config=Config(parameter_validation=False, retries={"total_max_attempts": 1}))
    request = training_request("x" * 64, "")
    with pytest.raises(ClientError, match="at 'trainingJobName' failed to satisfy constraint: Member must have length"):
        frank.create_training_job(**request)
    with pytest.raises(ClientError, match="Value null at 'roleArn'"):
        frank.create_training_job(
            **{key: value for key, value in training_request("a", "").items() if key != "RoleArn"}
        )
    with pytest.raises(ClientError, match=r"Value '_' at 'trainingJobName'.*regular expression pattern"):
        frank.create_training_job(**training_request("_", ""))
    with pytest.raises(ClientError, match="enum value set"):
        frank.create_training_job(**training_request("a", "", AlgorithmSpecification={"TrainingInputMode": "Tape"}))
    with pytest.raises(ClientError, match="2 validation errors"):
        frank.describe_training_job(TrainingJobName="_" * 64)


def test_a_name_is_used_once_and_an_unknown_one_is_not_found(local_sagemaker: Any) -> None:
    client().create_processing_job(**processing_request("once", "print(1)"))
    ended("once", "Processing")
    with pytest.raises(ClientError) as taken:
        client().create_processing_job(**processing_request("once", "print(1)"))
    assert taken.value.response["Error"]["Code"] == "ResourceInUse"
    with pytest.raises(ClientError, match="Requested resource not found"):
        client().describe_processing_job(ProcessingJobName="other")
    client().delete_processing_job(ProcessingJobName="once")
    with pytest.raises(ClientError, match="Requested resource not found"):
        client().describe_processing_job(ProcessingJobName="once")


def test_twenty_at_once_make_one_job(local_sagemaker: Any) -> None:
    answers: list[str] = []
    request = processing_request("race", "print(1)")
    sagemaker = client()

    def create() -> None:
        try:
            answers.append(sagemaker.create_processing_job(**request)["ProcessingJobArn"])
        except ClientError as error:
            answers.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=create) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers)[:19] == ["ResourceInUse"] * 19
    assert sorted(answers)[19].endswith("processing-job/race")
    ended("race", "Processing")
    assert lines("race", "ProcessingJobs") == ["1"]


def test_lists_are_filtered_sorted_and_paged(local_sagemaker: Any) -> None:
    for name in ("one-a", "two-b", "three-a"):
        client().create_training_job(**training_request(name, "print(1)" if name != "two-b" else "raise SystemExit(1)"))
    for name in ("one-a", "two-b", "three-a"):
        ended(name)

    def names(**more: Any) -> list[str]:
        pages = client().get_paginator("list_training_jobs").paginate(**more)
        return [item["TrainingJobName"] for page in pages for item in page["TrainingJobSummaries"]]

    assert names() == ["three-a", "two-b", "one-a"]
    assert names(SortOrder="Ascending", PaginationConfig={"PageSize": 1}) == ["one-a", "two-b", "three-a"]
    assert names(SortBy="Name", SortOrder="Ascending") == ["one-a", "three-a", "two-b"]
    assert names(NameContains="-A") == ["three-a", "one-a"]
    assert names(StatusEquals="Failed") == ["two-b"]
    made = client().describe_training_job(TrainingJobName="two-b")["CreationTime"]
    assert names(CreationTimeAfter=made) == ["three-a"]
    assert names(CreationTimeBefore=made) == ["one-a"]
    with pytest.raises(ClientError, match="NextToken"):
        client().list_training_jobs(NextToken="nonsense")


def test_tags_are_kept_by_arn(local_sagemaker: Any) -> None:
    sagemaker = client()
    request = processing_request("tagged", "print(1)", Tags=[{"Key": "a", "Value": "1"}])
    arn = sagemaker.create_processing_job(**request)["ProcessingJobArn"]
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "3"}])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "3"}, {"Key": "b", "Value": "2"}]
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["a"])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "b", "Value": "2"}]
    with pytest.raises(ClientError, match="limit of 50"):
        sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": f"k{at}", "Value": ""} for at in range(50)])


def test_logs_are_read_from_the_head_without_gap_or_repeat(local_sagemaker: Any) -> None:
    script = "import time\nfor at in range(40): print('line', at, flush=True); time.sleep(0.02)"
    client().create_training_job(**training_request("talks", script))
    logs, seen, token = client("logs"), [], {}
    group = "/aws/sagemaker/TrainingJobs"
    stream = wait_for(lambda: _streams(group, "talks/"))[0]
    while True:
        done = client().describe_training_job(TrainingJobName="talks")["TrainingJobStatus"] == "Completed"
        answer = logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True, limit=7, **token)
        seen += [event["message"] for event in answer["events"]]
        same = token.get("nextToken") == answer["nextForwardToken"]
        token = {"nextToken": answer["nextForwardToken"]}
        if done and same:
            break
    assert seen == [f"line {at}" for at in range(40)]
    back = logs.get_log_events(logGroupName=group, logStreamName=stream, nextToken=answer["nextBackwardToken"], limit=3)
    assert [event["message"] for event in back["events"]] == ["line 37", "line 38", "line 39"]
    found = logs.filter_log_events(logGroupName=group, logStreamNamePrefix="talks/", filterPattern='"line 11"')
    assert [event["message"] for event in found["events"]] == ["line 11"]


def _streams(group: str, prefix: str) -> list[str]:
    try:
        told = client("logs").describe_log_streams(logGroupName=group, logStreamNamePrefix=prefix)
    except ClientError:
        return []
    return [item["logStreamName"] for item in told["logStreams"]]


def test_what_nobody_here_answers_moto_does(local_sagemaker: Any) -> None:
    assert client("sts").get_caller_identity()["Account"] == "123456789012"
    client("iam").create_role(RoleName="r", AssumeRolePolicyDocument="{}")
    assert client("iam").get_role(RoleName="r")["Role"]["RoleName"] == "r"
    client().create_experiment(ExperimentName="tried")
    assert client().describe_experiment(ExperimentName="tried")["ExperimentName"] == "tried"
    arn = "arn:aws:sagemaker:us-east-1:123456789012:experiment/tried"
    client().add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}])
    assert client().list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "1"}]
    told = client("iam").simulate_principal_policy(
        PolicySourceArn="arn:aws:iam::123456789012:role/r", ActionNames=["s3:GetObject", "s3:PutObject"]
    )["EvaluationResults"]
    assert [(item["EvalActionName"], item["EvalDecision"]) for item in told] == [
        ("s3:GetObject", "allowed"),
        ("s3:PutObject", "allowed"),
    ]


def test_one_of_many_conditional_writes_succeeds(local_sagemaker: Any) -> None:
    _one_of_many_conditional_writes_succeeds()


def test_another_s3_stands_behind_the_same_address(
    open_sagemaker: OpenSageMaker, seaweedfs: S3Server, tmp_path: Path
) -> None:
    bucket = f"behind-{os.getpid()}"
    seaweedfs.client().create_bucket(Bucket=BUCKET) if BUCKET not in _buckets(seaweedfs) else None
    seaweedfs.client().create_bucket(Bucket=bucket)
    open_sagemaker(s3=seaweedfs.endpoint, s3_key=(seaweedfs.access_key, seaweedfs.secret_key))
    s3 = client("s3")
    large = os.urandom(20 << 20)
    (tmp_path / "large").write_bytes(large)
    s3.upload_file(str(tmp_path / "large"), bucket, "a folder/larg€ one", ExtraArgs={"Metadata": {"kind": "x"}})
    assert seaweedfs.client().get_object(Bucket=bucket, Key="a folder/larg€ one")["Body"].read() == large
    head = s3.head_object(Bucket=bucket, Key="a folder/larg€ one")
    assert (head["ContentLength"], head["Metadata"]) == (len(large), {"kind": "x"})
    part = s3.get_object(Bucket=bucket, Key="a folder/larg€ one", Range="bytes=5-9")["Body"].read()
    assert part == large[5:10]
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a folder/larg€ one"})
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == large
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.get_object(Bucket=bucket, Key="nothing")
    _one_of_many_conditional_writes_succeeds()
    client().create_training_job(**training_request("there", "open('/opt/ml/model/m', 'w').write('1')"))
    assert ended("there")["TrainingJobStatus"] == "Completed"
    direct = seaweedfs.client().head_object(Bucket=BUCKET, Key="output/there/output/model.tar.gz")
    assert direct["ContentLength"] > 0


def _buckets(server: S3Server) -> list[str]:
    return [item["Name"] for item in server.client().list_buckets()["Buckets"]]


def _one_of_many_conditional_writes_succeeds() -> None:
    s3, codes = client("s3"), []
    key = f"contested-{os.urandom(4).hex()}"

    def write(body: bytes) -> None:
        try:
            s3.put_object(Bucket=BUCKET, Key=key, Body=body, IfNoneMatch="*")
            codes.append("written")
        except ClientError as error:
            codes.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=write, args=(bytes([at]),)) for at in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(codes) == len(threads)  # each of them was answered
    assert codes.count("written") == 1
    assert set(codes) <= {"written", "PreconditionFailed", "ConditionalRequestConflict"}


def test_faults_of_the_api_come_as_told_and_go(local_sagemaker: Any) -> None:
    faults = f"{local_sagemaker.url}/_local/faults"
    _post(
        faults,
        [{"fault": "throttle", "operation": "Describe*", "times": 2}, {"fault": "error", "service": "sts", "times": 1}],
    )
    codes = [_code(lambda: client().describe_training_job(TrainingJobName="x")) for _ in range(3)]
    assert codes == ["ThrottlingException", "ThrottlingException", "ValidationException"]
    assert _code(client("sts").get_caller_identity) == "InternalFailure"
    assert client("sts").get_caller_identity()["Account"]
    _post(faults, {"fault": "throttle", "service": "s3", "times": 1})
    assert _code(client("s3").list_buckets) == "SlowDown"
    _post(faults, {"fault": "limit", "operation": "CreateTrainingJob", "times": 1})
    assert _code(lambda: client().create_training_job(**training_request("a", ""))) == "ResourceLimitExceeded"
    _post(faults, {"fault": "expired", "access_key": "test", "skip": 1, "times": 1})
    assert client("sts").get_caller_identity()["Account"]
    assert _code(client("sts").get_caller_identity) in ("ExpiredToken", "ExpiredTokenException")
    with urllib.request.urlopen(faults) as answer:
        assert json.loads(answer.read()) == {"faults": []}
    with pytest.raises(urllib.error.HTTPError):
        _post(faults, {"fault": "gremlin"})


def test_a_broken_connection_before_and_after_the_job_was_made(local_sagemaker: Any) -> None:
    faults = f"{local_sagemaker.url}/_local/faults"
    for which, there in (("reset-before", False), ("reset-after", True)):
        request = processing_request(which, "print(1)")
        _post(faults, {"fault": which, "operation": "CreateProcessingJob", "times": 1})
        with pytest.raises(BotoCoreError):
            client().create_processing_job(**request)
        assert (_code(lambda: client().describe_processing_job(ProcessingJobName=which)) == "") is there  # noqa: B023
    made = [seen for seen in local_sagemaker.requests if seen.operation == "CreateProcessingJob"]
    assert [seen.status for seen in made] == [0, 0]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example:80"}, 403),
        ({"Origin": "http://localhost:3000"}, 200),
        ({"Host": "bucket.localhost:1"}, 200),
        ({}, 200),
    ],
)
def test_web_pages_are_kept_out(headers: dict[str, str], status: int, local_sagemaker: Any) -> None:
    target = {"X-Amz-Target": "SageMaker.ListTrainingJobs", "Content-Type": "application/x-amz-json-1.1"}
    request = urllib.request.Request(local_sagemaker.url, data=b"{}", headers={**target, **headers})
    try:
        with urllib.request.urlopen(request) as answer:
            assert answer.status == status
    except urllib.error.HTTPError as error:
        assert error.code == status  # noqa: PT017


def test_two_services_do_not_share_a_folder(tmp_path: Path) -> None:
    from intermodal.errors import RuntimeFailed
    from intermodal.runtime.sagemaker_local.server import LocalSageMaker
    from intermodal.runtime.sagemaker_local.service import LocalOptions

    options = LocalOptions(home=tmp_path / "home", engine="processes")
    with LocalSageMaker(options):
        with pytest.raises(RuntimeFailed, match="another local SageMaker"):
            LocalSageMaker(options)
    with LocalSageMaker(options) as again:
        assert again.service.home == tmp_path / "home"


def test_chance_is_the_same_for_the_same_seed() -> None:
    from intermodal.runtime.sagemaker_local.faults import Faults

    def met(seed: int) -> list[bool]:
        faults = Faults(seed)
        faults.add({"fault": "throttle", "rate": 0.3})
        return [faults.of_call("sagemaker", "X", "key") is not None for _ in range(50)]

    assert met(7) == met(7)
    assert met(7) != met(8)
    assert 5 < sum(met(7)) < 25


def test_lost_logs_are_not_there(local_sagemaker: Any) -> None:
    _post(f"{local_sagemaker.url}/_local/faults", {"fault": "lost-logs", "job": "mute", "times": 1})
    client().create_training_job(**training_request("mute", "print('unheard')"))
    assert ended("mute")["TrainingJobStatus"] == "Completed"
    assert _streams("/aws/sagemaker/TrainingJobs", "mute/") == []
    lost = {"fault": "lost-logs", "job": "fading", "times": 1, "seconds": 1.5}
    _post(f"{local_sagemaker.url}/_local/faults", lost)
    script = "import time; print('heard', flush=True); time.sleep(2); print('unheard')"
    client().create_training_job(**training_request("fading", script))
    assert ended("fading")["TrainingJobStatus"] == "Completed"
    assert lines("fading") == ["heard"]


def test_a_slow_start_can_be_stopped(local_sagemaker: Any) -> None:
    _post(f"{local_sagemaker.url}/_local/faults", {"fault": "slow-start", "job": "*", "seconds": 600})
    client().create_training_job(**training_request("late", "print(1)"))
    until("late", lambda told: told["SecondaryStatus"] == "Starting")
    client().stop_training_job(TrainingJobName="late")
    told = ended("late")
    assert told["TrainingJobStatus"] == told["SecondaryStatus"] == "Stopped"
    assert "TrainingStartTime" not in told


@pytest.mark.parametrize("engine", ["namespaces", "processes"])
def test_after_kill_9_no_job_goes_on_and_earlier_ones_are_told(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine == "namespaces" and not namespaces_work():
        pytest.skip("this machine lets nobody make namespaces")
    home = tmp_path / "home"
    first = _served(home, engine, monkeypatch)
    client("s3").create_bucket(Bucket=BUCKET)
    image = "intermodal/core:1"
    done = processing_request("before", "print('done')")
    done["AppSpecification"]["ImageUri"] = image
    client().create_processing_job(**done)
    ended("before", "Processing")
    script = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    marked = {"AlgorithmSpecification": {"TrainingImage": image}, "Environment": {"MARK": home.name + str(os.getpid())}}
    running = training_request("during", script + _FOREVER, **marked)
    client().create_training_job(**running)
    wait_for(lambda: _streams("/aws/sagemaker/TrainingJobs", "during/"))
    mark = marked["Environment"]["MARK"]
    assert len(_marked(mark)) >= 2, "the job's process is there, and its child"
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    wait_for(lambda: not _marked(mark), "the job's processes have ended")
    second = _served(home, engine, monkeypatch)
    told = client().describe_training_job(TrainingJobName="during")
    assert told["TrainingJobStatus"] == told["SecondaryStatus"] == "Failed"
    assert "restarted" in told["FailureReason"]
    assert client().describe_processing_job(ProcessingJobName="before")["ProcessingJobStatus"] == "Completed"
    assert lines("before", "ProcessingJobs") == ["done"]
    with pytest.raises(ClientError, match="must be unique"):
        client().create_processing_job(**done)
    second.terminate()
    assert second.wait(30) == 0


def _served(home: Path, engine: str, monkeypatch: pytest.MonkeyPatch) -> subprocess.Popen[str]:
    words = ["--port", "0", "--home", str(home), "--engine", engine, "--grace", "1", "--json"]
    process = start("sagemaker-local", *words)
    assert process.stdout is not None
    point_at(monkeypatch, json.loads(process.stdout.readline())["url"])
    return process


def _marked(mark: str) -> list[int]:
    """Processes that have a mark among their variables."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("MARK") == mark:
                found.append(process.pid)
    return found


def _code(call: Any) -> str:
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def test_its_words_are_checked_before_it_starts(tmp_path: Path) -> None:
    from launching import intermodal

    wrong = intermodal("sagemaker-local", "--home", str(tmp_path), "--image", "nothing")
    assert wrong.code == 2
    assert "--image takes REF=FOLDER" in wrong.err
    wrong = intermodal("sagemaker-local", "--home", str(tmp_path), "--image", f"a:1={tmp_path}")
    assert "has no bin" in wrong.err
    wrong = intermodal("sagemaker-local", "--home", str(tmp_path), "--port", "0", "--fault", '{"fault": "no"}')
    assert wrong.code == 2
    assert "--fault is not understood" in wrong.err
