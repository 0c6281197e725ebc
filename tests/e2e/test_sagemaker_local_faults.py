"""Faults of the local SageMaker: throttling, broken connections, lost logs, slow starts, kill -9."""

from __future__ import annotations

import json
import os
import signal
import subprocess
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
    PATIENCE,
    client,
    ended,
    lines,
    namespaces_work,
    point_at,
    post,
    processing_request,
    streams,
    training_request,
    until,
    wait_for,
)

_FOREVER = "import time; print('up', flush=True); time.sleep(600)"


def test_faults_of_the_api_come_as_told_and_go(local_sagemaker: Any) -> None:
    faults = f"{local_sagemaker.url}/_local/faults"
    post(
        faults,
        [{"fault": "throttle", "operation": "Describe*", "times": 2}, {"fault": "error", "service": "sts", "times": 1}],
    )
    codes = [_code(lambda: client().describe_training_job(TrainingJobName="x")) for _ in range(3)]
    assert codes == ["ThrottlingException", "ThrottlingException", "ValidationException"]
    assert _code(client("sts").get_caller_identity) == "InternalFailure"
    assert client("sts").get_caller_identity()["Account"]
    post(faults, {"fault": "throttle", "service": "s3", "times": 1})
    assert _code(client("s3").list_buckets) == "SlowDown"
    post(faults, {"fault": "limit", "operation": "CreateTrainingJob", "times": 1})
    assert _code(lambda: client().create_training_job(**training_request("a", ""))) == "ResourceLimitExceeded"
    post(faults, {"fault": "expired", "access_key": "test", "skip": 1, "times": 1})
    assert client("sts").get_caller_identity()["Account"]
    assert _code(client("sts").get_caller_identity) in ("ExpiredToken", "ExpiredTokenException")
    with urllib.request.urlopen(faults) as answer:
        assert json.loads(answer.read()) == {"faults": []}
    with pytest.raises(urllib.error.HTTPError):
        post(faults, {"fault": "gremlin"})


def test_a_broken_connection_before_and_after_the_job_was_made(local_sagemaker: Any) -> None:
    faults = f"{local_sagemaker.url}/_local/faults"
    for which, there in (("reset-before", False), ("reset-after", True)):
        request = processing_request(which, "print(1)")
        post(faults, {"fault": which, "operation": "CreateProcessingJob", "times": 1})
        with pytest.raises(BotoCoreError):
            client().create_processing_job(**request)
        assert (_code(lambda: client().describe_processing_job(ProcessingJobName=which)) == "") is there  # noqa: B023
    made = [seen for seen in local_sagemaker.requests if seen.operation == "CreateProcessingJob"]
    assert [seen.status for seen in made] == [0, 0]


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
    post(f"{local_sagemaker.url}/_local/faults", {"fault": "lost-logs", "job": "mute", "times": 1})
    client().create_training_job(**training_request("mute", "print('unheard')"))
    assert ended("mute")["TrainingJobStatus"] == "Completed"
    assert streams("/aws/sagemaker/TrainingJobs", "mute/") == []
    lost = {"fault": "lost-logs", "job": "fading", "times": 1, "seconds": 0.1}
    post(f"{local_sagemaker.url}/_local/faults", lost)
    script = "import time; print('heard', flush=True); time.sleep(2); print('unheard')"
    client().create_training_job(**training_request("fading", script))
    assert ended("fading")["TrainingJobStatus"] == "Completed"
    assert lines("fading") == ["heard"]


def test_a_slow_start_can_be_stopped(local_sagemaker: Any) -> None:
    post(f"{local_sagemaker.url}/_local/faults", {"fault": "slow-start", "job": "*", "seconds": 600})
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
    wait_for(lambda: streams("/aws/sagemaker/TrainingJobs", "during/"))
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
    assert second.wait(PATIENCE) == 0


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
