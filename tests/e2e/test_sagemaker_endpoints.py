"""Endpoints on the local SageMaker: real models of ours, served for real, asked through boto3."""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from kfp.dsl import Model

from hosted import SETTINGS, call_deploy, configure, servers_below, train
from intermodal.aws.endpoint_life import Endpoints
from intermodal.aws.endpoint_removal import delete_endpoint
from intermodal.errors import StepFailed, UsageError
from intermodal.runtime.sagemaker_local.server import LocalSageMaker
from intermodal.serving.deploying import still_deployed
from local_sagemaker import OpenSageMaker, client, keys, put, read, wait_for

PROBE = {"inputs": ["love it perfect great"]}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    folder = tmp_path_factory.mktemp("models")
    return {name: train(folder / name, seed) for seed, name in enumerate(("one", "two", "three"), start=1)}


def ask(name: str = "reviews", body: Any = PROBE, **more: Any) -> dict[str, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = {"EndpointName": name, "ContentType": "application/json", "Body": data, **more}
    answer = client("sagemaker-runtime").invoke_endpoint(**request)
    return {**answer, "json": json.loads(answer["Body"].read())}


def test_a_model_is_deployed_asked_and_deleted_without_a_trace(
    managed_sagemaker: LocalSageMaker, models: dict[str, Model], tmp_path: Path
) -> None:
    told = call_deploy(tmp_path / "out", models["one"], most_instances=3)
    assert told["facts"]["engine"] == "sagemaker"
    answer = ask()
    assert answer["InvokedProductionVariant"] == "champion"
    assert answer["ContentType"] == "application/json"
    assert answer["json"]["predictions"][0]["rating"] == 5
    described = client().describe_endpoint(EndpointName="reviews")
    assert described["EndpointStatus"] == "InService"
    assert described["ProductionVariants"][0]["CurrentWeight"] == 1.0
    targets = client("application-autoscaling").describe_scalable_targets(ServiceNamespace="sagemaker")
    assert targets["ScalableTargets"][0]["MaxCapacity"] == 3
    assert still_deployed({"deployment": told["facts"]}) is None
    assert len(servers_below(managed_sagemaker.service.home)) >= 1

    done = delete_endpoint(Endpoints(SETTINGS), "reviews")
    assert [line.split()[0] for line in done] == ["scaling", "endpoint", "endpoint", "model"]
    assert client().list_endpoints()["Endpoints"] == []
    assert client().list_endpoint_configs()["EndpointConfigs"] == []
    assert client().list_models()["Models"] == []
    wait_for(lambda: not servers_below(managed_sagemaker.service.home), "a server is left")
    assert "is gone" in str(still_deployed({"deployment": told["facts"]}))
    assert delete_endpoint(Endpoints(SETTINGS), "reviews") == []


def test_weights_share_the_requests_out(
    managed_sagemaker: LocalSageMaker, models: dict[str, Model], tmp_path: Path
) -> None:
    call_deploy(tmp_path / "out", models["one"], challenger=models["two"], challenger_weight=0.25)
    seen = Counter(ask()["InvokedProductionVariant"] for _ in range(200))
    assert set(seen) == {"champion", "challenger"}
    assert 25 <= seen["challenger"] <= 75  # of 200 by chance 0.25: five standard deviations are 31
    Endpoints(SETTINGS).share("reviews", {"champion": 0, "challenger": 1})
    assert {ask()["InvokedProductionVariant"] for _ in range(20)} == {"challenger"}
    assert ask(TargetVariant="champion")["InvokedProductionVariant"] == "champion"
    with pytest.raises(UsageError, match="no such variant"):
        Endpoints(SETTINGS).share("reviews", {"other": 1})


def test_a_shadow_gets_copies_and_never_answers(
    managed_sagemaker: LocalSageMaker, models: dict[str, Model], tmp_path: Path
) -> None:
    call_deploy(tmp_path / "out", models["one"], shadow=models["three"], capture_percent=100)
    assert {ask()["InvokedProductionVariant"] for _ in range(5)} == {"champion"}
    prefix = f"{os.environ['STORE_KEY']}/captured/reviews/"

    def captured() -> list[dict[str, Any]]:
        return [json.loads(read(f"s3://bucket/{key}")) for key in keys(prefix + "shadow/")]

    copies = wait_for(lambda: found if len(found := captured()) == 6 else None, "copies are missing")
    sent = [json.loads(item["captureData"]["endpointInput"]["data"]) for item in copies]
    assert sent.count(PROBE) == 5
    answered = [json.loads(read(f"s3://bucket/{key}")) for key in keys(prefix + "champion/")]
    assert len(answered) == 6  # one of them is the probe of `deploy`


def test_captured_requests_are_lines_as_aws_writes_them(
    managed_sagemaker: LocalSageMaker, models: dict[str, Model], tmp_path: Path
) -> None:
    call_deploy(tmp_path / "out", models["one"], capture_percent=100)
    ask(InferenceId="mine")
    found = keys(f"{os.environ['STORE_KEY']}/captured/reviews/champion/")
    assert all(len(key.split("/")) == 9 and key.endswith(".jsonl") for key in found)  # …/YYYY/MM/DD/HH/NAME
    record = next(item for item in (json.loads(read(f"s3://bucket/{key}")) for key in found) if is_mine(item))
    given, answer = record["captureData"]["endpointInput"], record["captureData"]["endpointOutput"]
    assert (given["mode"], given["encoding"], given["observedContentType"]) == ("INPUT", "JSON", "application/json")
    assert json.loads(given["data"]) == PROBE
    assert (answer["mode"], json.loads(answer["data"])["predictions"][0]["rating"]) == ("OUTPUT", 5)
    assert record["eventVersion"] == "0"


def is_mine(record: dict[str, Any]) -> bool:
    return record["eventMetadata"].get("inferenceId") == "mine"


def test_an_update_loses_no_request_and_leaves_only_the_new_model(
    managed_sagemaker: LocalSageMaker, models: dict[str, Model], tmp_path: Path
) -> None:
    call_deploy(tmp_path / "one", models["one"])
    before, codes, stop = client().describe_endpoint(EndpointName="reviews"), list[int | str](), threading.Event()

    def keep_asking() -> None:
        while not stop.is_set():
            try:
                codes.append(ask()["ResponseMetadata"]["HTTPStatusCode"])
            except Exception as error:  # a thread that dies would count as one without a fault
                codes.append(repr(error))

    threads = [threading.Thread(target=keep_asking) for _ in range(2)]
    for thread in threads:
        thread.start()
    call_deploy(tmp_path / "two", models["two"], rollout="linear", rollout_percent=50, rollout_wait=1)
    stop.set()
    for thread in threads:
        thread.join()
    after = client().describe_endpoint(EndpointName="reviews")
    assert after["EndpointConfigName"] != before["EndpointConfigName"]
    assert len(codes) > 10
    assert set(codes) == {200}
    routing = after["LastDeploymentConfig"]["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]
    assert (routing["Type"], routing["LinearStepSize"]["Value"]) == ("LINEAR", 50)
    done = delete_endpoint(Endpoints(SETTINGS), "reviews")
    assert sum(line.startswith("endpoint configuration") for line in done) == 2
    assert client().list_models()["Models"] == []


def test_the_same_deployment_twice_is_one_deployment(
    managed_sagemaker: LocalSageMaker, models: dict[str, Model], tmp_path: Path
) -> None:
    call_deploy(tmp_path / "one", models["one"])
    call_deploy(tmp_path / "two", models["one"])
    operations = Counter(call.operation for call in managed_sagemaker.requests)
    assert operations["CreateEndpoint"] == 1
    assert operations["UpdateEndpoint"] == 0
    assert len(client().list_endpoint_configs()["EndpointConfigs"]) == 1


def test_an_alarm_brings_the_old_model_back(
    managed_sagemaker: LocalSageMaker, models: dict[str, Model], tmp_path: Path
) -> None:
    call_deploy(tmp_path / "one", models["one"])
    before = client().describe_endpoint(EndpointName="reviews")["EndpointConfigName"]
    client("cloudwatch").put_metric_alarm(
        AlarmName="errors",
        MetricName="Invocation5XXErrors",
        Namespace="AWS/SageMaker",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    client("cloudwatch").set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="a test")
    given = {"rollout": "canary", "rollout_wait": 5, "rollback_alarms": ["errors"]}
    with pytest.raises(StepFailed, match="went back") as caught:
        call_deploy(tmp_path / "two", models["two"], **given)
    assert "Alarm errors" in caught.value.seen
    assert client().describe_endpoint(EndpointName="reviews")["EndpointConfigName"] == before
    assert ask()["json"]["predictions"][0]["rating"] == 5


def test_a_model_that_does_not_start_is_told_with_its_reason(
    managed_sagemaker: LocalSageMaker, models: dict[str, Model], tmp_path: Path
) -> None:
    broken = train(tmp_path / "broken", seed=4)
    (Path(broken.path) / "predictor.py").write_text("raise RuntimeError('no such luck')\n")
    with pytest.raises(StepFailed, match="is Failed") as caught:
        call_deploy(tmp_path / "out", broken)
    assert "ping health check" in caught.value.seen
    log = client("logs").filter_log_events(logGroupName="/aws/sagemaker/Endpoints/reviews")["events"]
    assert any("no such luck" in event["message"] for event in log)
    call_deploy(tmp_path / "again", models["one"])  # a failed endpoint is in nobody's way
    assert ask()["json"]["predictions"][0]["rating"] == 5


def test_what_a_model_refuses_is_told_by_the_runtime_api(
    managed_sagemaker: LocalSageMaker, models: dict[str, Model], tmp_path: Path
) -> None:
    call_deploy(tmp_path / "out", models["one"])
    runtime = client("sagemaker-runtime")
    with pytest.raises(runtime.exceptions.ModelError) as caught:
        ask(body=b"{")
    told = caught.value.response
    assert told["OriginalStatusCode"] == 400
    assert "cannot be read" in told["OriginalMessage"]
    assert told["ResponseMetadata"]["HTTPStatusCode"] == 424
    for name, more in (("nobody", {}), ("reviews", {"TargetVariant": "nobody"})):
        with pytest.raises(client("sagemaker-runtime").exceptions.ClientError, match="not found"):
            ask(name, **more)


def test_a_serverless_endpoint_and_an_uncompressed_model_answer(
    managed_sagemaker: LocalSageMaker, models: dict[str, Model], tmp_path: Path
) -> None:
    call_deploy(tmp_path / "one", models["one"], endpoint="small", serverless_memory=2048)
    described = client().describe_endpoint(EndpointName="small")
    assert described["ProductionVariants"][0]["CurrentServerlessConfig"]["MemorySizeInMB"] == 2048
    call_deploy(tmp_path / "two", models["one"], endpoint="large", uncompressed=True)
    container = client().describe_model(ModelName=model_of("large"))["PrimaryContainer"]
    assert container["ModelDataSource"]["S3DataSource"]["CompressionType"] == "None"
    assert [ask(name)["json"]["predictions"][0]["rating"] for name in ("small", "large")] == [5, 5]


def model_of(endpoint: str) -> str:
    config = client().describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
    return str(client().describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"][0]["ModelName"])


def test_locally_the_models_are_served_for_a_moment_and_the_document_is_the_same(
    managed_sagemaker: LocalSageMaker, models: dict[str, Model], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = call_deploy(tmp_path / "there", models["one"], challenger=models["two"])
    monkeypatch.delenv("INTERMODAL_SERVICE")
    here = call_deploy(tmp_path / "here", models["one"], challenger=models["two"])
    assert {**here, "facts": 0} == {**there, "facts": 0}
    assert here["facts"]["answers"] == there["facts"]["answers"]
    monkeypatch.setenv("INTERMODAL_SERVICE", "sagemaker")
    assert "tried on this machine" in str(still_deployed({"deployment": here["facts"]}))


def test_endpoints_come_up_again_with_the_service(
    open_sagemaker: OpenSageMaker,
    home: Path,
    models: dict[str, Model],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = open_sagemaker()
    monkeypatch.setenv("STORE_KEY", configure(Path.cwd()))
    monkeypatch.setenv("INTERMODAL_SERVICE", "sagemaker")
    call_deploy(tmp_path / "out", models["one"])
    archive = next(key for key in keys(os.environ["STORE_KEY"]) if key.endswith(".tar.gz"))
    content = read(f"s3://bucket/{archive}")
    first.stop()
    wait_for(lambda: not servers_below(first.service.home), "a server is left")
    second = open_sagemaker()
    put(archive, content)  # moto's S3 forgets
    assert second.service.home == first.service.home
    Endpoints(SETTINGS).wait_in_service("reviews")
    assert ask()["json"]["predictions"][0]["rating"] == 5


def test_throttling_errors_and_lost_answers_make_nothing_twice(
    managed_sagemaker: LocalSageMaker, models: dict[str, Model], tmp_path: Path
) -> None:
    for fault in ("throttle", "error", "reset-before", "reset-after"):
        for operation in ("CreateModel", "CreateEndpointConfig", "DescribeEndpoint", "CreateEndpoint"):
            managed_sagemaker.service.faults.add({"fault": fault, "operation": operation, "times": 1})
    call_deploy(tmp_path / "out", models["one"])
    assert not managed_sagemaker.service.faults.all()
    assert [len(client().list_models()["Models"]), len(client().list_endpoints()["Endpoints"])] == [1, 1]
    for fault in ("reset-before", "reset-after"):
        managed_sagemaker.service.faults.add({"fault": fault, "operation": "UpdateEndpoint*", "times": 1})
        managed_sagemaker.service.faults.add({"fault": fault, "operation": "Delete*", "times": 2})
    call_deploy(tmp_path / "again", models["two"], rollout_wait=0)
    assert ask()["json"]["predictions"][0]["rating"] == 5
    delete_endpoint(Endpoints(SETTINGS), "reviews")
    assert not managed_sagemaker.service.faults.all()
    assert [client().list_models()["Models"], client().list_endpoint_configs()["EndpointConfigs"]] == [[], []]
