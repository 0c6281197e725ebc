"""Processing jobs of the local SageMaker: inputs, outputs, several hosts, messages, stops."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local_sagemaker import (
    BUCKET,
    OpenSageMaker,
    client,
    ended,
    keys,
    lines,
    printed,
    processing_input,
    processing_request,
    put,
    read,
    wait_for,
)


def _output(name: str, uri: str, mode: str = "EndOfJob") -> dict[str, Any]:
    path = f"/opt/ml/processing/output/{name}"
    return {"OutputName": name, "S3Output": {"S3Uri": uri, "LocalPath": path, "S3UploadMode": mode}}


def _run(name: str, script: str, **more: Any) -> dict[str, Any]:
    client().create_processing_job(**processing_request(name, script, **more))
    return ended(name, "Processing")


def test_inputs_come_outputs_go_and_the_message_is_told(local_sagemaker: Any) -> None:
    put("in/a.txt", "hello")
    script = """
import json, os
config = json.load(open("/opt/ml/config/processingjobconfig.json"))
print(config["ProcessingJobName"], json.load(open("/opt/ml/config/resourceconfig.json"))["hosts"])
text = open("/opt/ml/processing/input/data/a.txt").read()
os.makedirs("/opt/ml/processing/output/made/deep")
open("/opt/ml/processing/output/made/deep/b.txt", "w").write(text.upper())
open("/opt/ml/output/message", "w").write("all is well")
"""
    told = _run(
        "move",
        script,
        ProcessingInputs=[processing_input("data", f"s3://{BUCKET}/in/", "/opt/ml/processing/input/data")],
        ProcessingOutputConfig={"Outputs": [_output("made", f"s3://{BUCKET}/out/")]},
        Environment={"MINE": "yes"},
    )
    assert told["ProcessingJobStatus"] == "Completed"
    assert told["ExitMessage"] == "all is well"
    assert told["Environment"] == {"MINE": "yes"}
    assert read(f"s3://{BUCKET}/out/deep/b.txt") == b"HELLO"
    assert lines("move", "ProcessingJobs") == ["move ['algo-1']"]


def test_a_continuous_output_is_there_while_the_job_runs(local_sagemaker: Any) -> None:
    script = """
import os, time
place = "/opt/ml/processing/output/made"
open(f"{place}/first", "w").write("1")
time.sleep(600)
"""
    outputs = {"Outputs": [_output("made", f"s3://{BUCKET}/live", "Continuous")]}
    client().create_processing_job(**processing_request("live", script, ProcessingOutputConfig=outputs))
    wait_for(lambda: keys("live/") == ["live/first"])
    assert client().describe_processing_job(ProcessingJobName="live")["ProcessingJobStatus"] == "InProgress"
    client().stop_processing_job(ProcessingJobName="live")


def test_several_hosts_share_by_key_and_all_outputs_arrive(local_sagemaker: Any) -> None:
    for number in range(3):
        put(f"in/{number}", str(number))
    script = """
import json, os
me = json.load(open("/opt/ml/config/resourceconfig.json"))["current_host"]
seen = sorted(os.listdir("/opt/ml/processing/input/data"))
open(f"/opt/ml/processing/output/made/{me}", "w").write(json.dumps(seen))
"""
    source = processing_input(
        "data", f"s3://{BUCKET}/in/", "/opt/ml/processing/input/data", S3DataDistributionType="ShardedByS3Key"
    )
    request = processing_request(
        "many",
        script,
        ProcessingInputs=[source],
        ProcessingOutputConfig={"Outputs": [_output("made", f"s3://{BUCKET}/out")]},
    )
    request["ProcessingResources"]["ClusterConfig"]["InstanceCount"] = 2
    client().create_processing_job(**request)
    assert ended("many", "Processing")["ProcessingJobStatus"] == "Completed"
    assert json.loads(read(f"s3://{BUCKET}/out/algo-1")) == ["0", "2"]
    assert json.loads(read(f"s3://{BUCKET}/out/algo-2")) == ["1"]


def test_a_failure_names_the_exit_code_and_keeps_what_was_said(local_sagemaker: Any) -> None:
    told = _run("bad", "open('/opt/ml/output/message', 'w').write('no data'); raise SystemExit(4)")
    assert told["ProcessingJobStatus"] == "Failed"
    assert told["FailureReason"].startswith("AlgorithmError")
    assert told["FailureReason"].endswith("exit code: 4")
    assert told["ExitMessage"] == "no data"


def test_only_of_a_failed_job_its_folders_stay_until_it_is_deleted(local_sagemaker: Any) -> None:
    home = local_sagemaker.service.home / "jobs" / "ProcessingJob"
    _run("well", "print(1)")
    wait_for(lambda: not (home / "well" / "hosts").exists())
    _run("ill", "open('/opt/ml/output/trace', 'w').write('why'); raise SystemExit(1)")
    assert [path.read_text() for path in (home / "ill").rglob("trace")] == ["why"]
    client().delete_processing_job(ProcessingJobName="ill")
    assert not (home / "ill").exists()


def test_a_path_outside_opt_ml_is_a_mount_of_its_own(local_sagemaker: Any) -> None:
    if local_sagemaker.service.executor.name == "processes":
        pytest.skip("jobs are plain processes here (no container engine, no namespaces): they see the machine's paths")
    put("in/a.txt", "hello")
    script = "print(open('/opt/elsewhere/data/a.txt').read())"
    source = processing_input("data", f"s3://{BUCKET}/in/", "/opt/elsewhere/data")
    assert _run("aside", script, ProcessingInputs=[source])["ProcessingJobStatus"] == "Completed"
    assert lines("aside", "ProcessingJobs") == ["hello"]
    from pathlib import Path

    assert not Path("/opt/elsewhere").exists(), "nothing is made on the machine itself"


def test_stopped_by_hand_and_by_time(open_sagemaker: OpenSageMaker) -> None:
    open_sagemaker(grace=0.3)
    request = processing_request("hand", "import time; print('up', flush=True); time.sleep(600)")
    client().create_processing_job(**request)
    wait_for(lambda: printed("hand", "ProcessingJobs"))
    client().stop_processing_job(ProcessingJobName="hand")
    assert ended("hand", "Processing")["ProcessingJobStatus"] == "Stopped"
    told = _run("time", "import time; time.sleep(600)", StoppingCondition={"MaxRuntimeInSeconds": 1})
    assert told["ProcessingJobStatus"] == "Stopped"
    assert "MaxRuntimeExceeded" in told["FailureReason"]
