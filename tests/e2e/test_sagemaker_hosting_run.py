"""The steps that host models, in a run: placed on SageMaker, remembered there alone, done again when gone."""

from __future__ import annotations

import signal
from collections import Counter
from typing import Any

from hosted import SETTINGS
from intermodal.aws.endpoint_life import Endpoints
from intermodal.aws.endpoint_removal import delete_endpoint
from intermodal.runtime.sagemaker_local.server import LocalSageMaker
from launching import PATIENCE, TESTS, intermodal, start
from local_sagemaker import client, wait_for
from sagemaker_runs import digests, jobs, records

PIPELINE = str(TESTS / "hosting_pipelines.py") + ":hosting"
MANAGED = ("deploy", "package_model", "transform")
PLACED = [word for name in MANAGED for word in ("--place", f"{name}=sagemaker")]


def run(*words: str) -> dict[str, Any]:
    done = intermodal("run", PIPELINE, "--json", *words)
    assert done.code == 0, done.err
    return records()[-1]


def states(record: dict[str, Any]) -> dict[str, str]:
    return {task["name"]: task["state"] for task in record["tasks"]}


def created(service: LocalSageMaker) -> Counter[str]:
    return Counter(call.operation for call in service.requests if call.status == 200 and call.operation[:6] == "Create")


def test_placed_steps_are_done_by_their_services_once_and_again_when_gone(
    sagemaker: LocalSageMaker,
):
    here = run()
    assert not created(sagemaker)
    there = run(*PLACED)
    # What was tried here was not deployed there; what was rated here is rated, wherever that was.
    expected = {"tiny-model": "CACHED", "deploy": "SUCCEEDED", "package-model": "SUCCEEDED", "transform": "CACHED"}
    assert states(there) == expected
    assert digests(there) == digests(here)
    made = created(sagemaker)
    assert (made["CreateEndpoint"], made["CreateModelPackage"]) == (1, 1)
    answer = Endpoints(SETTINGS).invoke("tiny", b'{"inputs": ["terrible thing"]}')
    assert answer.variant == "champion"
    tags = Endpoints(SETTINGS).tags(client().describe_endpoint(EndpointName="tiny")["EndpointArn"])
    assert tags["intermodal:run"] == there["run_id"]

    assert set(states(run(*PLACED)).values()) == {"CACHED"}
    assert created(sagemaker) == made
    delete_endpoint(Endpoints(SETTINGS), "tiny")
    again = states(run(*PLACED))
    assert again.pop("deploy") == "SUCCEEDED"
    assert set(again.values()) == {"CACHED"}
    assert client().describe_endpoint(EndpointName="tiny")["EndpointStatus"] == "InService"

    changed = run(*PLACED, "-p", "worst=awful")
    assert states(changed)["transform"] == "SUCCEEDED"
    assert (
        Endpoints(SETTINGS).invoke("tiny", b'{"inputs": ["awful thing"]}').body[:30]
        == b'{"predictions":[{"rating":1,"p'
    )
    (package, *_older) = client().list_model_packages(ModelPackageGroupName="tiny")["ModelPackageSummaryList"]
    assert package["ModelPackageVersion"] == 2
    (job,) = client().list_transform_jobs()["TransformJobSummaries"]
    assert job["TransformJobStatus"] == "Completed"
    local = run("--no-cache", "-p", "worst=awful")
    assert digests(local) == digests(changed)


def test_every_step_of_the_pipeline_runs_on_sagemaker(sagemaker: LocalSageMaker):
    record = run("--on", "sagemaker")
    assert set(states(record).values()) == {"SUCCEEDED"}
    assert [name.rpartition("-")[0] for name in jobs()] == ["hosting-tiny-model"]
    made = created(sagemaker)
    assert {"CreateEndpoint": 1, "CreateModelPackage": 1, "CreateTransformJob": 1}.items() <= made.items()
    assert client().describe_endpoint(EndpointName="tiny")["EndpointStatus"] == "InService"


def test_a_run_that_is_told_to_stop_stops_its_transform_job_once(sagemaker: LocalSageMaker):
    sagemaker.service.faults.add({"fault": "slow-start", "job": "*", "seconds": 300})
    process = start("run", PIPELINE, "--place", "transform=sagemaker")
    try:
        wait_for(lambda: client().list_transform_jobs()["TransformJobSummaries"], "the job was not created")
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
    finally:
        process.kill()
    (job,) = client().list_transform_jobs()["TransformJobSummaries"]
    assert job["TransformJobStatus"] == "Stopped"
    assert [call.status for call in sagemaker.requests if call.operation == "StopTransformJob"] == [200]
