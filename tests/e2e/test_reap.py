"""`intermodal reap` against the local SageMaker: what dead runs left is stopped once, all else is left and told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from intermodal.aws.tags import own_tags, tag_list
from intermodal.cli.main import main
from intermodal.core.attempt import machine_mark
from intermodal.core.config import load_settings
from intermodal.runtime.record import RunRecord
from intermodal.store.ownership import StoredOwnership
from local_sagemaker import (
    BUCKET,
    IMAGE,
    ROLE,
    add_program,
    client,
    image_folder,
    processing_request,
    put,
    training_request,
    until,
    wait_for,
)

SLEEP = "import time\nprint('up', flush=True)\ntime.sleep(600)"


@pytest.fixture
def account(home, open_sagemaker, monkeypatch):
    local = open_sagemaker(grace=0.5)
    monkeypatch.setenv("INTERMODAL_STORE", f"s3://{BUCKET}/intermodal")
    return local


def dead_process() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def record(run_id: str, **more) -> RunRecord:
    made = RunRecord(run_id, "p", "p.py", {}, {}, process=dead_process(), started="2030-01-01", **more)
    made.save(load_settings().runs)
    return made


def job(name: str, run: str = "", kind: str = "training") -> str:
    tags = tag_list(own_tags(run_id=run, pipeline="p")) if run else []
    if kind == "training":
        client().create_training_job(**training_request(name, SLEEP, Tags=tags))
        until(name, lambda told: told["SecondaryStatus"] == "Training")
    else:
        client().create_processing_job(**processing_request(name, SLEEP, Tags=tags))
    return name


def reaped(capfd, *words: str) -> dict[str, tuple[str, str]]:
    capfd.readouterr()
    code = main(["reap", "--json", *words])
    text = capfd.readouterr()
    told = json.loads(text.out)
    assert code == 0, text.err
    assert told["not_asked"] == []
    return {item["name"]: (item["state"], item["why"]) for item in told["found"]}


def test_jobs_of_a_run_whose_process_is_gone_are_stopped_once(account, capfd):
    record("p-dead")
    job("train-1", "p-dead")
    job("process-1", "p-dead", kind="processing")
    assert {name: state for name, (state, _) in reaped(capfd, "--dry-run").items()} == {
        "train-1": "would be stopped",
        "process-1": "would be stopped",
    }
    assert client().describe_training_job(TrainingJobName="train-1")["TrainingJobStatus"] == "InProgress"
    assert reaped(capfd) == {
        "train-1": ("stopped", "its run's process is gone"),
        "process-1": ("stopped", "its run's process is gone"),
    }
    until("train-1", lambda told: told["TrainingJobStatus"] == "Stopped")
    until("process-1", lambda told: told["ProcessingJobStatus"] == "Stopped", "Processing")
    assert reaped(capfd) == {}


def test_what_lives_or_is_not_ours_is_left_and_told(account, capfd):
    live = RunRecord("p-live", "p", "p.py", {}, {}, process=os.getpid())
    live.save(load_settings().runs)
    record("p-far", machine="abcdef")
    record("p-cluster", remote={"host": "http://kfp"})
    for name, run in (("a", "p-live"), ("b", "p-far"), ("c", "p-cluster"), ("d", "p-unknown"), ("e", "")):
        job(f"job-{name}", run, kind="processing")
    found = reaped(capfd)
    assert {name: state for name, (state, _) in found.items()} == {
        "job-a": "left",
        "job-b": "left",
        "job-c": "left",
        "job-d": "left",
    }
    assert found["job-a"][1] == "its run goes on"
    assert "another machine" in found["job-d"][1] and "--run p-unknown" in found["job-d"][1]
    assert "job-e" not in found


def test_a_run_that_failed_leaves_nothing_running_and_one_that_is_named_is_stopped(account, capfd):
    record("p-failed", state="FAILED")
    job("of-failed", "p-failed", kind="processing")
    job("of-elsewhere", "p-elsewhere", kind="processing")
    assert reaped(capfd)["of-failed"] == ("stopped", "its run is FAILED")
    found = reaped(capfd, "--run", "p-elsewhere")
    assert found["of-elsewhere"] == ("stopped", "its run was named")


def test_a_job_that_a_living_run_has_adopted_is_its_own(account, capfd):
    record("p-dead")
    live = RunRecord("p-live", "p", "p.py", {}, {}, process=os.getpid())
    live.save(load_settings().runs)
    job("adopted", "p-dead", kind="processing")
    StoredOwnership(f"s3://{BUCKET}/intermodal", "p-live", load_settings().runs).claim("adopted")
    assert reaped(capfd)["adopted"] == ("left", "its run goes on")
    replace(live, state="FAILED").save(load_settings().runs)
    assert reaped(capfd)["adopted"][0] == "stopped"


def test_a_job_of_a_step_on_its_own_is_stopped_when_its_process_is_gone(account, capfd):
    for name, process in (("of-dead", dead_process()), ("of-live", os.getpid())):
        job(name, kind="processing")
        owner = {"run": "", "machine": machine_mark(), "process": process}
        put(f"intermodal/jobs/{name}/owner.json", json.dumps(owner))
    found = reaped(capfd)
    assert found["of-dead"] == ("stopped", "its process is gone")
    assert found["of-live"] == ("left", "its process goes on, or is of another machine")


def test_an_age_stops_jobs_of_others_but_none_of_a_run_that_goes_on(account, capfd):
    RunRecord("p-live", "p", "p.py", {}, {}, process=os.getpid()).save(load_settings().runs)
    job("of-live", "p-live", kind="processing")
    job("of-other", "p-other", kind="processing")
    assert {state for state, _ in reaped(capfd, "--older-than", "1d").values()} == {"left"}
    found = reaped(capfd, "--older-than", "0s")
    assert found["of-live"][0] == "left"
    assert found["of-other"] == ("stopped", "it is older than asked")


def a_tuning_job(name: str, tags: list[dict[str, str]]) -> None:
    """Ask for a tuning whose one training job sleeps."""
    ranges = {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "-1", "MaxValue": "1"}]}
    client().create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name,
        HyperParameterTuningJobConfig={
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "score"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1},
            "ParameterRanges": ranges,
        },
        TrainingJobDefinition={
            "AlgorithmSpecification": {
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "score", "Regex": "score=([0-9.]+)"}],
            },
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/tuned"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        },
        Tags=tags,
    )


def test_children_of_a_tuning_job_are_left_to_it(account, capfd):
    add_program(image_folder(account), "train", SLEEP)
    record("p-dead")
    tags = tag_list(own_tags(run_id="p-dead", pipeline="p"))
    a_tuning_job("parent", tags)
    (child,) = wait_for(
        lambda: client().list_training_jobs(StatusEquals="InProgress")["TrainingJobSummaries"], "no training job"
    )
    assert client().list_tags(ResourceArn=child["TrainingJobArn"])["Tags"] == tags  # by these it were a leftover
    assert reaped(capfd) == {"parent": ("stopped", "its run's process is gone")}
    until(child["TrainingJobName"], lambda told: told["TrainingJobStatus"] == "Stopped")


def test_endpoints_of_dead_runs_go_with_all_that_is_theirs_and_those_of_good_runs_stay(account, capfd):
    from intermodal.aws.endpoints import ENDPOINT_TAG

    sagemaker = client()
    for name, run in (("of-dead", "p-dead"), ("of-good", "p-good")):
        tags = tag_list({**own_tags(run_id=run, pipeline="p"), ENDPOINT_TAG: name})
        image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/toy:1"
        sagemaker.create_model(
            ModelName=f"model-{name}",
            ExecutionRoleArn="arn:aws:iam::123456789012:role/intermodal-execution",
            PrimaryContainer={"Image": image},
            Tags=tags,
        )
        variant = {"VariantName": "a", "ModelName": f"model-{name}", "InstanceType": "ml.m5.large"}
        sagemaker.create_endpoint_config(
            EndpointConfigName=f"config-{name}", ProductionVariants=[{**variant, "InitialInstanceCount": 1}], Tags=tags
        )
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=f"config-{name}", Tags=tags)
    record("p-dead")
    record("p-good", state="SUCCEEDED")
    found = reaped(capfd)
    assert found["of-dead"] == ("stopped", "its run's process is gone")
    assert found["of-good"][0] == "left" and "made to stay" in found["of-good"][1]
    assert [item["EndpointName"] for item in sagemaker.list_endpoints()["Endpoints"]] == ["of-good"]
    assert [item["EndpointConfigName"] for item in sagemaker.list_endpoint_configs()["EndpointConfigs"]] == [
        "config-of-good"
    ]
    assert [item["ModelName"] for item in sagemaker.list_models()["Models"]] == ["model-of-good"]
    assert reaped(capfd, "--older-than", "0s")["of-good"][0] == "left"
    assert reaped(capfd, "--run", "p-good")["of-good"][0] == "stopped"
    assert sagemaker.list_endpoints()["Endpoints"] == []


def test_an_age_that_is_none_is_refused_before_anything_is_asked(home, capfd):
    assert main(["reap", "--older-than", "soon"]) == 2
    assert "such as 90m" in capfd.readouterr().err


def test_with_nothing_left_it_says_so(account, capfd):
    assert main(["reap"]) == 0
    assert capfd.readouterr().out == "nothing of ours goes on\n"
