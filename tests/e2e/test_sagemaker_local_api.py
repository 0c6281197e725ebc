"""The local SageMaker as an API: refusals, lists, tags, logs, moto behind, another S3."""

from __future__ import annotations

import os
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_sagemaker import (
    BUCKET,
    OpenSageMaker,
    client,
    ended,
    lines,
    processing_request,
    streams,
    training_request,
    wait_for,
)
from seaweedfs import S3Server


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
    stream = wait_for(lambda: streams(group, "talks/"))[0]
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
